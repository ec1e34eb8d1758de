"""What people and drivers must be allowed to do in a study's namespace. The chart's Roles grant the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stilts_core.engine.check import Check
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.spec.profile import Placement


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on one kind of objects.

    Attributes:
        group: of the API; empty for the core.
        resource: plural, with its part after a slash where it has one.
        needed: without it nothing goes; else only reasons and logs are missing.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    needed: bool = True

    @property
    def name(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


def researcher_rights(placement: Placement) -> list[Right]:
    """Of whoever submits, looks at and cancels studies."""
    return [
        Right("", "configmaps", ("create", "delete", "get", "list", "patch")),
        Right("", "services", ("create", "delete", "get", "list", "patch")),
        Right("batch", "jobs", ("create", "delete", "get", "list")),
        *([Right("jobset.x-k8s.io", "jobsets", ("delete", "list"))] if placement.kubernetes.jobset else []),
        Right("", "pods", ("get", "list")),
        *_reading(placement),
    ]


def driver_rights(placement: Placement) -> list[Right]:
    """Of the driver's service account."""
    writing = ("create", "delete", "get", "list", "patch", "watch")
    return [
        Right("batch", "jobs", writing),
        *([Right("jobset.x-k8s.io", "jobsets", writing)] if placement.kubernetes.jobset else []),
        Right("", "pods", ("get", "list", "watch")),
        Right("", "configmaps", ("get", "patch")),
        Right("", "services", ("get", "patch")),
        Right("coordination.k8s.io", "leases", ("create", "get", "update")),
        *_reading(placement),
    ]


def _reading(placement: Placement) -> Iterator[Right]:
    yield Right("", "pods/log", ("get",), needed=False)
    yield Right("", "events", ("list",), needed=False)
    if placement.kubernetes.kueue is not None:
        yield Right("kueue.x-k8s.io", "workloads", ("get", "list"), needed=False)


def check_rights(cluster: Cluster, rights: list[Right], whose: str) -> Check:
    """Whether whoever asks has rights in the namespace.

    Args:
        whose: names them in the result.
    """
    lacking = {
        right: [verb for verb in right.verbs if not cluster.may(verb, right.group, right.resource)] for right in rights
    }
    missing = {right: verbs for right, verbs in lacking.items() if verbs}
    if not missing:
        return Check(whose, f"all that are needed in namespace {cluster.namespace}")
    detail = "without " + "; ".join(f"{', '.join(verbs)} on {right.name}" for right, verbs in missing.items())
    blocks = any(right.needed for right in missing)
    serious = "" if blocks else " Studies run without them; only reasons and logs are not shown."
    advice = (
        f"Ask who runs the cluster for a Role in {cluster.namespace} with them; the chart and `manifests/` have it."
        f"{serious}"
    )
    return Check(whose, detail, advice, blocks=blocks)

Rights = Mapping[str, frozenset[str]]
"""``group/resource`` (``/pods`` in the core group) → verbs."""

_READ = frozenset({"get", "list", "watch"})
_MANAGE = _READ | {"create", "delete", "patch"}
JOBSETS = "jobset.x-k8s.io/jobsets"

DRIVER: Rights = {
    "batch/jobs": _MANAGE,
    "/pods": _READ | {"delete"},  # one on a node that is gone is taken away without asking the node
    "/pods/log": frozenset({"get"}),
    "/configmaps": frozenset({"get", "patch"}),  # the anchor: whether it is there, and how the study ended
    "/events": frozenset({"list", "watch"}),
    "/services": frozenset({"create", "get", "patch"}),
    "coordination.k8s.io/leases": frozenset({"create", "get", "update"}),
    "kueue.x-k8s.io/workloads": _READ,
}
"""Of the driver's service account; besides, `DRIVER_JOBSETS` where the profile wants JobSets."""

DRIVER_JOBSETS: Rights = {JOBSETS: _MANAGE}

RESEARCHER: Rights = {
    "batch/jobs": _MANAGE,
    "/pods": _READ,
    "/pods/log": frozenset({"get"}),
    "/configmaps": _MANAGE - {"watch"},
    "/events": frozenset({"list", "watch"}),
    "/services": _MANAGE - {"watch"},
    "kueue.x-k8s.io/workloads": _READ,
}
"""Of who submits, watches and cancels studies; besides, `RESEARCHER_JOBSETS` where the profile wants JobSets."""

RESEARCHER_JOBSETS: Rights = {JOBSETS: _READ | {"delete"}}
