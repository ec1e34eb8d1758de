"""What to do next, as a pure function of what is known.

The truth is the set of stages whose manifests are in the store; what a backend observed of attempts is only a hint.
`decide` may be called at any moment, with any of that missing, and by several drivers at once: it never needs to know
what was decided before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals
from types import MappingProxyType

from stilts_core.engine.backend import Observation
from stilts_core.engine.graph import Capacity, Graph
from stilts_core.engine.states import State, Status
from stilts_core.errors import UNKNOWN_EXIT, Budget, DeviceMemoryError, explain_exit
from stilts_core.stages.snapshot import Phase


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use.

    Attributes:
        application, infrastructure: attempts beyond the first that failures of each kind may cost a stage; that of
            the application anew whenever an attempt has saved a later step than all before.
        backoff: seconds before the second attempt; doubled for each further one, up to ``backoff_cap``.
        groups: stages on several nodes. Their ranks cannot agree to try again with smaller pieces when the device's
            memory runs out, so that the first time another attempt follows, with half the tokens in a forward pass.
    """

    capacity: Capacity
    application: int = 1
    infrastructure: int = 5
    backoff: float = 1.0
    backoff_cap: float = 60.0
    groups: Collection[str] = frozenset()

    def allowed(self, budget: Budget) -> int:
        """Failures of one kind that another attempt may follow."""
        return {Budget.APPLICATION: self.application, Budget.INFRASTRUCTURE: self.infrastructure}.get(budget, 0)


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the attempt of this number."""

    fingerprint: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a live attempt to stop."""

    fingerprint: str
    attempt: int
    why: str


