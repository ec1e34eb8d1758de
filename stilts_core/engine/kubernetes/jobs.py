"""Jobs: one for a driver, one for each attempt at a stage.

An attempt is one Job with one pod a node, and nothing in the cluster begins it anew: the driver alone makes the next
attempt, knows which budget it is charged to, and has a record of each in the store.
"""

from __future__ import annotations

from stilts_core.engine.kubernetes.labels import Object
from stilts_core.errors import Budget, StoppedError, failing_codes
from stilts_core.spec.kubernetes import Kubernetes

DRIVER_RESTARTS = 10
"""Pods of a driver beyond the first; one that was evicted, or could not reach the store, goes on where it was."""


def job(about: Object, spec: Object) -> Object:
    """A Job."""
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": spec}


def stage_job_spec(template: Object, nodes: int, container: str, kubernetes: Kubernetes) -> Object:
    """The ``spec`` of an attempt's Job, but for how long it stays."""
    return {
        "completionMode": "Indexed",
        "completions": nodes,
        "parallelism": nodes,
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules(container)},
        "activeDeadlineSeconds": kubernetes.deadline_seconds,
        "template": template,
    }


def driver_job_spec(template: Object, kubernetes: Kubernetes) -> Object:
    """The ``spec`` of a driver's Job.

    It has no rules for failures: with them, the pod of a node that is gone would be waited for, for ever. Two drivers
    at once do no harm, so another may begin at once.
    """
    return {
        "backoffLimit": DRIVER_RESTARTS,
        "ttlSecondsAfterFinished": kubernetes.ttl_seconds,
        "template": template,
    }


def _failure_rules(container: str) -> list[Object]:
    """Every failure but one ends the Job; which rule did is part of the Job's reason.

    What another attempt would only repeat stands before what the cluster did, and that before the other codes. A pod
    that was asked to stop, and not taken away by the cluster, belongs to a Job that was suspended, or was deleted by
    hand: the Job goes on. Without a rule of its own it would fail where the controller sees the pod's end in time.
    """
    stopped = StoppedError.exit_code
    infrastructure = tuple(code for code in failing_codes(Budget.INFRASTRUCTURE) if code != stopped)
    return [
        _exit_codes(container, failing_codes(Budget.NONE)),
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        _exit_codes(container, (stopped,), action="Ignore"),
        _exit_codes(container, infrastructure),
    ]


def _exit_codes(container: str, codes: tuple[int, ...], *, action: str = "FailJob") -> Object:
    return {
        "action": action,
        "onExitCodes": {"containerName": container, "operator": "In", "values": list(codes)},
    }
