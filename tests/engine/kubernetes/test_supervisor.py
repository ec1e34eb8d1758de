"""One pod: whatever happens to its stage, the right code, a message, and records in the store."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_plans import plan_of, stage
from engine_support import gone, until
from pod_support import FIRST, Cluster, Pod

from stilts_core.errors import EXIT_CODES
from stilts_core.storage.attempts import list_attempts, read_heartbeat, read_log, read_outcome
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.generations import read_head
from stilts_core.storage.manifest import Attempt, attempt_prefix, manifest_key

MakeCluster = Callable[..., Cluster]
AGAIN = Attempt(number=1, token=f"{FIRST.token}r01")


def log_of(cluster: Cluster, attempt: Attempt = FIRST) -> str:
    return read_log(cluster.store, cluster.stage.fingerprint, attempt) or ""


def works(cluster: Cluster, step: int = 1) -> Callable[[], bool]:
    """The stage has begun, by what its pod has put into the store."""

    def begun() -> bool:
        heartbeat = read_heartbeat(cluster.store, cluster.stage.fingerprint, FIRST)
        return heartbeat is not None and heartbeat.step >= step

    return begun


def assert_failed(cluster: Cluster, pod: Pod, code: int) -> None:
    """The exit status, the message, and the store tell the same, and nothing is committed."""
    assert pod.wait() == code, pod.output
    assert pod.document["code"] == code
    assert "Traceback" not in pod.message
    outcome = read_outcome(cluster.store, cluster.stage.fingerprint, FIRST)
    assert outcome is not None
    assert (outcome.exit_code, outcome.message) == (code, pod.message)
    assert read_manifest(cluster.store, cluster.stage.fingerprint) is None


def test_a_stage_that_commits(cluster: MakeCluster) -> None:
    place = cluster()
    pod = place.start(submission="study-1")
    assert pod.wait() == 0, pod.output
    manifest = read_manifest(place.store, place.stage.fingerprint)
    assert manifest is not None
    assert manifest.attempt == FIRST
    assert pod.document == {"code": 0, "name": "committed", "step": 0, "total": 0, "attempt": FIRST.folder}
    outcome = read_outcome(place.store, place.stage.fingerprint, FIRST)
    assert outcome is not None
    assert (outcome.exit_code, outcome.submission) == (0, "study-1")
    for text in (log_of(place), pod.output):
        assert "fake stage did its work" in text


def test_a_stage_that_is_done_is_left_alone(cluster: MakeCluster) -> None:
    place = cluster()
    assert place.start().wait() == 0
    before = [info.key for info in place.store.list("")]
    assert place.start().wait() == 0
    assert [info.key for info in place.store.list("")] == before


def test_a_pod_that_begins_again_takes_another_name(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"once={tmp_path} raise=StorageError")
    assert place.start().wait() == 73
    first = [info for info in place.store.list("stages/") if FIRST.folder in info.key]
    second = place.start()
    assert second.wait() == 0
    assert second.document["attempt"] == AGAIN.folder
    manifest = read_manifest(place.store, place.stage.fingerprint)
    assert manifest is not None
    assert manifest.attempt == AGAIN
    assert [info for info in place.store.list("stages/") if f"{FIRST.folder}/" in info.key] == first
    assert list_attempts(place.store, place.stage.fingerprint) == [FIRST, AGAIN]


@pytest.mark.parametrize(
    ("deed", "code", "sentence"),
    [
        ("raise=SpecError", 64, "This fake stage fails."),
        ("nan", 70, "The loss became NaN."),
        ("memory", 71, "Memory ran out"),
        ("full", 73, "The disk is full"),
        ("crash", 1, "ZeroDivisionError"),
        ("leave=0", 1, "left no manifest"),
        ("leave=33", 1, "exit status 33"),
        ("signal=9", 1, "SIGKILL ended the stage's process"),
    ],
)
def test_a_stage_that_fails(cluster: MakeCluster, deed: str, code: int, sentence: str) -> None:
    place = cluster(deed)
    pod = place.start()
    assert_failed(place, pod, code)
    assert sentence in pod.message
    assert code in EXIT_CODES or code == 1


def test_memory_that_the_kernel_took(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"oom={tmp_path / 'pod-0' / 'cgroup'}")
    pod = place.start()
    assert_failed(place, pod, 71)
    assert "Raise the memory limit" in pod.message


def test_a_stop_is_passed_on(cluster: MakeCluster) -> None:
    place = cluster("wait=60")
    pod = place.start()
    until(works(place))
    pod.process.terminate()
    assert_failed(place, pod, 75)
    assert pod.message == "The stage was asked to stop."
    assert pod.document["step"] > 0
    assert "asked to stop" in log_of(place)


def test_a_stage_that_does_not_stop_is_killed_within_the_grace_period(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"rank={tmp_path / 'rank'} mark={tmp_path} deaf=60")
    pod = place.start(grace=4.5)
    until((tmp_path / "starts.jsonl").exists)
    pod.process.terminate()
    assert_failed(place, pod, 75)
    assert "had not ended after 3 s" in pod.message
    assert "did not stop in time" in log_of(place)
    assert gone(int((tmp_path / "rank").read_text()))


def test_a_stage_that_hangs_tells_where(cluster: MakeCluster) -> None:
    place = cluster("deaf=60")
    pod = place.start(stall=5)
    assert_failed(place, pod, 76)
    assert pod.message.startswith("No progress for 5 s")
    log = log_of(place)
    assert "what process" in log
    assert "in _deaf" in log


def test_orphans_are_collected(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"orphan={tmp_path / 'orphan'} await={tmp_path / 'go'}")
    pod = place.start()
    until(lambda: (tmp_path / "orphan").exists() and bool((tmp_path / "orphan").read_text()))
    orphan = int((tmp_path / "orphan").read_text())
    until(lambda: not Path(f"/proc/{orphan}").exists())
    (tmp_path / "go").touch()
    assert pod.wait() == 0


def test_no_process_outlives_the_supervisor(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster(f"mark={tmp_path} wait=60")
    pod = place.start()
    marks = tmp_path / "starts.jsonl"
    until(lambda: marks.exists() and marks.read_text().endswith("\n"))
    pod.process.send_signal(signal.SIGKILL)
    assert gone(int(marks.read_text().partition('"pid": ')[2].partition(",")[0]))


def test_a_manifest_makes_a_killed_stage_a_success(cluster: MakeCluster) -> None:
    place = cluster()
    assert place.start().wait() == 0
    key = manifest_key(place.stage.fingerprint)
    manifest = place.store.read(key)
    place.store.delete(key)
    waiting = plan_waits(place)
    pod = place.start(stage=waiting.stage.fingerprint)
    until(works(waiting))
    assert place.store.create(key, manifest)
    pod.process.terminate()
    assert pod.wait() == 0, pod.output


def plan_waits(place: Cluster) -> Cluster:
    """The same stage in the plan, except that it waits now."""
    stage = place.stage.model_copy(update={"label": "only wait=60"})
    place.plan = place.plan.model_copy(update={"stages": (stage,)})
    place.put_plan()
    for attempt in list_attempts(place.store, stage.fingerprint):
        for info in list(place.store.list(f"stages/{stage.fingerprint[:2]}/{stage.fingerprint}/attempts/")):
            assert attempt.folder in info.key
            place.store.delete(info.key)
    return place


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"plan_digest": "0" * 64}, 64, "has the digest"),
        ({"stage": "0" * 64}, 64, "has no stage 000000000000"),
        ({"plan": "nowhere"}, 64, "is no address of a plan"),
        ({"attempt": "first"}, 64, "names no attempt"),
        ({"nodes": 2}, 64, "--service"),
        ({"nodes": "two"}, 64, "invalid int value"),
        ({"index": 3}, 64, "JOB_COMPLETION_INDEX is 3"),
        ({"ranks_per_node": 2}, 64, "runs as one process"),
        ({"store": None}, 64, "--store"),
        ({"store": "gs://bucket"}, 64, "unknown scheme"),
        ({"profile": "/nowhere/profile.yaml"}, 64, "profile.yaml"),
    ],
)
def test_wrong_orders(cluster: MakeCluster, changes: dict[str, object], code: int, sentence: str) -> None:
    place = cluster()
    pod = place.start(**changes)  # type: ignore[arg-type]
    assert pod.wait() == code, pod.output
    assert sentence in pod.message
    assert pod.document["code"] == code
    assert "Traceback" not in pod.output
    assert not list_attempts(place.store, place.stage.fingerprint)


def test_no_plan_and_no_store(cluster: MakeCluster, tmp_path: Path) -> None:
    place = cluster()
    (tmp_path / "file").write_text("no folder")
    pods = {
        66: place.start(plan=f"{tmp_path / 'store'}/other.json"),
        64: place.start(plan=f"{tmp_path / 'store'}/broken.json"),
        73: place.start(store=str(tmp_path / "file"), plan=f"{tmp_path / 'store'}/plan.json"),
    }
    place.store.put("broken.json", b"{}")
    for code, pod in pods.items():
        assert pod.wait() == code, pod.output
        assert pod.message
        assert "Traceback" not in pod.output


def test_a_message_that_cannot_be_written_changes_nothing(cluster: MakeCluster) -> None:
    assert cluster().start(termination_log="/proc/nowhere/log").wait() == 0


def test_a_damaged_input_is_withdrawn_and_made_again(cluster: MakeCluster) -> None:
    place = cluster()
    parent = stage("parent")
    place.plan = plan_of([parent, stage("child", {"in": parent.fingerprint})])
    place.put_plan()
    assert place.start(stage=parent.fingerprint, submission="study-1").wait() == 0
    before = read_manifest(place.store, parent.fingerprint)
    assert before is not None
    place.store.delete(attempt_prefix(parent.fingerprint, before.attempt) + "result.txt")
    pod = place.start(submission="study-1")
    assert_failed(place, pod, 72)
    assert parent.fingerprint[:12] in pod.message
    assert "result.txt" in pod.message
    head = read_head(place.store, parent.fingerprint)
    assert (head.manifest, [each.submission for each in head.withdrawn]) == (None, ["study-1"])
    assert place.start(stage=parent.fingerprint, attempt="002-3fa9c2").wait() == 0
    again = read_manifest(place.store, parent.fingerprint)
    assert again is not None
    assert again.files == before.files
    assert place.start(attempt="002-3fa9c2").wait() == 0
