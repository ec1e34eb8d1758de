"""What a run has cost and what it waited for, as numbers for Prometheus.

The account is kept from what the driver tells its listeners, and from manifests; nothing rests on it.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import charge
from stilts_core.engine.driver import Listener
from stilts_core.engine.states import GOOD, State, Status
from stilts_core.errors import EXIT_CODES, Budget, StiltsError
from stilts_core.planning.plan import Plan
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifests
from stilts_core.storage.manifest import Manifest

_START_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_WAIT_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)
_UPLOAD_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
_PLACED = frozenset({Phase.STARTING, Phase.RUNNING, Phase.COMMITTING})


@dataclass
class Histogram:
    """Counts of values by upper bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Upper bound → how many values are not above it, as Prometheus has it."""
        pairs, below = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            pairs.append((bound, float(below)))
        return pairs


@dataclass
class Figures:
    """The account as it stands.

    Attributes:
        stages: state → number of stages.
        attempts: how they ended → number of attempts.
        start_delay: seconds from the last parent's commit to the making of an attempt.
        queue_wait: seconds from the making of an attempt until it has its place.
        upload: seconds that committed stages took for their uploads.
        upload_bytes: of committed stages.
        gpu_useful, gpu_lost: GPU-seconds of attempts that committed, and of those that did not.
    """

    stages: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    start_delay: Histogram = field(default_factory=lambda: Histogram(_START_SECONDS))
    queue_wait: Histogram = field(default_factory=lambda: Histogram(_WAIT_SECONDS))
    upload: Histogram = field(default_factory=lambda: Histogram(_UPLOAD_SECONDS))
    upload_bytes: int = 0
    gpu_useful: float = 0.0
    gpu_lost: float = 0.0


@dataclass
class _Course:
    """An attempt as it went by: when it was made, and when it got its place; seconds since the epoch."""

    made: float
    placed: float | None = None
    counted: bool = False


class Account:
    """A listener that keeps the figures.

    Args:
        gpus: fingerprint → GPUs that an attempt at the stage holds.
        store: the manifests are read from it, when the figures are asked for.
        clock: seconds since the epoch.
    """

    def __init__(
        self, plan: Plan, gpus: Mapping[str, int], store: Store, clock: Callable[[], float] = time.time
    ) -> None:
        self.study = plan.name
        self._gpus, self._store, self._clock = gpus, store, clock
        self._parents = {stage.fingerprint: set(stage.parents.values()) for stage in plan.stages}
        self._lock = threading.Lock()
        self._figures = Figures()
        self._states: Mapping[str, Status] = {}
        self._courses: dict[tuple[str, int], _Course] = {}
        self._first: dict[str, float] = {}  # of stages whose first attempt's delay is to be reckoned
        self._unread: set[str] = set()
        self._commits: dict[str, float] = {}

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        now = self._clock()
        with self._lock:
            before = self._states
            self._unread |= {
                name
                for name, status in statuses.items()
                if status.state is State.DONE and (name not in before or before[name].state is not State.DONE)
            }
            self._states = statuses
            self._figures.stages = Counter(status.state.value for status in statuses.values())
            for seen in observations:
                self._follow(seen, now)

    def note(self, text: str) -> None:
        """Nothing to count."""

    def figures(self) -> Figures:
        """The figures, with what the manifests of newly committed stages add to them."""
        with self._lock:
            wanted = set(self._unread)
            wanted.update(*(self._parents[name] - self._commits.keys() for name in self._first))
        manifests: Mapping[str, Manifest] = {}
        with suppress(StiltsError):  # the driver itself says that the store fails
            manifests = read_manifests(self._store, sorted(wanted))
        with self._lock:
            for name, manifest in manifests.items():
                self._read(name, manifest)
            self._reckon_delays()
            return self._figures

    def _follow(self, seen: Observation, now: float) -> None:
        key = (seen.fingerprint, seen.attempt)
        course = self._courses.get(key)
        if course is None:
            course = self._courses[key] = _Course(min(seen.since, now) if seen.since else now)
            # What had ended before this driver began is the account of the one before.
            course.counted = seen.phase is Phase.ENDED
            if not course.counted and not any(name == key[0] for name, number in self._courses if number != key[1]):
                self._first[key[0]] = course.made
        if seen.phase in _PLACED and course.placed is None:
            course.placed = seen.since
            self._figures.queue_wait.add(max(0.0, seen.since - course.made))
        if seen.phase is Phase.ENDED and not course.counted:
            course.counted = True
            committed = self._states.get(seen.fingerprint, Status(State.WAITING)).state in GOOD
            self._figures.attempts[cause_of(seen, committed=committed)] += 1
            if course.placed is not None:
                spent = max(0.0, seen.since - course.placed) * self._gpus.get(seen.fingerprint, 0)
                if committed:
                    self._figures.gpu_useful += spent
                else:
                    self._figures.gpu_lost += spent

    def _read(self, name: str, manifest: Manifest) -> None:
        run = manifest.run
        with suppress(ValueError):
            self._commits[name] = datetime.fromisoformat(str(run.get("uploaded") or run.get("finished"))).timestamp()
        if name in self._unread:
            self._unread.discard(name)
            self._figures.upload_bytes += sum(file.size for file in manifest.files.values())
            if isinstance(seconds := run.get("upload_seconds"), int | float):
                self._figures.upload.add(float(seconds))

    def _reckon_delays(self) -> None:
        for name, made in list(self._first.items()):
            parents = self._parents.get(name, set())
            if not parents:
                del self._first[name]
            elif parents <= self._commits.keys():
                del self._first[name]
                self._figures.start_delay.add(max(0.0, made - max(self._commits[parent] for parent in parents)))


def cause_of(ended: Observation, *, committed: bool) -> str:
    """How an attempt ended, in a word or two: a name of the exit-code table, or what took it away."""
    if committed:
        return EXIT_CODES[0].name
    if ended.budget is Budget.INFRASTRUCTURE:
        return "taken-away"
    row = EXIT_CODES.get(ended.exit_code or 0)
    if row is not None and row.code:
        return row.name
    return "infrastructure" if charge(ended) is Budget.INFRASTRUCTURE else "unknown"


class Listeners:
    """Several listeners as one."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        for each in self._listeners:
            each.update(statuses, observations)

    def note(self, text: str) -> None:
        for each in self._listeners:
            each.note(text)


