"""A plan in a cluster: the backend of Jobs with everything that it needs, and the driver on top."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from stilts_core.engine.decide import Limits
from stilts_core.engine.driver import Driver, Listener, Pace
from stilts_core.engine.graph import Capacity, Graph
from stilts_core.engine.kubernetes.backend import KubernetesBackend
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.render import Submission
from stilts_core.engine.kubernetes.sizing import stage_sizing
from stilts_core.planning.plan import Plan
from stilts_core.spec.profile import Placement
from stilts_core.storage.base import Store

# Commits are heard of through the Jobs; a sweep, which reads the whole plan's manifests, finds those of others.
PACE = Pace(sweep=30.0, grace=120.0, storage_retry=5.0, storage_patience=900.0)
_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 5.0, 300.0


def limits_of(placement: Placement, backoff: float = _BACKOFF_SECONDS) -> Limits:
    """What a run in a cluster may use: one bounded window of Jobs, and the budgets of failures."""
    kubernetes, retries = placement.kubernetes, placement.retries
    return Limits(
        capacity=Capacity(jobs=kubernetes.window),
        application=retries.application,
        infrastructure=kubernetes.spot.infrastructure if kubernetes.spot else retries.infrastructure,
        backoff=backoff,
        backoff_cap=_LONGEST_BACKOFF_SECONDS,
    )


def groups_of(plan: Plan, placement: Placement) -> frozenset[str]:
    """The stages that run on several nodes."""
    return frozenset(stage.fingerprint for stage in plan.stages if stage_sizing(stage.kind, placement).nodes > 1)


def graph_of(plan: Plan) -> Graph:
    """The plan, each stage of it one Job; what a Job occupies is the cluster's concern."""
    return Graph.of(plan.stages, lambda stage: Capacity(jobs=1))


@contextlib.contextmanager
def kubernetes_driver(
    plan: Plan,
    store: Store,
    cluster: Cluster,
    submission: Submission,
    placement: Placement,
    listener: Listener,
    *,
    forgiven: Mapping[str, int] = MappingProxyType({}),
    pace: Pace = PACE,
    backoff: float = _BACKOFF_SECONDS,
    period: float = 10.0,
) -> Iterator[Driver]:
    """A driver for a plan; the stages go on when the block ends.

    Args:
        forgiven: fingerprint → number of the last attempt whose failure does not count.
        backoff: seconds before a stage's second attempt.
        period: seconds between two looks at the heartbeats.

    Raises:
        ClusterError: the cluster cannot be used.
    """
    backend = KubernetesBackend(
        cluster, plan.stages, submission, placement, store, forgiven=forgiven, note=listener.note, period=period
    )
    try:
        backend.open()
        yield Driver(
            plan.stages,
            graph_of(plan),
            store,
            backend,
            replace(limits_of(placement, backoff), groups=groups_of(plan, placement)),
            listener,
            submission=submission.anchor_uid,
            pace=pace,
        )
    finally:
        backend.close()
