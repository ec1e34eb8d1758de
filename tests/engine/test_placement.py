"""Cores, GPUs and threads of stages, from a profile and a machine."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from engine_plans import stage

from stilts_core.engine.graph import Capacity
from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus
from stilts_core.engine.local.scratch import scratch_folder
from stilts_core.errors import SpecError
from stilts_core.planning.params import CostParams, MeasuredModel
from stilts_core.planning.plan import StageKind
from stilts_core.spec.profile import Local, Placement, Training


def placed(*, slots: int | None = None, cores: int = 8, gpus: list[str] | None = None, **settings: object):
    return LocalPlacement(Placement.model_validate(settings), slots=slots, cores=cores, gpus=gpus or [])


def test_on_cores_a_stage_takes_its_threads_for_each_rank_and_pretraining_takes_all() -> None:
    placement = placed(local=Local(threads=2), training=Training(ranks=3, zero_stage=2))
    assert placement.capacity == Capacity(cores=8)
    assert placement.devices is None
    needs = {kind: placement.need(stage("one", kind=kind)).cores for kind in StageKind}
    assert needs == {
        StageKind.PREPARE: 2,
        StageKind.PRETRAIN: 8,
        StageKind.TRAIN: 6,
        StageKind.EVALUATE: 2,
        StageKind.MEASURE: 2,
        StageKind.SIMILARITY: 2,
    }
    train = placement.resources(stage("one", kind=StageKind.TRAIN))
    assert (train.device, train.threads, train.ranks, train.zero_stage) == ("cpu", 2, 3, 2)


COST = CostParams(
    task="xnli",
    models=(MeasuredModel(data=0),),
    languages=("en",),
    precisions=("fp32",),
    batches=(1,),
    lengths=(),
    blocks=2,
    passes=1,
    warmup=0,
)


def test_what_takes_times_has_the_machine_for_itself() -> None:
    timed = stage("one", kind=StageKind.MEASURE).model_copy(update={"params": COST})
    on_cores = placed(slots=6, local=Local(threads=2))
    assert on_cores.need(timed) == Capacity(cores=6)
    assert on_cores.resources(timed).threads == 2  # it computes with what an evaluation has
    on_gpus = placed(gpus=["0", "1"])
    assert on_gpus.need(timed) == Capacity(cores=8, devices=2)
    assert (on_gpus.resources(timed).device, on_gpus.resources(timed).ranks) == ("cuda", 1)


def test_on_gpus_preparing_takes_cores_and_the_others_take_gpus() -> None:
    placement = placed(gpus=["0", "1", "2"], slots=2, training=Training(ranks=2))
    assert placement.device == "cuda"
    assert placement.devices == ["0", "1"]
    assert placement.capacity == Capacity(cores=8, devices=2)
    assert placement.need(stage("one")) == Capacity(cores=1)
    assert placement.need(stage("one", kind=StageKind.TRAIN)) == Capacity(devices=2)
    assert placement.need(stage("one", kind=StageKind.EVALUATE)) == Capacity(devices=1)
    assert placement.resources(stage("one")).device == "cpu"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"device": "cuda"}, "no GPU"),
        ({"local": Local(threads=3), "training": Training(ranks=3)}, "9 cores, and there are 8 slots"),
        ({"local": Local(pretrain_threads=9)}, "9 cores"),
        ({"gpus": ["0"], "slots": 2}, "2 GPUs are asked for; this machine has 1"),
        ({"gpus": ["0"], "training": Training(ranks=2)}, "2 GPUs, and there are 1 slots"),
    ],
)
def test_more_than_there_is_is_refused_before_anything_runs(settings: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        placed(**settings)  # type: ignore[arg-type]


def test_gpus_are_those_that_the_environment_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(tmp_path) == ["0", "1", "10"]
    for value, expected in (("1,0", ["1", "0"]), ("", []), ("-1", []), ("0,-1,1", ["0"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert visible_gpus(tmp_path) == expected
    assert visible_gpus(tmp_path / "none") == []


def test_scratch_of_a_killed_run_goes_and_that_of_a_live_one_stays(tmp_path: Path) -> None:
    for name in ("run-killed", "run-alive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
    held = os.open(tmp_path / "run-alive" / "lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with scratch_folder(tmp_path) as folder:
            assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["run-alive", folder.name])
    finally:
        os.close(held)
    assert [path.name for path in tmp_path.iterdir()] == ["run-alive"]


def test_cores_are_limited_by_control_groups_of_either_version(tmp_path: Path) -> None:
    everything = usable_cores(tmp_path)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in (("-1", everything), ("150000", 1), ("50000", 1)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        assert usable_cores(tmp_path) == cores
    (tmp_path / "cpu" / "cpu.cfs_quota_us").unlink()
    for limit, cores in (("max 100000", everything), ("100000 100000", 1), (f"{10**9} 100000", everything)):
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
        assert usable_cores(tmp_path) == cores
