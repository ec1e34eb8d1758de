"""Properties of `decide`, held over random graphs, outcomes and moments."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import Decision, Limits, Start, Stop, charge, decide
from stilts_core.engine.graph import Capacity, Graph
from stilts_core.engine.states import FINAL, GOOD, State
from stilts_core.errors import EXIT_CODES, Budget
from stilts_core.stages.snapshot import Phase

MOST_STEPS = 5
OUTCOMES = (0, 0, 0, 0, 0, 0, "broken promise", *EXIT_CODES, 1, 2, -9, -11, None)


def graph_of(parents: list[tuple[int, ...]], needs: list[Capacity]) -> Graph:
    names = [f"{index:064x}" for index in range(len(parents))]
    children: dict[str, list[str]] = {name: [] for name in names}
    below: dict[str, int] = {}
    for index, above in enumerate(parents):
        for parent in above:
            children[names[parent]].append(names[index])
    for index in reversed(range(len(names))):
        below[names[index]] = 0
        for child in children[names[index]]:
            below[names[index]] |= below[child] | 1 << names.index(child)
    return Graph(
        order=tuple(names),
        positions={name: index for index, name in enumerate(names)},
        labels={name: f"stage {index}" for index, name in enumerate(names)},
        parents={names[index]: tuple(names[parent] for parent in above) for index, above in enumerate(parents)},
        children={name: tuple(found) for name, found in children.items()},
        below=below,
        needs=dict(zip(names, needs, strict=True)),
    )


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 12))
    parents = [
        tuple(sorted(draw(st.sets(st.integers(0, index - 1), max_size=3)))) if index else () for index in range(size)
    ]
    needs = [
        Capacity(draw(st.integers(0, 4)), draw(st.integers(0, 2))) if draw(st.booleans()) else Capacity(1)
        for _ in range(size)
    ]
    return graph_of(parents, needs)


limits_strategy = st.builds(
    Limits,
    capacity=st.builds(Capacity, cores=st.integers(1, 4), devices=st.integers(0, 2)),
    application=st.integers(0, 2),
    infrastructure=st.integers(0, 3),
    backoff=st.sampled_from([0.0, 1.0]),
)


@dataclass
class World:
    """A place and a store whose events come in an order drawn from a seed."""

    graph: Graph
    limits: Limits
    dice: random.Random
    committed: set[str] = field(default_factory=set)
    attempts: dict[tuple[str, int], Observation] = field(default_factory=dict)
    now: float = 0.0
    starts: list[str] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)

    def decide(self, *, stopping: bool = False) -> Decision:
        decision = decide(self.graph, self.committed, self.attempts.values(), self.limits, self.now, stopping=stopping)
        self.check(decision)
        for action in decision.actions:
            if isinstance(action, Start):
                assert all(parent in self.committed for parent in self.graph.parents[action.fingerprint])
                assert action.fingerprint not in self.committed
                assert (action.fingerprint, action.attempt) not in self.attempts
                assert not any(seen.fingerprint == action.fingerprint for seen in self.live())
                self.attempts[action.fingerprint, action.attempt] = Observation(
                    action.fingerprint, action.attempt, Phase.STARTING, self.now
                )
                self.starts.append(action.fingerprint)
        used = sum((self.need(seen.fingerprint) for seen in self.live()), Capacity())
        assert used.cores <= self.limits.capacity.cores
        assert used.devices <= self.limits.capacity.devices
        return decision

    def check(self, decision: Decision) -> None:
        assert tuple(decision.statuses) == self.graph.order
        failed = {name for name, status in decision.statuses.items() if status.state is State.FAILED}
        for name, status in decision.statuses.items():
            if status.state not in GOOD | {State.STARTING, State.RUNNING, State.COMMITTING}:
                assert status.why or status.state is State.QUEUED
            if name in self.committed:
                continue
            culprits = {above for above in failed if self.graph.below[above] >> self.graph.positions[name] & 1}
            if status.state is State.BLOCKED:
                assert set(status.blocked_by) <= culprits
                assert status.blocked_by
            elif status.state not in (State.FAILED, State.REUSED):
                assert not any(
                    above in failed or decision.statuses[above].state is State.BLOCKED
                    for above in self.graph.parents[name]
                )

    def need(self, name: str) -> Capacity:
        return self.graph.needs[name].within(self.limits.capacity)

    def live(self) -> list[Observation]:
        return [seen for seen in self.attempts.values() if seen.phase is not Phase.ENDED]

    def happen(self) -> None:
        """One live attempt moves on, or time does."""
        live = self.live()
        self.now += self.dice.choice([0.0, 0.5, 100.0])
        if not live:
            return
        seen = self.dice.choice(live)
        key = (seen.fingerprint, seen.attempt)
        if seen.phase is Phase.STARTING and self.dice.random() < 0.5:
            self.attempts[key] = replace(seen, phase=Phase.RUNNING, since=self.now)
            return
        outcome = self.dice.choice(OUTCOMES)
        code = 0 if outcome == "broken promise" else outcome
        lost = Budget.INFRASTRUCTURE if code is None else None
        saved = self.saved.get(seen.fingerprint, 0)
        if self.dice.random() < 0.2:
            saved = self.saved[seen.fingerprint] = min(saved + self.dice.randrange(3), MOST_STEPS)
        self.attempts[key] = replace(seen, phase=Phase.ENDED, since=self.now, exit_code=code, budget=lost, saved=saved)
        if outcome == 0:
            self.committed.add(seen.fingerprint)

    def run(self) -> Decision:
        for _ in range(10_000):
            decision = self.decide()
            if all(status.state in FINAL for status in decision.statuses.values()):
                assert not self.live()
                return decision
            assert self.live() or decision.wake is not None, "nothing runs, and nothing will"
            if not self.live() and decision.wake is not None:
                self.now = max(self.now, decision.wake)
            self.happen()
        raise AssertionError("the run does not end")


@given(graphs(), limits_strategy, st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_every_run_ends_and_keeps_the_rules(graph: Graph, limits: Limits, seed: int) -> None:
    world = World(graph, limits, random.Random(seed))
    decision = world.run()
    failed = {name for name, status in decision.statuses.items() if status.state is State.FAILED}
    blocked = {
        name
        for name in graph.order
        for above in failed
        if graph.below[above] >> graph.positions[name] & 1 and name not in world.committed
    }
    assert {name for name, status in decision.statuses.items() if status.state is State.BLOCKED} == blocked - failed
    assert {name for name, status in decision.statuses.items() if status.state is State.DONE} == world.committed
    for name in failed:
        ended = [seen for seen in world.attempts.values() if seen.fingerprint == name]
        last = charge(max(ended, key=lambda seen: seen.attempt))
        ended.sort(key=lambda seen: seen.attempt)
        if last is Budget.APPLICATION:
            furthest = max(seen.saved for seen in ended)
            if furthest:
                ended = ended[next(at for at, seen in enumerate(ended) if seen.saved == furthest) :]
        assert sum(charge(seen) is last for seen in ended) == limits.allowed(last) + 1


@given(graphs(), limits_strategy, st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_a_run_over_finished_manifests_starts_nothing(graph: Graph, limits: Limits, seed: int) -> None:
    done = set(graph.order)
    decision = decide(graph, done, [], limits, 0.0, reused=done)
    assert decision.actions == ()
    assert decision.wake is None
    assert {status.state for status in decision.statuses.values()} == {State.REUSED}


@given(graphs(), limits_strategy, st.integers(0, 2**32), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_a_killed_driver_goes_on_from_the_manifests_alone(graph: Graph, limits: Limits, seed: int, moment: int) -> None:
    world = World(graph, limits, random.Random(seed))
    for _ in range(moment):
        world.decide()
        world.happen()
    before = set(world.committed)
    again = World(graph, limits, random.Random(seed + 1), committed=set(before), now=world.now)
    again.run()
    assert not before & set(again.starts)


@given(graphs(), limits_strategy, st.integers(0, 2**32), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_stopping_starts_nothing_and_stops_all_that_lives(graph: Graph, limits: Limits, seed: int, moment: int) -> None:
    world = World(graph, limits, random.Random(seed))
    for _ in range(moment):
        world.decide()
        world.happen()
    decision = world.decide(stopping=True)
    assert all(isinstance(action, Stop) for action in decision.actions)
    assert {(action.fingerprint, action.attempt) for action in decision.actions} == {
        (seen.fingerprint, seen.attempt) for seen in world.live()
    }
    for key, seen in list(world.attempts.items()):
        if seen.phase is not Phase.ENDED:
            world.attempts[key] = replace(seen, phase=Phase.ENDED, exit_code=75)
    last = world.decide(stopping=True)
    assert all(status.state in FINAL for status in last.statuses.values())


def one(exit_codes: list[int | None], *, limits: Limits, now: float = 1000.0) -> Decision:
    graph = graph_of([()], [Capacity(1)])
    ended = [
        Observation(graph.order[0], number, Phase.ENDED, 0.0, exit_code=code)
        for number, code in enumerate(exit_codes, start=1)
    ]
    return decide(graph, set(), ended, limits, now)


ROOMY = Limits(capacity=Capacity(4), application=1, infrastructure=2)


def test_failures_that_another_attempt_would_repeat_are_final() -> None:
    for code in (64, 65, 66, 69, 70, 71):
        decision = one([code], limits=ROOMY)
        assert decision.actions == ()
        (status,) = decision.statuses.values()
        assert (status.state, status.exit_code) == (State.FAILED, code)


def test_a_group_out_of_device_memory_has_one_more_attempt() -> None:
    groups = replace(ROOMY, groups=frozenset({f"{0:064x}"}))
    assert one([71], limits=groups).actions == (Start(f"{0:064x}", 2),)
    assert one([73, 71], limits=groups).actions == (Start(f"{0:064x}", 3),)
    for codes in ([71, 71], [71, 73, 71], [71, 70]):
        decision = one(list(codes), limits=groups)
        assert decision.actions == ()
        assert {status.state for status in decision.statuses.values()} == {State.FAILED}


def test_each_kind_of_failure_has_its_own_budget() -> None:
    assert one([1], limits=ROOMY).actions == (Start(f"{0:064x}", 2),)
    assert one([1, 73, 73], limits=ROOMY).actions == (Start(f"{0:064x}", 4),)
    assert one([73, 73, 73], limits=ROOMY).actions == ()
    assert one([1, -9], limits=ROOMY).actions == ()


@given(st.lists(st.integers(0, MOST_STEPS), min_size=1, max_size=12), st.integers(0, 2))
def test_the_application_budget_is_refilled_by_every_step_further(steps: list[int], allowed: int) -> None:
    """A stage that crashes for ever ends, and none does that got on within its budget."""
    graph = graph_of([()], [Capacity(1)])
    limits = Limits(capacity=Capacity(4), application=allowed, infrastructure=0)
    ended: list[Observation] = []
    furthest = without = 0
    for number, step in enumerate(steps, start=1):
        ended.append(Observation(graph.order[0], number, Phase.ENDED, 0.0, exit_code=-9, saved=step))
        without, furthest = (1 if step > furthest else without + 1), max(furthest, step)
        decision = decide(graph, set(), ended, limits, 1e6)
        if without > allowed:
            assert decision.statuses[graph.order[0]].state is State.FAILED
            break
        assert decision.actions == (Start(graph.order[0], number + 1),)


def test_the_infrastructure_budget_is_not_refilled() -> None:
    graph = graph_of([()], [Capacity(1)])
    ended = [
        Observation(graph.order[0], number, Phase.ENDED, 0.0, exit_code=73, saved=number) for number in range(1, 4)
    ]
    assert decide(graph, set(), ended, ROOMY, 1000.0).actions == ()


@given(st.lists(st.sampled_from([0, 0, -9, 73]), max_size=8), st.integers(0, 3))
def test_what_had_been_committed_is_not_held_against_a_stage(codes: list[int], withdrawn: int) -> None:
    graph = graph_of([()], [Capacity(1)])
    (name,) = graph.order
    ended = [Observation(name, number, Phase.ENDED, 0.0, exit_code=code) for number, code in enumerate(codes, 1)]
    decision = decide(graph, set(), ended, ROOMY, 1e6, withdrawn={name: withdrawn})
    zeros = [at for at, code in enumerate(codes) if code == 0][:withdrawn]
    rest = ended[zeros[-1] + 1 :] if zeros else ended
    before = decide(graph, set(), rest, ROOMY, 1e6)
    assert decision.statuses[name].state is before.statuses[name].state
    if decision.actions:
        assert decision.actions == (Start(name, len(codes) + 1),)


def test_exit_status_0_without_a_manifest_is_a_failure() -> None:
    decision = one([0, 0], limits=ROOMY)
    (status,) = decision.statuses.values()
    assert status.state is State.FAILED
    assert "no manifest" in status.why


def test_attempts_wait_longer_each_time() -> None:
    graph = graph_of([()], [Capacity(1)])
    ended = [Observation(graph.order[0], number, Phase.ENDED, 100.0, exit_code=73) for number in (1, 2)]
    decision = decide(graph, set(), ended, ROOMY, 101.9)
    assert decision.actions == ()
    assert decision.wake == 102.0
    assert decide(graph, set(), ended, ROOMY, 102.0).actions == (Start(graph.order[0], 3),)


def test_the_critical_path_goes_first_and_a_wide_stage_is_not_overtaken() -> None:
    # 0 and 1 are leaves; 2 has a child and needs all cores.
    graph = graph_of([(), (), (), (2,)], [Capacity(1), Capacity(1), Capacity(2), Capacity(1)])
    limits = Limits(capacity=Capacity(2))
    assert decide(graph, set(), [], limits, 0.0).actions == (Start(graph.order[2], 1),)
    running = [Observation(graph.order[0], 1, Phase.RUNNING, 0.0)]
    decision = decide(graph, set(), running, limits, 0.0)
    assert decision.actions == ()
    assert decision.statuses[graph.order[2]].why == "for 2 cores"


def test_cores_and_devices_are_counted_apart() -> None:
    graph = graph_of([(), (), ()], [Capacity(0, 1), Capacity(0, 1), Capacity(1, 0)])
    decision = decide(graph, set(), [], Limits(capacity=Capacity(2, 1)), 0.0)
    assert [action.fingerprint for action in decision.actions] == [graph.order[0], graph.order[2]]


def test_what_nothing_needs_any_more_does_not_run() -> None:
    graph = graph_of([(), (0,)], [Capacity(1), Capacity(1)])
    decision = decide(graph, {graph.order[1]}, [], ROOMY, 0.0)
    assert decision.actions == ()
    assert decision.statuses[graph.order[0]].state is State.REUSED


def test_an_attempt_is_stopped_when_another_driver_has_committed_its_stage() -> None:
    graph = graph_of([()], [Capacity(1)])
    running = Observation(graph.order[0], 1, Phase.RUNNING, 0.0)
    (action,) = decide(graph, set(graph.order), [running], ROOMY, 0.0).actions
    assert isinstance(action, Stop)
    committing = replace(running, phase=Phase.COMMITTING)
    assert decide(graph, set(graph.order), [committing], ROOMY, 0.0).actions == ()
