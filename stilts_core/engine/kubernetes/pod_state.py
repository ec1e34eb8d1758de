"""One pod, as its object describes it: what it waits for, or how it ended. Pure."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import condition, created, deleting_since, when
from stilts_core.errors import Budget, DeviceMemoryError, SpecError
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import parse_attempt
from stilts_core.storage.manifest import Attempt

_LONGEST = 240
_FEW_LINES = 4
_SIGNALS = range(129, 193)  # 128 and the signal
_BEING_MADE = frozenset({"ContainerCreating", "PodInitializing"})
_PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_REBOOTED = "ContainerStatusUnknown"


@dataclass(frozen=True, slots=True)
class Wait:
    """A pod that has not begun.

    Attributes:
        since: seconds since the epoch.
    """

    phase: Phase
    why: str
    since: float


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod ended.

    Attributes:
        code: exit status; negative for a signal; None where nobody knows.
        at: seconds since the epoch.
        budget: where the cluster knows better than the code does.
        disrupted: the platform took the pod away.
        deleted: somebody deleted the pod.
        stored: the name under which it kept things in the store, as it says.
    """

    pod: str
    code: int | None
    at: float
    reason: str = ""
    budget: Budget | None = None
    disrupted: bool = False
    deleted: bool = False
    stored: Attempt | None = None
    progress: Progress | None = None


