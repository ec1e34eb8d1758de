"""What became of an attempt: the pure part, over everything that a supervisor may see."""

from __future__ import annotations

import json
from pathlib import Path
from signal import SIGABRT

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.engine.kubernetes.cgroup import oom_kills
from stilts_core.engine.kubernetes.endings import (
    MESSAGE_BYTES,
    Ending,
    Killed,
    Sight,
    follow,
    judge,
    judge_unanswered,
    termination_message,
)
from stilts_core.engine.kubernetes.leader import leader_name
from stilts_core.errors import EXIT_CODES, SpecError
from stilts_core.stages.context import Progress
from stilts_core.stages.snapshot import Snapshot
from stilts_core.storage.attempts import Outcome
from stilts_core.storage.manifest import Attempt

SIGHTS = st.builds(
    Sight,
    status=st.one_of(st.sampled_from(sorted(EXIT_CODES)), st.integers(-64, 255)),
    told=st.builds(
        Snapshot,
        progress=st.builds(Progress, step=st.integers(0, 9), total=st.integers(0, 9)),
        message=st.sampled_from(["", "It broke.\n  Mend it."]),
    ),
    asked=st.booleans(),
    grouped=st.booleans(),
    killed=st.sampled_from([None, *Killed]),
    out_of_memory=st.booleans(),
)


@given(SIGHTS)
def test_no_ending_without_a_manifest_is_a_success(sight: Sight) -> None:
    for ending in (judge(sight), judge_unanswered(sight)):
        assert ending.code in {*EXIT_CODES, 1} - {0}
        assert ending.message


@given(st.integers(-64, 255), st.text())
def test_to_follow_another_pod_is_no_success_either(code: int, message: str) -> None:
    ending = follow(Outcome(exit_code=code, message=message, host="node-b"))
    assert ending.code in {*EXIT_CODES, 1} - {0}
    assert ending.message.startswith("The group ended because of node-b: ")


@given(st.text(), st.integers(1, 3000))
def test_the_termination_message_is_whole_json_within_the_limit(text: str, times: int) -> None:
    told = Snapshot(progress=Progress(step=3, total=9))
    message = termination_message(Ending(70, text * times), told, Attempt(number=2, token="ab"))
    assert len(message) <= MESSAGE_BYTES
    document = json.loads(message.decode().strip().rpartition("\n")[2])
    assert document == {"code": 70, "name": "diverged", "step": 3, "total": 9, "attempt": "002-ab"}


@pytest.mark.parametrize(
    ("sight", "code"),
    [
        (Sight(-9, Snapshot(), out_of_memory=True), 71),
        (Sight(1, Snapshot(message="Rank 1 ended with signal 9."), out_of_memory=True), 71),
        (Sight(74, Snapshot(), out_of_memory=True), 71),
        (Sight(70, Snapshot(), out_of_memory=True), 70),
        (Sight(-9, Snapshot()), 1),
        (Sight(-15, Snapshot(), asked=True), 75),
        (Sight(74, Snapshot(), asked=True), 75),
        (Sight(70, Snapshot(), asked=True), 70),
        (Sight(0, Snapshot(), asked=True), 1),
        (Sight(-9, Snapshot(), asked=True, killed=Killed.GRACE), 75),
        (Sight(-9, Snapshot(), killed=Killed.STALLED), 76),
        (Sight(-9, Snapshot(), killed=Killed.GROUP), 74),
        (Sight(-SIGABRT, Snapshot()), 1),
        (Sight(-SIGABRT, Snapshot(), grouped=True), 74),
    ],
)
def test_endings(sight: Sight, code: int) -> None:
    assert judge(sight).code == code


def test_the_first_pod_is_named_by_the_service() -> None:
    assert leader_name("study-train-3", 3, "group") == "study-train-0.group"
    assert leader_name("study-train-12.group.space.svc", 12, "group") == "study-train-0.group"
    with pytest.raises(SpecError, match="does not end with its completion index 2"):
        leader_name("a-pod-x7k2p", 2, "group")


def test_kills_are_counted_by_either_version_of_control_groups(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) == 0
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert oom_kills(tmp_path) == 2
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert oom_kills(tmp_path) == 1
