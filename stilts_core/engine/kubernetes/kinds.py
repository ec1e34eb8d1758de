"""The kinds of objects that stilts deals with, as the API calls them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects.

    Attributes:
        group: of the API; empty for the core.
        namespaced: they lie in a namespace.
    """

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def singular(self) -> str:
        return self.plural[:-1]

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


JOBS = Kind("batch", "v1", "jobs")
PODS = Kind("", "v1", "pods")
CONFIG_MAPS = Kind("", "v1", "configmaps")
SERVICES = Kind("", "v1", "services")
EVENTS = Kind("", "v1", "events")
LEASES = Kind("coordination.k8s.io", "v1", "leases")
JOB_SETS = Kind("jobset.x-k8s.io", "v1alpha2", "jobsets")
NODES = Kind("", "v1", "nodes", namespaced=False)
NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
OWN_RIGHTS = Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)
JOB_SET_GROUP = JOB_SETS.group
KUEUE_GROUP = "kueue.x-k8s.io"


def workloads(version: str) -> Kind:
    """Kueue's account of a Job, in the version that the cluster serves."""
    return Kind(KUEUE_GROUP, version, "workloads")