def short(message: str | None) -> str:
    """A message of the cluster in one clause."""
    text = " ".join((message or "").split())
    # What follows only says that preempting others would not help either.
    text = text.partition(" preemption: ")[0].rstrip(". ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def node_of(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def has_ended(pod: Object) -> bool:
    """No process of it runs any more."""
    if _status(pod).get("phase") in ("Succeeded", "Failed"):
        return True
    containers = _containers(pod)
    return bool(containers) and all((each.get("state") or {}).get("terminated") for each in containers)


def has_succeeded(pod: Object) -> bool:
    return _status(pod).get("phase") == "Succeeded"


def lost_since(pod: Object) -> float | None:
    """When a pod that is still there should have been gone, or its node lost it; seconds since the epoch."""
    if has_ended(pod):
        return None
    status = _status(pod)
    if status.get("reason") == "NodeLost" or status.get("phase") == "Unknown":
        ready = _any_condition(pod, "Ready") or {}
        return deleting_since(pod) or when(ready.get("lastTransitionTime")) or created(pod)
    return deleting_since(pod)


def silent_node(pod: Object) -> str:
    """The node of a running pod that does not answer; empty while it does."""
    ready, running = _any_condition(pod, "Ready"), _running(pod)
    # Only the cluster says so of a pod whose containers run and that has no probe.
    silent = running is not None and ready is not None and ready.get("status") == "False"
    contained = _any_condition(pod, "ContainersReady") or {}
    return node_of(pod) if silent and contained.get("status") == "True" else ""


def running_since(pod: Object) -> float | None:
    """When its container started, seconds since the epoch; None while it does not run."""
    running = _running(pod)
    return None if running is None else when(running.get("startedAt")) or created(pod)


def wait_of(pod: Object) -> Wait:
    """What a pod that has not begun waits for."""
    since = created(pod)
    scheduled = _any_condition(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        since = when(scheduled.get("lastTransitionTime")) or since
        if scheduled.get("reason") == "SchedulingGated":
            return Wait(Phase.QUEUED, "it is held back by a scheduling gate", since)
        return Wait(Phase.QUEUED, f"no node takes it: {short(scheduled.get('message'))}", since)
    if not node_of(pod):
        return Wait(Phase.QUEUED, "for a node", since)
    since = when(scheduled.get("lastTransitionTime")) or since
    for each in _containers(pod):
        waiting = (each.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), short(waiting.get("message"))
        if reason in _PULLING:
            image = each.get("image") or "of the pod"
            return Wait(Phase.QUEUED, f"the image {image} cannot be pulled: {message or reason}", since)
        if reason and reason not in _BEING_MADE:
            return Wait(Phase.QUEUED, f"its container cannot be made: {message or reason}", since)
    return Wait(Phase.STARTING, f"its container is being made on {node_of(pod)}", since)


def end_of(pod: Object) -> PodEnd:
    """How a pod ended; of one that is gone, as far as was seen."""
    status, name = _status(pod), str(pod["metadata"]["name"])
    deleted = deleting_since(pod) is not None
    terminated = next(
        (found for each in _containers(pod) if (found := (each.get("state") or {}).get("terminated"))), None
    )
    disruption = condition(pod, "DisruptionTarget")
    if terminated is None:
        return _without_container(pod, disruption, deleted)
    code = int(terminated.get("exitCode", 1))
    code = 128 - code if code in _SIGNALS else code
    told, document = _message(terminated.get("message"))
    if not document:
        told = _printed(told, code)
    at = when(terminated.get("finishedAt")) or created(pod)
    stored, progress = _stored(document), _progress(document)
    if disruption is not None:
        reason = _taken_away(status, disruption) + _on(pod)
        budget = Budget.APPLICATION if _own_fault(status) else Budget.INFRASTRUCTURE
        return PodEnd(name, code, at, reason, budget, True, deleted, stored, progress)
    if terminated.get("reason") == "OOMKilled" and code and not document:
        reason = f"memory ran out: the kernel killed the pod's main process{_on(pod)}; raise its memory in the profile"
        return PodEnd(name, DeviceMemoryError.exit_code, at, reason, None, False, deleted, stored, progress)
    if terminated.get("reason") == _REBOOTED:
        reason = f"its node lost sight of it{_on(pod)}"
        return PodEnd(name, None, at, reason, Budget.INFRASTRUCTURE, True, deleted, stored, progress)
    if deleted and code < 0:
        reason = "its pod was deleted"
        return PodEnd(name, code, at, reason, Budget.INFRASTRUCTURE, False, deleted, stored, progress)
    return PodEnd(name, code, at, told, None, False, deleted, stored, progress)


def _without_container(pod: Object, disruption: Object | None, deleted: bool) -> PodEnd:
    status, name = _status(pod), str(pod["metadata"]["name"])
    at = deleting_since(pod) or when((disruption or {}).get("lastTransitionTime")) or created(pod)
    if disruption is not None or status.get("reason") == "Evicted":
        reason = _taken_away(status, disruption or {}) + _on(pod)
    elif status.get("reason"):
        reason = f"its node did not take it ({status['reason']}): {short(status.get('message'))}{_on(pod)}"
    else:
        reason = "its pod was deleted"
    budget = Budget.APPLICATION if _own_fault(status) else Budget.INFRASTRUCTURE
    return PodEnd(name, None, at, reason, budget, disruption is not None, deleted)


def _taken_away(status: Object, disruption: Object) -> str:
    if status.get("reason") == "Evicted":
        return f"evicted: {short(status.get('message'))}"
    return f"taken away by the cluster: {short(disruption.get('message')) or disruption.get('reason')}"


def _own_fault(status: Object) -> bool:
    """The pod used more than it was given; another attempt would do the same."""
    return status.get("reason") == "Evicted" and "exceeds" in str(status.get("message"))


def _on(pod: Object) -> str:
    node = node_of(pod)
    return f" (node {node})" if node else ""


def _message(text: str | None) -> tuple[str, Object]:
    """A supervisor's termination message: the sentence, and what its last line has for programs."""
    lines = (text or "").strip().splitlines()
    if lines:
        with suppress(ValueError):
            found = json.loads(lines[-1])
            if isinstance(found, dict):
                return "\n".join(lines[:-1]).strip(), found
    return "\n".join(lines).strip(), {}


def _printed(text: str, code: int) -> str:
    """What is worth telling of a message that is no supervisor's: a few lines, or the end of what the pod printed."""
    if code < 0:
        return ""  # it was ended in the middle of something else
    lines = text.splitlines()
    return text if len(lines) <= _FEW_LINES else short(lines[-1])


def _stored(document: Object) -> Attempt | None:
    with suppress(SpecError):
        return parse_attempt(str(document.get("attempt")))
    return None


def _progress(document: Object) -> Progress | None:
    step, total = document.get("step"), document.get("total")
    return Progress(step=step, total=total) if isinstance(step, int) and isinstance(total, int) else None


def _status(pod: Object) -> Object:
    return pod.get("status") or {}


def _containers(pod: Object) -> list[Object]:
    return _status(pod).get("containerStatuses") or []


def _running(pod: Object) -> Object | None:
    return next((found for each in _containers(pod) if (found := (each.get("state") or {}).get("running"))), None)


def _any_condition(pod: Object, kind: str) -> Object | None:
    return next((each for each in _status(pod).get("conditions") or () if each.get("type") == kind), None)
