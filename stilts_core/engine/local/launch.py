"""A plan on this machine: the local backend with everything that it needs, and the driver on top."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stilts_core.engine.decide import Limits
from stilts_core.engine.driver import Driver, Listener, Pace
from stilts_core.engine.graph import Graph
from stilts_core.engine.local.backend import LocalBackend, log_file
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.local.scratch import scratch_folder
from stilts_core.planning.plan import Plan, Stage
from stilts_core.spec.profile import Retries, StoreSettings
from stilts_core.stages.run import DEFAULT_REGISTRY, AttemptSpec
from stilts_core.storage.base import Store


@dataclass(frozen=True, slots=True)
class LocalRun:
    """Where and with what a plan runs here.

    Attributes:
        store: with its address.
        cache: a folder for downloads and unfinished work.
        backoff: seconds before a stage's second attempt.
        stall: seconds without progress after which an attempt is ended; 0: never.
    """

    store: StoreSettings
    cache: Path
    placement: LocalPlacement
    retries: Retries = field(default_factory=Retries)
    registry: str = DEFAULT_REGISTRY
    pace: Pace = field(default_factory=Pace)
    backoff: float = 1.0
    stall: float = 0.0


@contextlib.contextmanager
def local_driver(plan: Plan, store: Store, run: LocalRun, listener: Listener) -> Iterator[Driver]:
    """A driver for a plan; when the block ends, so does every process of it, and its scratch folder goes."""
    submission = secrets.token_hex(4)

    def specify(stage: Stage, folder: Path) -> AttemptSpec:
        return AttemptSpec(
            stage=stage,
            submission=submission,
            store=run.store,
            data_root=plan.data_root,
            cache=run.cache,
            scratch=folder / "work",
            log=log_file(folder),
            resources=run.placement.resources(stage),
            registry=run.registry,
            grace=run.pace.grace,
        )

    limits = Limits(
        capacity=run.placement.capacity,
        application=run.retries.application,
        infrastructure=run.retries.infrastructure,
        backoff=run.backoff,
    )
    with scratch_folder(run.cache / "runs") as folder:
        backend = LocalBackend(specify, folder, registry=run.registry, devices=run.placement.devices, stall=run.stall)
        try:
            graph = Graph.of(plan.stages, run.placement.need)
            yield Driver(plan.stages, graph, store, backend, limits, listener, submission=submission, pace=run.pace)
        finally:
            backend.close()
