"""The real stages, each asked to stop on the way and run again, commit what they would have committed undisturbed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest
import yaml

pytest.importorskip("deepspeed", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent.parent / "end_to_end"))
from whole_study import WHOLE

from stilts_core.model import digest, identity
from stilts_core.planning.load import plan_study
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.profile import StoreSettings
from stilts_core.stages.context import Resources
from stilts_core.stages.run import AttemptSpec, run_attempt
from stilts_core.stages.snapshot import Snapshot
from stilts_core.storage.commit import commit_stage, read_manifest
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import Attempt, attempt_prefix
from stilts_core.storage.resume import resume_prefix

pytestmark = pytest.mark.train
STOPS = {StageKind.PRETRAIN: 2, StageKind.TRAIN: 1, StageKind.EVALUATE: 1, StageKind.PREPARE: 0}
"""How often a stage of a kind is stopped; `prepare` has no step to stop after."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A pretraining, a mix with masked text, a training with patience, and an evaluation."""
    study = yaml.safe_load(WHOLE)
    study["spec"]["curricula"] = [{"name": "mix", "steps": [{"mix": [{"task": "mnli", "limit": 60}, {"mlm": "sw"}]}]}]
    study["spec"]["curricula"].insert(0, "baseline")
    study["spec"]["targets"] = [{"task": "xnli", "languages": ["en", "sw"], "limit": 20, "train_limit": 40}]
    file = tmp_path_factory.mktemp("study") / "study.yaml"
    file.write_text(yaml.safe_dump(study), encoding="utf-8")
    return plan_study(file)


class Runs:
    """Attempts at stages, in this process."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.store = FolderStore(folder / "store")

    def attempt(self, stage: Stage, number: int, *, stop: bool) -> int:
        """An attempt that is asked to stop after its next step."""
        steps: set[int] = set()

        def tell(snapshot: Snapshot) -> None:
            if snapshot.progress.step:
                steps.add(snapshot.progress.step)

        spec = AttemptSpec(
            stage=stage,
            submission="test",
            store=StoreSettings(uri=str(self.folder / "store")),
            data_root=self.plan.data_root,
            cache=self.folder / "cache",
            scratch=self.folder / f"scratch-{number}",
            resources=Resources(precision="fp32"),
            attempt=Attempt(number=number, token=f"t{number}"),
        )
        return run_attempt(spec, tell=tell, stop_requested=lambda: stop and bool(steps))

    def results(self) -> Iterator[tuple[str, object]]:
        for stage in self.plan.stages:
            manifest = read_manifest(self.store, stage.fingerprint)
            assert manifest is not None
            yield stage.label, ({name: record.sha256 for name, record in manifest.files.items()}, manifest.metrics)


def test_every_kind_of_stage(plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, cut = Runs(tmp_path / "whole", plan), Runs(tmp_path / "cut", plan)
    for stage in plan.stages:
        assert whole.attempt(stage, 1, stop=False) == 0
        capsys.readouterr()
        stops = STOPS[stage.kind]
        codes = [cut.attempt(stage, number, stop=number <= stops) for number in range(1, stops + 2)]
        assert codes == [75] * stops + [0], capsys.readouterr().out
        said = capsys.readouterr().out
        if stage.kind in (StageKind.TRAIN, StageKind.PRETRAIN):
            assert said.count("going on after step") == stops
        if stage.kind is StageKind.EVALUATE:
            assert "were done by an earlier attempt" in said
    assert dict(cut.results()) == dict(whole.results())
    left = [found.key for found in cut.store.list("stages/") if "/resume/" in found.key or "/parts/" in found.key]
    assert left == []


def test_a_state_made_from_other_bytes_than_the_repaired_input_is_refused(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An input is lost under an unfinished training, and what another machine makes in its place is not the same."""
    runs = Runs(tmp_path, plan)
    training = next(stage for stage in plan.stages if stage.kind is StageKind.PRETRAIN)
    for stage in plan.stages:
        if stage.fingerprint in training.parents.values():
            assert runs.attempt(stage, 1, stop=False) == 0
    assert runs.attempt(training, 1, stop=True) == 75
    parent = training.parents["text"]
    before = read_manifest(runs.store, parent)
    assert before is not None
    changed = next(name for name in before.files if name.endswith("/meta.json"))
    shutil.copytree(runs.store.root / attempt_prefix(parent, before.attempt), tmp_path / "made", copy_function=copyfile)
    (runs.store.root / attempt_prefix(parent, before.attempt) / changed).unlink()
    assert runs.attempt(training, 2, stop=False) == 72
    assert read_manifest(runs.store, parent) is None

    for name in [name for name in _names(tmp_path / "made") if name not in before.files]:
        (tmp_path / "made" / name).unlink()
    with (tmp_path / "made" / changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    again = commit_stage(
        runs.store,
        stage=before.stage,
        fingerprint=parent,
        attempt=Attempt(number=2, token="other"),
        folder=tmp_path / "made",
        metrics=before.metrics,
        run={},
    )
    assert again.run["repair"]["differs"] == [changed]

    capsys.readouterr()
    assert runs.attempt(training, 3, stop=False) == 69
    said = capsys.readouterr().out
    was, now = (digest(identity(each.files))[:16] for each in (before, again))
    assert f"does not fit the training: inputs, text was {was}… and is {now}…." in said
    states = f"{runs.store.uri}/{resume_prefix(training.fingerprint)}"
    assert f"Delete {states} to have the stage begin anew." in said
    shutil.rmtree(states)
    assert runs.attempt(training, 4, stop=False) == 0


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
