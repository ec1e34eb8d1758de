"""Giving stages that have failed their budgets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stilts_core.engine.kubernetes.anchor_notes import forgiving_patch
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.submissions import Submitted, driver_job
from stilts_core.engine.kubernetes.submitting import anew, renew
from stilts_core.errors import ClusterError


def retry(
    cluster: Cluster, submitted: Submitted, attempts: Mapping[str, int], driver: Callable[[], Object | None]
) -> None:
    """Have failures of stages count no more, and start the driver anew, which then tries those stages again.

    The failed Jobs stay to be looked at; the next attempts have higher numbers.

    Args:
        attempts: fingerprint → number of the last attempt that is forgiven.
        driver: makes the driver's Job, where the one that there was is gone; None: nobody knows how to.

    Raises:
        ClusterError: the cluster refuses, or the driver cannot be started.
    """
    job = driver_job(cluster, submitted)
    fresh = driver() if job is None else anew(job)
    if fresh is None:
        raise ClusterError(
            f"The driver's Job of {submitted.name} is gone, and it was not made by `stilts submit`.",
            hint="Submit it again in the way in which it was submitted; what has committed is kept.",
        )
    if cluster.patch(CONFIG_MAPS, submitted.name, forgiving_patch(submitted.anchor, attempts)) is None:
        raise ClusterError(f"The study was cancelled meanwhile: {submitted.name} is gone.", hint="Submit it again.")
    if job is not None:
        renew(cluster, job, fresh)
    else:
        cluster.create(JOBS, fresh)
