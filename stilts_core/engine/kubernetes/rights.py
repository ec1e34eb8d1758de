"""What a driver, and a researcher, must be allowed in a namespace: one table for the chart, its tests and `doctor`."""

from __future__ import annotations

from collections.abc import Mapping

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
