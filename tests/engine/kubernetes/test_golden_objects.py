"""What becomes of a study in a cluster, as it was written once for each way of running it.

Beside each ``profile.yaml`` lie the objects; a change that is meant is written with
``pytest tests/engine/kubernetes --update-golden``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from engine_cluster_objects import FIRST, NAMESPACE, SECOND, STUDY, SUBMISSION, stage

from stilts_core.engine.kubernetes.render import render_stage, render_submission
from stilts_core.engine.kubernetes.yaml_text import to_yaml
from stilts_core.planning.plan import StageKind
from stilts_core.spec.load import load_profile

GOLDEN = Path(__file__).with_name("golden")
ATTEMPTS = {kind.value: (kind, FIRST) for kind in StageKind} | {"second-attempt": (StageKind.TRAIN, SECOND)}
SCENARIOS = {
    "one-pod": ["prepare", "pretrain", "train", "evaluate"],
    "four-nodes": ["prepare", "pretrain", "train", "evaluate"],
    "jobset": ["train", "evaluate"],
    "kueue": ["train", "second-attempt"],
    "air-gapped": ["prepare", "train"],
    "spot": ["prepare", "train"],
    "cpu-only": ["prepare", "pretrain", "train", "evaluate"],
}


def test_every_scenario_is_tried() -> None:
    found = {folder.name: {path.stem for path in folder.glob("*.yaml")} for folder in GOLDEN.iterdir()}
    assert found == {name: {"profile", "submission", *stages} for name, stages in SCENARIOS.items()}


@pytest.mark.parametrize(("scenario", "which"), [(name, which) for name in SCENARIOS for which in SCENARIOS[name]])
def test_an_attempt_becomes_what_it_did(scenario: str, which: str, update_golden: bool) -> None:
    placement = load_profile(GOLDEN / scenario / "profile.yaml").spec
    kind, attempt = ATTEMPTS[which]
    compare(
        GOLDEN / scenario / f"{which}.yaml",
        [render_stage(stage(kind), attempt, SUBMISSION, placement)],
        update=update_golden,
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_submission_becomes_what_it_did(scenario: str, update_golden: bool) -> None:
    placement = load_profile(GOLDEN / scenario / "profile.yaml").spec
    compare(GOLDEN / scenario / "submission.yaml", render_submission(STUDY, placement, NAMESPACE), update=update_golden)


def compare(path: Path, objects: list[dict[str, object]], *, update: bool) -> None:
    text = to_yaml(objects)
    if update:
        path.write_text(text, encoding="utf-8")
    assert list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) == objects
    assert path.read_text(encoding="utf-8") == text
