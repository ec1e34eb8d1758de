"""Jobs, pods and what belongs to them, as a cluster writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from engine_plans import stage

from stilts_core.engine.kubernetes.labels import ATTEMPT, COMPONENT, FINGERPRINT, PLAN, STAGE, STORED_ATTEMPT
from stilts_core.engine.kubernetes.names import fingerprint_label

Object = dict[str, Any]

ONLY = stage("only")
FP = ONLY.fingerprint
BEGAN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC).timestamp()


def at(seconds: float) -> str:
    """A moment so many seconds after `BEGAN`, as the cluster writes it."""
    return datetime.fromtimestamp(BEGAN + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def marks(attempt: int = 1) -> dict[str, str]:
    return {COMPONENT: STAGE, PLAN: "0" * 32, FINGERPRINT: fingerprint_label(FP), ATTEMPT: str(attempt)}


def condition(kind: str, reason: str = "", message: str = "", *, status: str = "True", after: float = 60.0) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(after)}


def job(
    *conditions: Object,
    attempt: int = 1,
    nodes: int = 1,
    suspend: bool = False,
    deleting: bool = False,
    owner: str = "anchor-uid",
    queue: str = "",
) -> Object:
    metadata: Object = {
        "name": f"job-{attempt}",
        "uid": f"uid-{attempt}",
        "resourceVersion": "1",
        "creationTimestamp": at(0),
        "labels": marks(attempt) | ({"kueue.x-k8s.io/queue-name": queue} if queue else {}),
        "annotations": {STORED_ATTEMPT: f"{attempt:03d}-aa"},
        "ownerReferences": [{"kind": "ConfigMap", "name": "anchor", "uid": owner}],
    }
    if deleting:
        metadata["deletionTimestamp"] = at(50)
    return {
        "metadata": metadata,
        "spec": {"suspend": suspend, "completions": nodes},
        "status": {"conditions": list(conditions)},
    }


def failed(reason: str = "PodFailurePolicy", message: str = "", after: float = 60.0) -> Object:
    return condition("Failed", reason, message, after=after)


def pod(
    index: int = 0,
    *conditions: Object,
    attempt: int = 1,
    phase: str = "Running",
    node: str = "node-a",
    state: Object | None = None,
    deleted: float | None = None,
    **status: object,
) -> Object:
    """A pod of an attempt; its container runs since second 10 unless a state is given."""
    metadata: Object = {
        "name": f"job-{attempt}-{index}-x",
        "uid": f"pod-{attempt}-{index}",
        "creationTimestamp": at(1),
        "labels": marks(attempt),
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = at(deleted)
    if state is None:
        state = {"running": {"startedAt": at(10)}}
    containers = [{"name": "stage", "image": "stilts-train:1", "state": state}] if state else []
    conditions = conditions or (condition("PodScheduled", after=2),)
    return {
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": list(conditions), "containerStatuses": containers, **status},
    }


def ended(
    code: int,
    index: int = 0,
    *conditions: Object,
    finished: float = 50.0,
    told: str = "",
    printed: str = "",
    stored: str | None = None,
    how: str = "Error",
    deleted: float | None = None,
    attempt: int = 1,
    **status: object,
) -> Object:
    """A pod whose container has ended; ``printed`` is what kubelet takes where the pod left no message."""
    message = f"{told}\n{json.dumps({'code': code, 'step': 7, 'total': 9, 'attempt': stored})}\n" if told else printed
    state = {"terminated": {"exitCode": code, "reason": how, "finishedAt": at(finished), "message": message}}
    phase = "Failed" if code else "Succeeded"
    return pod(index, *conditions, attempt=attempt, phase=phase, state=state, deleted=deleted, **status)


def waiting(reason: str, message: str) -> Object:
    return {"waiting": {"reason": reason, "message": message}}


def workload(*conditions: Object, job_uid: str = "uid-1") -> Object:
    owners = [{"kind": "Job", "name": "job-1", "uid": job_uid}]
    return {"metadata": {"name": "job-1-abcde", "ownerReferences": owners}, "status": {"conditions": list(conditions)}}


def event(message: str, after: float, job_uid: str = "uid-1") -> Object:
    return {
        "metadata": {"name": f"event-{after}"},
        "reason": "FailedCreate",
        "message": message,
        "lastTimestamp": at(after),
        "involvedObject": {"kind": "Job", "uid": job_uid},
    }


def job_set(*conditions: Object, suspend: bool = False) -> Object:
    found = job(*conditions, suspend=suspend)
    return {**found, "metadata": {**found["metadata"], "name": "set-1", "uid": "set-uid"}}
