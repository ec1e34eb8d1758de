"""From a pod's command line to what its processes get."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_plans import plan_of, stage

from stilts_core.engine.kubernetes.assignment import PATIENT_ATTEMPTS, take_assignment
from stilts_core.engine.kubernetes.orders import INDEX_VARIABLE, Orders, parse_orders
from stilts_core.engine.local.placement import usable_cores
from stilts_core.errors import SpecError
from stilts_core.planning.plan import StageKind
from stilts_core.stages.run import AttemptSpec
from stilts_core.storage.open import open_store
from stilts_core.training.group import ALONE, Group

PROFILE = """
apiVersion: stilts/v1alpha1
kind: Profile
spec:
  device: cpu
  store: {s3: {region: eu-north-1}}
  local: {threads: 3}
  training: {ranks: 5, zero_stage: 2, micro_tokens: 256}
"""


def orders(folder: Path, kind: StageKind, *more: str) -> Orders:
    plan = plan_of([stage("only", kind=kind)])
    open_store(str(folder / "store")).put("plan.json", plan.model_dump_json().encode())
    (folder / "profile.yaml").write_text(PROFILE)
    return parse_orders(
        [
            f"--store={folder / 'store'}",
            f"--plan={folder / 'store'}/plan.json",
            f"--plan-digest={plan.digest()}",
            f"--stage={plan.stages[0].fingerprint}",
            "--attempt=002-3fa9c1",
            f"--profile={folder / 'profile.yaml'}",
            f"--work={folder / 'work'}",
            *more,
        ]
    )


def test_ranks_come_from_the_pods_and_everything_else_from_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INDEX_VARIABLE, "2")
    monkeypatch.setattr("socket.gethostname", lambda: "study-train-2")
    given = orders(tmp_path, StageKind.TRAIN, "--nodes=4", "--ranks-per-node=8", "--service=group", "--patience=30")
    assignment = take_assignment(given)
    resources = assignment.resources
    assert (resources.ranks, resources.threads, resources.zero_stage, resources.micro_tokens) == (32, 3, 2, 256)
    assert resources.group == Group(4, 2, "study-train-0.group", 29500, 30.0)
    assert assignment.store.s3.region == "eu-north-1"
    assert assignment.store.s3.attempts == PATIENT_ATTEMPTS
    spec = assignment.spec(given, given.attempt, tmp_path / "work" / "002-3fa9c1")
    assert AttemptSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.attempt == given.attempt


def test_the_first_pod_does_not_ask_for_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INDEX_VARIABLE, raising=False)
    given = orders(tmp_path, StageKind.TRAIN, "--nodes=2", "--service=group")
    assert take_assignment(given).resources.group.leader == "localhost"


def test_threads(tmp_path: Path) -> None:
    """Of pretraining alone all cores, which the profile can set to a number; no other stage takes what is free."""
    threads = {kind: take_assignment(orders(tmp_path, kind)).resources.threads for kind in StageKind}
    assert threads == {**dict.fromkeys(StageKind, 3), StageKind.PRETRAIN: usable_cores()}
    assert take_assignment(orders(tmp_path, StageKind.EVALUATE)).resources.group == ALONE


def test_a_plan_of_another_version(tmp_path: Path) -> None:
    given = orders(tmp_path, StageKind.TRAIN)
    other = plan_of([stage("only", kind=StageKind.TRAIN).model_copy(update={"version": 99})])
    open_store(str(tmp_path / "store")).put("plan.json", other.model_dump_json().encode())
    with pytest.raises(SpecError, match="this image runs version"):
        take_assignment(given)
