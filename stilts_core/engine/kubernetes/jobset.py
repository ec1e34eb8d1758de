"""A stage of several nodes as a JobSet, where the cluster has its controller."""

from __future__ import annotations

from stilts_core.engine.kubernetes.labels import Object

MEMBER = "node"


def member_job(name: str) -> str:
    """The Job that the controller makes for a JobSet of this name."""
    return f"{name}-{MEMBER}-0"


def jobset(about: Object, job_spec: Object, labels: dict[str, str], ttl_seconds: int) -> Object:
    """A JobSet of one Job; the controller makes a headless Service with the JobSet's own name."""
    member = {"name": MEMBER, "replicas": 1, "template": {"metadata": {"labels": labels}, "spec": job_spec}}
    spec = {
        "failurePolicy": {"maxRestarts": 0},  # the driver makes the next attempt
        "network": {"enableDNSHostnames": True},
        "ttlSecondsAfterFinished": ttl_seconds,
        "replicatedJobs": [member],
    }
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": about, "spec": spec}