class Exposition:
    """The figures in the form that `prometheus_client` asks a collector for."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        figures, study = self._account.figures(), self._account.study
        stages = GaugeMetricFamily("stilts_stages", "Stages by state.", labels=["study", "state"])
        for state in State:
            stages.add_metric([study, state.value], figures.stages[state.value])
        yield stages
        attempts = CounterMetricFamily("stilts_attempts", "Ended attempts by cause.", labels=["study", "cause"])
        for cause, count in sorted(figures.attempts.items()):
            attempts.add_metric([study, cause], count)
        yield attempts
        for name, text, histogram in (
            ("start_delay", "From the last parent's commit to the making of the first attempt.", figures.start_delay),
            ("queue_wait", "From the making of an attempt until it has its place.", figures.queue_wait),
            ("upload", "Uploads of committed stages.", figures.upload),
        ):
            family = HistogramMetricFamily(f"stilts_{name}_seconds", text, labels=["study"])
            family.add_metric([study], histogram.cumulative(), histogram.total)
            yield family
        uploaded = CounterMetricFamily("stilts_upload_bytes", "Uploaded by committed stages.", labels=["study"])
        uploaded.add_metric([study], figures.upload_bytes)
        yield uploaded
        gpu = CounterMetricFamily(
            "stilts_gpu_seconds", "GPU time of attempts that committed or were lost.", labels=["study", "outcome"]
        )
        gpu.add_metric([study, "useful"], figures.gpu_useful)
        gpu.add_metric([study, "lost"], figures.gpu_lost)
        yield gpu


def serve(account: Account, port: int, address: str = "0.0.0.0") -> int:  # noqa: S104 (scraped from other pods)
    """Serve the figures over HTTP until the process ends; gives the port.

    Raises:
        OSError: the port is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(Exposition(account))
    server, _ = start_http_server(port, addr=address, registry=registry)
    return int(server.server_port)
