"""The loop: observe, decide, apply.

It keeps nothing that cannot be seen again: it may be killed at any moment and started anew, or run twice at once.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from stilts_core.engine.backend import Backend, Observation
from stilts_core.engine.decide import Decision, Limits, Start, charge, decide, describe_end
from stilts_core.engine.graph import Graph
from stilts_core.engine.states import FINAL, Status, stamp
from stilts_core.errors import Budget, DamagedInputError, StorageError
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Outcome, put_log, record_outcome
from stilts_core.storage.base import Store
from stilts_core.storage.generations import Head, read_heads
from stilts_core.storage.repair import DamagedStageError, explain_repair
from stilts_core.storage.resume import furthest_step
from stilts_core.storage.withdraw import withdraw

_AFTER_KILL_SECONDS = 1.0
_WITH_STATES = frozenset({StageKind.TRAIN, StageKind.PRETRAIN})


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the driver is, in seconds.

    Attributes:
        sweep: between two looks at the store for stages that another driver has committed.
        grace: from asking the attempts to stop to ending them.
        storage_retry: wait after the store has failed; after ``storage_patience`` of nothing else the driver gives up.
    """

    sweep: float = 5.0
    grace: float = 30.0
    storage_retry: float = 5.0
    storage_patience: float = 600.0


class Listener(Protocol):
    """Sees the run go by."""

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        """Called whenever something may be new."""

    def note(self, text: str) -> None:
        """Something that a person should know now."""


