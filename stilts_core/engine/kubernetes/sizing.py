"""How many pods a stage has, what each of them may use, and where they may go."""

from __future__ import annotations

from dataclasses import dataclass

from stilts_core.errors import SpecError
from stilts_core.planning.plan import StageKind
from stilts_core.spec.kubernetes import Compute, Scheduling, Toleration
from stilts_core.spec.profile import Placement


@dataclass(frozen=True, slots=True)
class Sizing:
    """The pods of one stage.

    Attributes:
        nodes: pods, each on a node of its own.
        ranks_per_node: processes of a training in each pod.
        gpus: of each pod.
    """

    nodes: int
    ranks_per_node: int
    gpus: int
    compute: Compute
    scheduling: Scheduling


def stage_sizing(kind: StageKind, placement: Placement) -> Sizing:
    """The pods of a stage of this kind.

    On processors a pretraining is one process, as on one machine, so that it gives the same bits.

    Raises:
        SpecError: what the profile says of GPUs, nodes and ranks does not go together.
    """
    kubernetes = placement.kubernetes
    ranks_per_node = _ranks_per_node(placement)
    gpus = kubernetes.gpus_per_node
    # What measures runs models without training them, as an evaluation does.
    compute: Compute = getattr(kubernetes.pods, kind.value, None) or kubernetes.pods.evaluate
    if kind is StageKind.TRAIN or (kind is StageKind.PRETRAIN and gpus):
        nodes = kubernetes.nodes
    else:
        nodes, ranks_per_node = 1, 1
        gpus = 0 if kind is StageKind.PREPARE else min(gpus, 1)
    return Sizing(nodes, ranks_per_node, gpus, compute, _scheduling(placement, gpus))


def driver_sizing(placement: Placement) -> Sizing:
    """The driver's pod. It stays off nodes that may be taken away."""
    kubernetes = placement.kubernetes
    return Sizing(1, 1, 0, kubernetes.pods.driver, kubernetes.cpu_pods)


def _ranks_per_node(placement: Placement) -> int:
    ranks, nodes, gpus = placement.training.ranks, placement.kubernetes.nodes, placement.kubernetes.gpus_per_node
    if placement.device == "cuda" and not gpus:
        raise SpecError(
            "The profile says `device: cuda`, and no pod would have a GPU.",
            hint="Set `kubernetes.gpus_per_node`, or `device: auto`.",
        )
    if placement.device == "cpu" and gpus:
        raise SpecError(
            f"The profile says `device: cpu`, and each pod of a training would hold {gpus} GPUs without using them.",
            hint="Set `kubernetes.gpus_per_node: 0`, or `device: auto`.",
        )
    wanted = gpus or max(1, ranks // nodes)
    if ranks not in (1, nodes * wanted):
        where = f"{nodes} nodes of {gpus} GPUs" if gpus else f"{nodes} nodes"
        raise SpecError(
            f"{ranks} ranks cannot be shared out evenly to {where}.",
            hint=f"Leave `training.ranks` out, or set it to {nodes * wanted}.",
        )
    return wanted


def _scheduling(placement: Placement, gpus: int) -> Scheduling:
    kubernetes = placement.kubernetes
    base = kubernetes.gpu_pods if gpus else kubernetes.cpu_pods
    selector, tolerations = dict(base.node_selector), list(base.tolerations)
    if gpus:
        # Nodes with GPUs are by convention tainted with the resource's name; who asks for it is meant to be there.
        tolerations.append(Toleration(key=kubernetes.gpu_resource, operator="Exists", effect="NoSchedule"))
    if kubernetes.spot:
        selector |= kubernetes.spot.node_selector
        tolerations += kubernetes.spot.tolerations
    return base.model_copy(
        update={"node_selector": selector, "tolerations": tuple(dict.fromkeys(tolerations))},
    )
