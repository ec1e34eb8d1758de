"""How a study stands, read from its store alone, whether or not anything drives it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import Limits, Start, decide
from stilts_core.engine.graph import Capacity, Graph
from stilts_core.engine.labels import describe_progress, duration
from stilts_core.engine.states import State, Status
from stilts_core.errors import StoppedError
from stilts_core.planning.plan import Plan
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Heartbeat, Outcome, list_attempts, read_heartbeat, read_outcomes
from stilts_core.storage.base import Store
from stilts_core.storage.generations import manifests_of, read_heads
from stilts_core.storage.manifest import Attempt, Manifest
from stilts_core.storage.parallel import bounded_map

SILENCE_SECONDS = 45.0
"""A running attempt is heard of far more often than this; one that is silent for so long has been killed."""

_READERS = 16


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The latest attempt at a stage, as far as the store knows.

    Attributes:
        outcome: how it ended, once that is recorded.
        heartbeat: the last sign of life.
    """

    attempt: Attempt
    outcome: Outcome | None = None
    heartbeat: Heartbeat | None = None


def look(store: Store, plan: Plan, now: float) -> dict[str, Status]:
    """How every stage of a plan is; ``since`` is when it finished, failed, or was last heard of.

    Args:
        now: seconds since the epoch.

    Raises:
        StorageError: the store cannot be read, or holds something that is damaged.
    """
    graph = Graph.of(plan.stages, lambda stage: Capacity())
    heads = read_heads(store, graph.order)
    manifests = manifests_of(store, heads)
    # A stage whose parents have not committed has never been tried, unless a parent was deleted since.
    tried = [
        name
        for name in graph.order
        if name not in manifests and all(parent in manifests for parent in graph.parents[name])
    ]
    last = dict(zip(tried, bounded_map(lambda name: last_attempt(store, name), tried, _READERS), strict=True))
    known = {name: found for name, found in last.items() if found is not None}
    return _statuses(graph, manifests, {head.fingerprint: len(head.withdrawn) for head in heads}, known, now)


def last_attempt(store: Store, fingerprint: str) -> LastAttempt | None:
    """What the store knows of the latest attempt at a stage; None where there was none."""
    attempts = list_attempts(store, fingerprint)
    if not attempts:
        return None
    latest = attempts[-1]
    outcome = next((outcome for attempt, outcome in read_outcomes(store, fingerprint) if attempt == latest), None)
    return LastAttempt(latest, outcome, read_heartbeat(store, fingerprint, latest) if outcome is None else None)


def _statuses(
    graph: Graph,
    manifests: Mapping[str, Manifest],
    withdrawn: Mapping[str, int],
    last: Mapping[str, LastAttempt],
    now: float,
) -> dict[str, Status]:
    observations = [seen for name, found in last.items() for seen in _observe(name, found, now)]
    limits = Limits(capacity=Capacity(), application=0, infrastructure=0)
    decision = decide(graph, manifests.keys(), observations, limits, now, withdrawn=withdrawn)
    statuses = dict(decision.statuses)
    for action in decision.actions:
        if isinstance(action, Start):
            again = statuses[action.fingerprint].why
            found = _could_start(last.get(action.fingerprint), now)
            statuses[action.fingerprint] = replace(found, why=again) if again else found
    ends = {seen.fingerprint: seen.since for seen in observations}
    for name, status in statuses.items():
        if name in manifests:
            finished = manifests[name].run.get("finished")
            since = datetime.fromisoformat(finished).timestamp() if isinstance(finished, str) else None
            statuses[name] = Status(State.DONE, attempt=manifests[name].attempt.number, since=since)
        elif name in ends and status.since is None:
            statuses[name] = replace(status, since=ends[name])
    return statuses


def _observe(name: str, found: LastAttempt, now: float) -> Sequence[Observation]:
    if found.outcome is not None:
        if found.outcome.exit_code == StoppedError.exit_code:
            return ()
        since = found.outcome.finished.timestamp() if found.outcome.finished else now
        return (
            Observation(
                name,
                found.attempt.number,
                Phase.ENDED,
                since,
                exit_code=found.outcome.exit_code,
                reason=found.outcome.message,
            ),
        )
    if found.heartbeat is None or now - found.heartbeat.updated.timestamp() > SILENCE_SECONDS:
        return ()
    progress = Progress(**found.heartbeat.model_dump(exclude={"updated", "since"}))
    updated = found.heartbeat.updated.timestamp()
    reason = describe_progress(progress)
    return (Observation(name, found.attempt.number, Phase.RUNNING, updated, reason=reason, progress=progress),)


def _could_start(found: LastAttempt | None, now: float) -> Status:
    if found is None:
        return Status(State.QUEUED, "everything that it needs is there")
    number = found.attempt.number
    if found.outcome is not None:
        finished = found.outcome.finished
        return Status(
            State.QUEUED, "its last attempt was stopped", number, since=finished.timestamp() if finished else None
        )
    if found.heartbeat is None:
        return Status(State.QUEUED, "its last attempt left no word", number)
    updated = found.heartbeat.updated.timestamp()
    silence = duration(now - updated)
    return Status(State.QUEUED, f"its last attempt was killed: no word for {silence}", number, since=updated)