class Driver:
    """Brings a plan to its end on a backend.

    Args:
        stages: of the plan, by fingerprint.
        submission: names this run in the records that it makes.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        graph: Graph,
        store: Store,
        backend: Backend,
        limits: Limits,
        listener: Listener,
        *,
        submission: str = "",
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stages = {stage.fingerprint: stage for stage in stages}
        self._graph, self._store, self._backend, self._limits = graph, store, backend, limits
        self._listener, self._submission, self._pace, self._clock = listener, submission, pace, clock
        self._committed: set[str] = set()
        self._reused: frozenset[str] = frozenset()
        self._withdrawn: dict[str, int] = {}
        self._lost: set[str] = set()  # stages whose manifests went in this run
        self._turns = 0  # how often what is known of the store has changed
        self._statuses: dict[str, Status] = {}
        self._settled: set[tuple[str, int]] = set()  # ended attempts whose stage was looked up after their end
        self._saved: dict[tuple[str, int], int] = {}  # ended attempts that a step was saved by → that step
        self._deadline: float | None = None  # set once the run is being stopped
        self._word = ""
        self._decision: Decision | None = None
        self._facts: object = None
        self._next_sweep = 0.0
        self._store_failing_since: float | None = None

    def stop(self) -> None:
        """Start nothing more and stop what runs; a second call ends it at once. A signal handler may call this."""
        again = self._deadline is not None
        self._deadline = self._clock() + (0.0 if again else self._pace.grace)
        # Told by the loop: whoever interrupts it may be in the middle of telling something else.
        self._word = "ending the stages at once" if again else "stopping the stages; once more to end them at once"
        self._backend.wake()

    @property
    def stopping(self) -> bool:
        return self._deadline is not None

    def run(self) -> dict[str, Status]:
        """Work until every stage is in a final state, and say which.

        Raises:
            StorageError: the store has failed for longer than the driver's patience.
            StiltsError: no stage can run at all (`Backend.observe`), or the store damages manifests again and again.
        """
        self._ask(self._graph.order)
        self._reused = frozenset(self._committed)
        self._next_sweep = self._clock() + self._pace.sweep
        while True:
            now = self._clock()
            if self._word:
                word, self._word = self._word, ""
                self._listener.note(word)
            observations = self._look(now)
            decision = self._decide(observations, now)
            self._apply(decision, now)
            self._statuses = stamp(self._statuses, decision.statuses, now)
            self._listener.update(self._statuses, observations)
            if all(status.state in FINAL for status in self._statuses.values()):
                return self._statuses
            self._backend.wait(max(0.0, self._next_look(decision, now) - self._clock()))

    def _decide(self, observations: Sequence[Observation], now: float) -> Decision:
        """What to do, decided anew unless all that is new is progress: in a large plan that comes far more often."""
        facts = (
            self._turns,
            self.stopping,
            tuple((seen.fingerprint, seen.attempt, seen.phase, seen.exit_code, seen.reason) for seen in observations),
        )
        last = self._decision
        if last is not None and facts == self._facts and not last.actions and (last.wake is None or now < last.wake):
            return last
        self._facts = facts
        self._decision = decide(
            self._graph,
            self._committed,
            observations,
            self._limits,
            now,
            reused=self._reused - self._lost,
            withdrawn=self._withdrawn,
            stopping=self.stopping,
        )
        return self._decision

    def _look(self, now: float) -> list[Observation]:
        """What the backend sees; an end is believed only once the store was asked whether it was a commit."""
        observations = self._backend.observe()
        ended = {(seen.fingerprint, seen.attempt): seen for seen in observations if seen.phase is Phase.ENDED}
        fresh = ended.keys() - self._settled
        due = now >= self._next_sweep
        wanted = {fingerprint for fingerprint, _ in fresh} if self._store_failing_since is None or due else set()
        if due:
            wanted.update(self._graph.order)
        asked = wanted - self._committed
        for key in fresh:
            if key[0] in wanted and ended[key].exit_code == DamagedInputError.exit_code:
                asked.update(self._graph.parents[key[0]])  # it has withdrawn one of them, or found that another has
        try:
            if asked:
                self._ask(sorted(asked))
            if due:
                self._next_sweep = now + self._pace.sweep
            for key in fresh:
                if key[0] in wanted:
                    self._look_for_step(ended[key])
                    self._settled.add(key)
                    self._record_end(ended[key])
            self._store_failing_since = None
        except StorageError as error:
            self._endure(error, now)
        return [
            replace(seen, phase=Phase.COMMITTING)
            if seen.phase is Phase.ENDED and (seen.fingerprint, seen.attempt) not in self._settled
            else replace(seen, saved=self._saved.get((seen.fingerprint, seen.attempt), seen.saved))
            for seen in observations
        ]

    def _ask(self, fingerprints: Sequence[str]) -> None:
        """Look in the store whether stages are done; one whose manifest is damaged is not, and runs again.

        Raises:
            StorageError: the store cannot be used now.
            MissingInputError: a manifest is damaged again and again.
        """
        for head in read_heads(self._store, fingerprints):
            name, done, withdrawn = head.fingerprint, False, len(head.withdrawn)
            try:
                done = head.require(self._store) is not None
            except DamagedStageError as error:
                withdraw(self._store, error, self._submission)
                withdrawn += 1
                self._listener.note(f"{error.message} The stage runs again.")
            if done == (name in self._committed) and withdrawn == self._withdrawn.get(name, 0):
                continue
            self._turns += 1
            self._withdrawn[name] = withdrawn
            if done:
                self._committed.add(name)
                if name in self._lost and head.manifest is not None:
                    self._listener.note(f"{self._graph.labels[name]} was made again: {explain_repair(head.manifest)}.")
            elif name in self._committed:
                self._committed.discard(name)
                self._lost.add(name)
                self._listener.note(f"{self._graph.labels[name]} runs again: {_loss(head)}.")

    def _look_for_step(self, seen: Observation) -> None:
        """Note how far a training that failed by itself has saved its state."""
        if seen.fingerprint in self._committed or charge(seen) is not Budget.APPLICATION:
            return
        if self._stages[seen.fingerprint].kind in _WITH_STATES:
            step = furthest_step(self._store, seen.fingerprint, seen.stored)
            self._saved[seen.fingerprint, seen.attempt] = step

    def _endure(self, error: StorageError, now: float) -> None:
        if self._store_failing_since is None:
            self._store_failing_since = now
            self._listener.note(f"The store fails, and is tried again: {error.message}")
        given_up = self._deadline is not None and now >= self._deadline
        if given_up or now - self._store_failing_since > self._pace.storage_patience:
            raise error
        self._next_sweep = now + self._pace.storage_retry

    def _record_end(self, seen: Observation) -> None:
        """Record how an attempt failed, unless it could do so itself."""
        if seen.stored is None or seen.fingerprint in self._committed:
            return
        outcome = Outcome(
            exit_code=1 if seen.exit_code is None else seen.exit_code,
            message=describe_end(seen),
            finished=datetime.fromtimestamp(seen.since, UTC),
            host=socket.gethostname(),
            submission=self._submission,
            last_step=seen.progress.step if seen.progress else 0,
            budget=seen.budget,
        )
        log = self._backend.log(seen.fingerprint, seen.attempt)
        if record_outcome(self._store, seen.fingerprint, seen.stored, outcome) and log:
            put_log(self._store, seen.fingerprint, seen.stored, log)

    def _apply(self, decision: Decision, now: float) -> None:
        for action in decision.actions:
            if isinstance(action, Start):
                self._backend.start(self._stages[action.fingerprint], action.attempt)
            else:
                self._backend.stop(action.fingerprint, action.attempt, kill=self._must_kill(now))

    def _must_kill(self, now: float) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _next_look(self, decision: Decision, now: float) -> float:
        times = [self._next_sweep]
        if any(isinstance(action, Start) for action in decision.actions):
            times.append(now)  # the backend may have a word on what it has just started
        if decision.wake is not None:
            times.append(decision.wake)
        if self._deadline is not None:
            times.append(self._deadline if now < self._deadline else now + _AFTER_KILL_SECONDS)
        return min(times)


def _loss(head: Head) -> str:
    """Why a stage that had committed has not any more, a clause for people."""
    if not head.withdrawn:
        return "its manifest is gone"
    name, found = next(iter(head.withdrawn[-1].found.items()))
    return f"of what it had committed {name} was lost or damaged ({found.rstrip('.')})"
