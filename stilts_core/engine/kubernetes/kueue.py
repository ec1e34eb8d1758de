"""What makes a Job, or a JobSet, wait in a queue of Kueue."""

from __future__ import annotations

from stilts_core.spec.kubernetes import Kueue

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"


def kueue_labels(kueue: Kueue | None, *, retry: bool) -> dict[str, str]:
    """Labels of an attempt's object; Kueue itself suspends it until its turn."""
    if kueue is None:
        return {}
    priority = (kueue.retry_priority_class if retry else None) or kueue.priority_class
    return {QUEUE_LABEL: kueue.queue} | ({PRIORITY_LABEL: priority} if priority else {})
