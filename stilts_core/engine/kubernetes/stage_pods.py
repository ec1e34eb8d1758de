"""The pods of one stage."""

from __future__ import annotations

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import PODS
from stilts_core.engine.kubernetes.labels import ATTEMPT, FINGERPRINT, Object, plan_selector
from stilts_core.engine.kubernetes.marks import created
from stilts_core.engine.kubernetes.names import fingerprint_label
from stilts_core.engine.kubernetes.pod_state import running_since
from stilts_core.planning.plan import Plan, Stage

_INDEX = "batch.kubernetes.io/job-completion-index"


def running_pod(cluster: Cluster, plan: Plan, stage: Stage, number: int | None = None) -> Object | None:
    """The pod of a stage that runs now, of several nodes the first one; None where none does.

    Args:
        number: of the attempt; None: the latest.

    Raises:
        ClusterError: the cluster cannot be asked.
    """
    labels = f"{plan_selector(plan.digest())},{FINGERPRINT}={fingerprint_label(stage.fingerprint)}"
    if number is not None:
        labels += f",{ATTEMPT}={number}"
    running = [pod for pod in cluster.list(PODS, labels=labels).items if running_since(pod) is not None]
    return min(
        running, key=lambda pod: (-_number(pod, ATTEMPT, "labels"), _number(pod, _INDEX), -created(pod)), default=None
    )


def _number(pod: Object, name: str, where: str = "annotations") -> int:
    text = str((pod["metadata"].get(where) or {}).get(name, "0"))
    return int(text) if text.isdecimal() else 0
