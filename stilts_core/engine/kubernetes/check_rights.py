"""Whether whoever asks has the rights of `rights`, in a namespace."""

from __future__ import annotations

from stilts_core.engine.check import Check
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.rights import DRIVER, DRIVER_JOBSETS, RESEARCHER, RESEARCHER_JOBSETS, Rights
from stilts_core.spec.profile import Placement

_WORKLOADS = "kueue.x-k8s.io/workloads"
_TELLING = frozenset({"/pods/log", "/events", _WORKLOADS})
"""What only says why something waits or failed."""

_PERSONS_NEED = frozenset({"create", "delete", "get", "list"})


def check_researcher(cluster: Cluster, placement: Placement) -> Check:
    """The rights of a person who submits, looks at and cancels studies."""
    rights = {**RESEARCHER, **(RESEARCHER_JOBSETS if placement.kubernetes.jobset else {})}
    needed = {
        name: frozenset(verb for verb in verbs if verb in _PERSONS_NEED or name in ("/configmaps", "/services"))
        for name, verbs in rights.items()
        if name not in _TELLING
    }
    return _check(cluster, _asked_for(rights, placement), needed, "your rights")


def check_driver(cluster: Cluster, placement: Placement) -> Check:
    """The rights of a driver, asked with its own service account."""
    rights = {**DRIVER, **(DRIVER_JOBSETS if placement.kubernetes.jobset else {})}
    needed = {name: verbs for name, verbs in rights.items() if name not in _TELLING}
    return _check(cluster, _asked_for(rights, placement), needed, "rights")


def _asked_for(rights: Rights, placement: Placement) -> Rights:
    if placement.kubernetes.kueue is not None:
        return rights
    return {name: verbs for name, verbs in rights.items() if name != _WORKLOADS}


def _check(cluster: Cluster, rights: Rights, needed: Rights, name: str) -> Check:
    missing: dict[str, list[str]] = {}
    for place, verbs in rights.items():
        group, _, resource = place.partition("/")
        lacking = [verb for verb in sorted(verbs) if not cluster.may(verb, group, resource)]
        if lacking:
            missing[_name(place)] = lacking
    if not missing:
        return Check(name, f"all that are wanted in namespace {cluster.namespace}")
    blocks = any(verb in missing.get(_name(place), ()) for place, verbs in needed.items() for verb in verbs)
    detail = "without " + "; ".join(f"{', '.join(verbs)} on {place}" for place, verbs in missing.items())
    advice = f"Ask who runs the cluster for a Role in {cluster.namespace} with them; chart and `manifests/` have it."
    if not blocks:
        advice += " Studies run without them, but not every reason and log can be shown."
    return Check(name, detail, advice, blocks=blocks)


def _name(place: str) -> str:
    group, _, resource = place.partition("/")
    return f"{resource}.{group}" if group else resource
