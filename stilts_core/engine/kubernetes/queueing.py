"""Why a Job is suspended, in the words of Kueue's Workload where there is one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stilts_core.engine.kubernetes.kueue import QUEUE_LABEL
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import condition, when
from stilts_core.engine.kubernetes.pod_state import short

_EVICTED_FOR = {
    "Preempted": "preempted in its queue",
    "PodsReadyTimeout": "taken off because its pods were not ready in time",
    "AdmissionCheck": "taken off by an admission check",
    "ClusterQueueStopped": "taken off because its cluster queue was stopped",
    "LocalQueueStopped": "taken off because its queue was stopped",
    "NodeFailures": "taken off because of a failed node",
    "Deactivated": "taken off for good: somebody deactivated its Workload",
}


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why an attempt is suspended.

    Attributes:
        evicted: it had been let in before.
        since: seconds since the epoch; None where nobody says.
    """

    evicted: bool
    why: str
    since: float | None = None


def explain_suspension(suspended: Object, workloads: Iterable[Object]) -> Suspension:
    """Why a Job (or JobSet) is suspended.

    Args:
        suspended: the object itself.
        workloads: Kueue's, of the namespace.
    """
    metadata = suspended["metadata"]
    workload = next((each for each in workloads if _is_of(each, metadata)), None)
    queue = (metadata.get("labels") or {}).get(QUEUE_LABEL, "")
    if workload is None:
        since = when((condition(suspended, "Suspended") or {}).get("lastTransitionTime"))
        return Suspension(False, f"in the queue {queue}" if queue else "its Job is suspended", since)
    evicted, admitted = condition(workload, "Evicted"), condition(workload, "QuotaReserved")
    waiting = _unmet(workload, "QuotaReserved")
    if evicted is not None:
        reason = str(evicted.get("reason", ""))
        why = _EVICTED_FOR.get(reason, f"taken off ({reason})")
        why += f": {short(evicted.get('message'))}" if evicted.get("message") else ""
        return Suspension(True, why, when(evicted.get("lastTransitionTime")))
    if admitted is not None:
        checks = _unmet(workload, "Admitted")
        said = short((checks or {}).get("message")) or "it is about to be let in"
        return Suspension(False, f"in the queue {queue}: {said}", when(admitted.get("lastTransitionTime")))
    said = short((waiting or {}).get("message"))
    since = when((waiting or {}).get("lastTransitionTime"))
    return Suspension(False, f"in the queue {queue}" + (f": {said}" if said else ""), since)


def _is_of(workload: Object, metadata: Object) -> bool:
    return any(owner.get("uid") == metadata["uid"] for owner in workload["metadata"].get("ownerReferences") or ())


def _unmet(workload: Object, kind: str) -> Object | None:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind and each.get("status") == "False"), None)