Action = Start | Stop


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now.

    Attributes:
        actions: in the order in which to do them.
        statuses: fingerprint → how the stage is once the actions are done, in the order of the plan.
        wake: when to decide again though nothing happens, seconds since the epoch; None: not needed.
    """

    actions: tuple[Action, ...]
    statuses: Mapping[str, Status]
    wake: float | None = None


def decide(
    graph: Graph,
    committed: Collection[str],
    observations: Iterable[Observation],
    limits: Limits,
    now: float,
    *,
    reused: Collection[str] = frozenset(),
    withdrawn: Mapping[str, int] = MappingProxyType({}),
    stopping: bool = False,
) -> Decision:
    """Say which attempts to start and stop, and how every stage is.

    A stage starts when all of its parents have committed, none of its attempts is live, its budgets allow it and there
    is room. Of those that could start, the one with the most unfinished descendants comes first, then the earlier one
    in the plan; one that finds no room keeps what is free for itself, so that a wide stage is not overtaken for ever by
    narrow ones. A stage that everything above needs no more (its descendants have all committed) does not run, unless
    its own manifest was withdrawn: somebody may want what it had committed.

    Args:
        graph: the plan.
        committed: fingerprints of the stages whose manifests are in the store.
        observations: attempts as the backend sees them, live and ended.
        limits: room and budgets.
        now: seconds since the epoch.
        reused: those of ``committed`` that were there before this run.
        withdrawn: fingerprint → how many manifests of the stage were withdrawn because their files were damaged; the
            attempts that made them did not fail, and what was before them is no longer held against the stage.
        stopping: start nothing more, and stop what is live.
    """
    attempts: dict[str, list[Observation]] = {}
    for observation in observations:
        attempts.setdefault(observation.fingerprint, []).append(observation)
    return _Round(graph, frozenset(committed), attempts, limits, now, frozenset(reused), withdrawn, stopping).decide()


@dataclass
class _Round:
    graph: Graph
    committed: frozenset[str]
    attempts: Mapping[str, list[Observation]]
    limits: Limits
    now: float
    reused: frozenset[str]
    withdrawn: Mapping[str, int]
    stopping: bool
    statuses: dict[str, Status] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    ready: list[tuple[str, float]] = field(default_factory=list)
    used: Capacity = field(default_factory=Capacity)

    def decide(self) -> Decision:
        needed = self._needed()
        for name in self.graph.order:
            self.statuses[name] = self._status(name, name in needed)
        wake = self._start_what_fits()
        return Decision(tuple(self.actions), self.statuses, wake)

    def _needed(self) -> set[str]:
        needed: set[str] = set()
        for name in reversed(self.graph.order):
            children = self.graph.children[name]
            wanted = not children or bool(self.withdrawn.get(name)) or any(child in needed for child in children)
            if name not in self.committed and wanted:
                needed.add(name)
        return needed

    def _status(self, name: str, needed: bool) -> Status:
        history = sorted(self.attempts.get(name, ()), key=lambda observation: observation.attempt)
        live = [observation for observation in history if observation.phase is not Phase.ENDED]
        if live:
            self.used += self._need(name)
        if not needed:
            return self._finished(name, live)
        if live:
            return self._live(live)
        failed = _held_against(history, self.withdrawn.get(name, 0))
        not_before = self.now
        if failed:
            last = failed[-1]
            budget = charge(last)
            since = _last_advance(failed) if budget is Budget.APPLICATION else 0
            count = sum(charge(observation) is budget for observation in failed[since:])
            allowed = self.limits.allowed(budget) or self._halvings(name, failed)
            if count > allowed and not (self.stopping and last.exit_code == _STOPPED):
                return Status(State.FAILED, describe_end(last), last.attempt, last.exit_code)
            wait = min(self.limits.backoff * 2 ** (len(failed) - 1), self.limits.backoff_cap)
            not_before = last.since + wait
        return self._not_started(name, history, failed, not_before)

    def _halvings(self, name: str, failed: Sequence[Observation]) -> int:
        """Attempts beyond the first that a stage whose last one ran out of device memory may have because of that."""
        return int(name in self.limits.groups and failed[-1].exit_code == DeviceMemoryError.exit_code)

    def _finished(self, name: str, live: list[Observation]) -> Status:
        for observation in live:
            # Whoever is at the commit has most likely just made the manifest that we see.
            if self.stopping or observation.phase is not Phase.COMMITTING:
                self.actions.append(Stop(name, observation.attempt, "it is done already"))
        if name not in self.committed:
            return Status(State.REUSED, "not needed: everything that follows from it is there")
        return Status(State.REUSED if name in self.reused else State.DONE)

    def _live(self, live: list[Observation]) -> Status:
        if self.stopping:
            self.actions.extend(
                Stop(observation.fingerprint, observation.attempt, "the run is being stopped") for observation in live
            )
        last = live[-1]
        return Status(State(last.phase.value), last.reason, last.attempt, since=last.since)

    def _not_started(
        self, name: str, history: Sequence[Observation], failed: Sequence[Observation], not_before: float
    ) -> Status:
        parents = [self.statuses[parent] for parent in self.graph.parents[name]]
        culprits = {
            culprit
            for parent, status in zip(self.graph.parents[name], parents, strict=True)
            for culprit in ((parent,) if status.state is State.FAILED else status.blocked_by)
        }
        if culprits:
            by = tuple(sorted(culprits, key=self.graph.positions.__getitem__))
            return Status(State.BLOCKED, f"{self._names(by)} failed", blocked_by=by)
        attempt = history[-1].attempt if history else 0
        if self.stopping:
            return Status(State.CANCELLED, "the run was stopped first", attempt)
        missing = [parent for parent in self.graph.parents[name] if parent not in self.committed]
        if missing:
            return Status(State.WAITING, f"for {self._names(missing)}", attempt)
        self.ready.append((name, not_before))
        why = f"again after: {describe_end(failed[-1])}" if failed else ""
        if not failed and self.withdrawn.get(name):
            why = "again: what it had committed was lost or damaged"
        return Status(State.QUEUED, why, attempt)

    def _start_what_fits(self) -> float | None:
        unfinished = self.graph.bits(name for name in self.graph.order if name not in self.committed)
        weight = {name: (self.graph.below[name] & unfinished).bit_count() for name, _ in self.ready}
        free = self.limits.capacity - self.used
        wake: float | None = None
        # Sorting is stable: equals stay in the order of the plan.
        for name, not_before in sorted(self.ready, key=lambda entry: -weight[entry[0]]):
            status = self.statuses[name]
            if not_before > self.now:
                wake = not_before if wake is None else min(wake, not_before)
                continue
            need = self._need(name)
            if need.fits(free):
                self.actions.append(Start(name, status.attempt + 1))
                self.statuses[name] = Status(State.STARTING, status.why, status.attempt + 1)
            else:
                self.statuses[name] = Status(State.QUEUED, f"for {need}", status.attempt)
            free -= need
        return wake

    def _names(self, stages: Sequence[str]) -> str:
        more = f" and {len(stages) - 1} more" if len(stages) > 1 else ""
        return f"{self.graph.labels[stages[0]]}{more}"

    def _need(self, name: str) -> Capacity:
        return self.graph.needs[name].within(self.limits.capacity)


_STOPPED = 75


def _last_advance(failed: Sequence[Observation]) -> int:
    """The place of the last attempt that got further than all before it; 0 where none did."""
    place = furthest = 0
    for at, seen in enumerate(failed):
        if seen.saved > furthest:
            place, furthest = at, seen.saved
    return place


def _held_against(ended: Sequence[Observation], withdrawn: int) -> Sequence[Observation]:
    """The attempts that count as failures.

    Exit status 0 was true once, as often as a manifest was withdrawn since.
    """
    kept_their_word = [at for at, seen in enumerate(ended) if seen.exit_code == 0][:withdrawn]
    return ended[kept_their_word[-1] + 1 :] if kept_their_word else ended


def charge(ended: Observation) -> Budget:
    """The budget that an ended attempt without a manifest is charged to."""
    if ended.budget is not None:
        return ended.budget
    if not ended.exit_code:
        # Exit status 0 promises a manifest; without one the promise is broken, and nobody knows why.
        return UNKNOWN_EXIT.budget
    return explain_exit(ended.exit_code).budget


def describe_end(ended: Observation) -> str:
    """How an attempt without a manifest ended, as a clause for people."""
    code = ended.exit_code
    if ended.reason:
        return ended.reason
    if code is None:
        return "it ended, and nobody saw how"
    if code == 0:
        return "it ended with exit status 0 but left no manifest"
    if code < 0:
        return f"{_signal_name(-code)} ended it{_signal_hint(-code)}"
    row = explain_exit(code)
    return f"{row.meaning} (exit {code}, {row.name})"


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def _signal_hint(number: int) -> str:
    if number == Signals.SIGKILL:
        return ": someone killed it, or the kernel did because memory ran out"
    if number in (Signals.SIGSEGV, Signals.SIGBUS, Signals.SIGILL, Signals.SIGABRT, Signals.SIGFPE):
        return ": a library crashed"
    return ""
