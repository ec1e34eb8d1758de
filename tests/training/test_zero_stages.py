"""Every ZeRO stage on one and two ranks trains the same model on the same data in the same order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("deepspeed", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent))
from synthetic import write_dataset

from stilts_core.catalog.models import Head

TOLERANCE = 2e-5
"""Of a loss, relative: fp32 sums in another order, over 18 steps at a high learning rate."""
WHOLE, SMALL = 100_000, 60
"""Tokens of a micro-batch: the whole step at once, or many pieces to accumulate."""
LAYOUTS = [(0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("zero")
    for head in Head:
        write_dataset(root / head.value, head)
    names = [f"{zero}-{ranks}-{WHOLE}" for zero, ranks in [(0, 1), *LAYOUTS]] + [f"2-2-{SMALL}"]
    worker = Path(__file__).parent / "zero_worker.py"
    done = subprocess.run([sys.executable, str(worker), str(root), *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return {name: json.loads((root / f"{name}.json").read_text(encoding="utf-8")) for name in names}


@pytest.mark.train
@pytest.mark.parametrize(("zero_stage", "ranks"), LAYOUTS)
def test_losses_and_weights_agree(results: Results, zero_stage: int, ranks: int) -> None:
    result, reference = results[f"{zero_stage}-{ranks}-{WHOLE}"], results[f"0-1-{WHOLE}"]
    np.testing.assert_allclose(result["loss"], reference["loss"], rtol=TOLERANCE)
    assert result["weights"].keys() == reference["weights"].keys()
    for name, total in result["weights"].items():
        assert total == pytest.approx(reference["weights"][name], abs=5e-3), name


@pytest.mark.train
@pytest.mark.parametrize("name", [f"0-2-{WHOLE}", f"3-2-{WHOLE}", f"2-2-{SMALL}"])
def test_data_order_does_not_depend_on_ranks_or_micro_batches(results: Results, name: str) -> None:
    assert results[name]["seen"] == results[f"0-1-{WHOLE}"]["seen"]


@pytest.mark.train
def test_accumulation_changes_nothing_but_rounding(results: Results) -> None:
    """Small micro-batches accumulate to the gradient of the whole step, which is clipped once."""
    np.testing.assert_allclose(results[f"2-2-{SMALL}"]["loss"], results[f"0-1-{WHOLE}"]["loss"], rtol=TOLERANCE)
