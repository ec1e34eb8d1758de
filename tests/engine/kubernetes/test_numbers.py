"""Numbers and budgets go on, whatever is lost of drivers and Jobs between two attempts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster_objects import BEGAN, FP, ONLY, condition, failed
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import Limits, Start, decide, describe_end
from stilts_core.engine.graph import Capacity, Graph
from stilts_core.engine.kubernetes.beginning import Beginner
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, Kind
from stilts_core.engine.kubernetes.observe import Objects, Record, observe
from stilts_core.engine.kubernetes.render import Submission
from stilts_core.engine.states import State
from stilts_core.errors import MissingInputError
from stilts_core.spec.profile import Placement
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Outcome, list_attempts, parse_attempt, read_outcomes, record_outcome
from stilts_core.storage.base import ObjectInfo
from stilts_core.storage.manifest import Attempt

LIMITS = Limits(Capacity(jobs=5), application=1, infrastructure=2, backoff=0.0)
GRAPH = Graph.of([ONLY], lambda stage: Capacity(jobs=1))


@dataclass
class Memory:
    """A store."""

    uri: str = "memory://"
    held: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, source: Path | bytes) -> ObjectInfo:
        assert isinstance(source, bytes)
        self.held[key] = source
        return ObjectInfo(key, len(source))

    def create(self, key: str, data: bytes) -> bool:
        return self.held.setdefault(key, data) is data

    def read(self, key: str) -> bytes:
        if key not in self.held:
            raise MissingInputError(key)
        return self.held[key]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return (ObjectInfo(key, len(data)) for key, data in sorted(self.held.items()) if key.startswith(prefix))

    def download(self, key: str, target: Path, *, sha256: str, size: int) -> None:
        raise NotImplementedError

    def local_path(self, key: str) -> Path | None:
        return None

    def info(self, key: str) -> ObjectInfo | None:
        return ObjectInfo(key, len(self.held[key])) if key in self.held else None

    def delete(self, key: str) -> None:
        self.held.pop(key, None)


@dataclass
class Jobs:
    """The calls that `Beginner` makes, on a dictionary."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    anchor: str = "first"
    namespace: str = "lab"

    def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any] | None:
        name = body["metadata"]["name"]
        if name in self.held:
            return None
        about = {**body["metadata"], "uid": f"uid-{name}", "creationTimestamp": "2026-05-04T12:00:00Z"}
        self.held[name] = {**body, "metadata": about}
        return self.held[name]

    def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
        return {"metadata": {"uid": self.anchor}} if kind == CONFIG_MAPS else self.held.get(name)

    def delete(self, kind: Kind, name: str, uid: str | None = None) -> bool:
        return self.held.pop(name, None) is not None


@dataclass(frozen=True)
class Turn:
    """One attempt: its exit code, whether its pod recorded it, and what is lost after it."""

    code: int
    recorded: bool
    job_goes: bool
    driver_goes: bool


TURNS = st.lists(
    st.builds(Turn, st.sampled_from([1, 65, 73, 75, -9]), st.booleans(), st.booleans(), st.booleans()),
    min_size=6,
    max_size=6,
)


@dataclass
class World:
    store: Memory = field(default_factory=Memory)
    jobs: Jobs = field(default_factory=Jobs)
    remembered: dict[int, Observation] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    uid: str = "first"

    def run(self, turns: list[Turn]) -> State:
        """Drive until the stage fails or the turns are over."""
        ahead = list(turns)
        while True:
            found = self.observe()
            decision = decide(GRAPH, (), found.values(), LIMITS, BEGAN + 1e6)
            if not decision.actions or not ahead:
                return decision.statuses[FP].state
            (action,) = decision.actions
            assert isinstance(action, Start)
            begun = self.beginner().begin(ONLY, action.attempt, found)
            self.remembered.update({end.attempt: end for end in begun.ends})
            if begun.made is not None:
                self.numbers.append(begun.number)
                self.end(begun.made, ahead.pop(0))

    def beginner(self) -> Beginner:
        submission = Submission("study", "0" * 64, "anchor", self.uid, "lab", "s3://bucket", "s3://bucket/plan.json")
        self.jobs.anchor = self.uid
        return Beginner(self.jobs, self.store, submission, Placement())  # type: ignore[arg-type]

    def observe(self) -> dict[int, Observation]:
        outcomes = read_outcomes(self.store, FP)
        records = {(FP, stored.number): Record(stored, None, outcome) for stored, outcome in outcomes}
        seen = observe(Objects(jobs=list(self.jobs.held.values())), [FP], records, lost_after=9.0, now=BEGAN)
        own = {each.key[1]: each.observation for each in seen if each.anchor == self.uid}
        return {**own, **self.remembered}

    def end(self, made: dict[str, Any], turn: Turn) -> None:
        stored: Attempt = parse_attempt(made["metadata"]["annotations"]["stilts/stored-attempt"])
        made["status"] = {"conditions": [failed(), condition("FailureTarget")]}
        seen = Observation(FP, stored.number, Phase.ENDED, BEGAN, turn.code, stored=stored)
        self.remembered[stored.number] = seen
        # Either the pod has recorded its end, or the driver does when it sees it.
        message = "" if turn.recorded else describe_end(seen)
        outcome = Outcome(
            exit_code=turn.code, message=message, finished=datetime.fromtimestamp(BEGAN, UTC), submission=self.uid
        )
        record_outcome(self.store, FP, stored, outcome)
        if turn.job_goes:
            del self.jobs.held[made["metadata"]["name"]]
        if turn.driver_goes:
            self.remembered.clear()
            if not turn.job_goes:
                del self.jobs.held[made["metadata"]["name"]]


@settings(max_examples=40, deadline=None)
@given(TURNS)
def test_losing_jobs_and_drivers_changes_neither_numbers_nor_budgets(turns: list[Turn]) -> None:
    undisturbed, disturbed = World(), World()
    expected = undisturbed.run([replace(turn, job_goes=False, driver_goes=False) for turn in turns])
    assert disturbed.run(turns) is expected
    assert disturbed.numbers == undisturbed.numbers == list(range(1, len(undisturbed.numbers) + 1))


@settings(max_examples=20, deadline=None)
@given(TURNS, TURNS)
def test_a_new_submission_has_new_budgets_and_higher_numbers(first: list[Turn], second: list[Turn]) -> None:
    world, fresh = World(), World(uid="second")
    world.run(first)
    before = len(world.numbers)
    world.uid = "second"
    world.remembered.clear()
    assert world.run(second) is fresh.run(second)
    assert len(world.numbers) - before == len(fresh.numbers)
    assert world.numbers == sorted(set(world.numbers))
    assert [attempt.number for attempt in list_attempts(world.store, FP)] == world.numbers


def test_an_attempt_after_one_that_ran_out_of_device_memory_is_told_so() -> None:
    for codes, wanted in (((73,), False), ((71,), True), ((71, 73), True)):
        world = World()
        known = {
            number: Observation(FP, number, Phase.ENDED, BEGAN, code, stored=Attempt(number=number, token="abc"))
            for number, code in enumerate(codes, start=1)
        }
        begun = world.beginner().begin(ONLY, len(codes) + 1, known)
        assert begun.made is not None
        (container,) = begun.made["spec"]["template"]["spec"]["containers"]
        given = [*container.get("command", ()), *container.get("args", ())]
        assert ("--halvings" in given) is wanted
        assert not wanted or given[given.index("--halvings") + 1] == "1"
