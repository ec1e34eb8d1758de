"""A training that is interrupted and gone on with ends as if it had not been."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("deepspeed", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent))
from synthetic import write_dataset

from stilts_core.catalog.models import Head

pytestmark = pytest.mark.train
WORKER = Path(__file__).parent / "resume_worker.py"
LAYOUTS = ("0-1", "0-2", "2-2", "3-2")

Results = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Name of a training → what each of its attempts came to."""
    root = tmp_path_factory.mktemp("resume")
    for head in (Head.CLASSIFICATION, Head.TAGGING, Head.MLM):
        write_dataset(root / head.value, head)
    trainings = {f"whole-{layout}": layout for layout in LAYOUTS}
    trainings |= {f"cut-{layout}": f"{layout}@6,{layout}" for layout in LAYOUTS}
    trainings["evaluating"] = "2-2@8e,2-2"
    trainings["damaged"] = "2-2@8,m2-2@10,d2-2"
    trainings["moved"] = "2-2@5,3-2@9,0-1"
    trainings["other"] = "0-1@5,0-1-1"
    command = [sys.executable, str(WORKER), str(root), *(f"{name}:{layouts}" for name, layouts in trainings.items())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return {
        name: [json.loads(path.read_text(encoding="utf-8")) for path in sorted(root.glob(f"{name}.*.json"))]
        for name in trainings
    }


def outcome(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("weights", "loss", "dev", "best_step", "stopped_early")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_layout_gives_the_same_bits(results: Results, layout: str) -> None:
    (whole,), (first, last) = results[f"whole-{layout}"], results[f"cut-{layout}"]
    assert first["stopped"] == "Stopped on request after step 6 of 14."
    assert last["said"][0].startswith("going on after step 6, saved by attempt 001-t1")
    assert last["steps"] == list(range(7, 15))
    assert outcome(last) == outcome(whole)


def test_a_stop_in_an_evaluation_goes_on_with_that_evaluation(results: Results) -> None:
    (whole,), (first, last) = results["whole-2-2"], results["evaluating"]
    assert first["stopped"] == "in the evaluation"
    assert last["steps"] == list(range(9, 15))
    assert outcome(last) == outcome(whole)


def test_damaged_states_are_passed_over_and_that_is_said(results: Results) -> None:
    (whole,), (_, second, last) = results["whole-2-2"], results["damaged"]
    assert "is damaged, and is passed over" in second["said"][0]
    assert "going on after step 6, saved by attempt 001-t1" in second["said"][1]
    assert second["steps"] == [7, 8, 9, 10]
    assert "the state saved after step 10 is damaged, and is passed over: " in last["said"][0]
    assert last["said"][1].startswith("going on after step 9, saved by attempt 002-t2")
    assert outcome(last) == outcome(whole)


def test_another_layout_goes_on_with_the_same_data_and_says_so(results: Results) -> None:
    (whole,), (_, second, last) = results["whole-0-1"], results["moved"]
    assert "the last bits may differ from an undisturbed run, since zero_stage was 2 and is 3" in second["said"][0]
    assert "ranks was 2 and is 1" in last["said"][0]
    assert last["steps"] == [10, 11, 12, 13, 14]
    assert last["loss"] == pytest.approx(whole["loss"], rel=0.1)


def test_a_state_of_other_data_is_refused(results: Results) -> None:
    _, refused = results["other"]
    assert refused["error"] == 69
    assert "examples was 0 and is 1" in refused["message"]
