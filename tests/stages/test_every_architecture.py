"""All stages on every architecture, run once in a process of their own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("deepspeed", reason="the training packages are an extra")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modeling"), str(HERE.parent / "data")]
from architectures import CASES  # noqa: E402

from stilts_core.catalog.models import Head  # noqa: E402
from stilts_core.data.dataset import Dataset  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.xdist_group("architectures")]
HEADS = [Head.CLASSIFICATION, Head.CHOICE, Head.SPAN, Head.TAGGING]
LANGUAGES = ["en", "tr", "zh", "th"]
Results = tuple[Path, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("architectures") / "root"
    root.mkdir()
    worker = HERE / "architecture_worker.py"
    command = [sys.executable, str(worker), str(root), *CASES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return root, {name: json.loads((root / f"{name}.json").read_text(encoding="utf-8")) for name in CASES}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", CASES)
def test_a_head_is_trained_and_evaluated(results: Results, name: str, head: Head) -> None:
    root, measured = results
    trained, scored = measured[name][head.value]["train"], measured[name][head.value]["evaluate"]
    assert trained["steps"] == 3
    assert all(map(math.isfinite, (trained["loss_first"], trained["loss_last"])))
    assert list(scored["languages"]) == LANGUAGES
    for language in scored["languages"].values():
        assert language["n"] > 0
        assert 0 <= language["score"] <= 100
    for purpose in ("train", "evaluate"):
        data = Dataset.open(root / name / f"{purpose}-{head.value}" / "data")
        assert int(data.lengths.max()) <= 64


@pytest.mark.parametrize("name", CASES)
def test_every_hidden_state_is_scored_by_retrieval(results: Results, name: str) -> None:
    languages = results[1][name]["retrieval"]["evaluate"]["languages"]
    assert list(languages) == LANGUAGES[1:]
    for language in languages.values():
        states = {measure for measure in language["metrics"] if "@state" in measure}
        assert states == {f"accuracy@state{state:02d}" for state in range(3)}


@pytest.mark.parametrize("name", CASES)
def test_a_mix_goes_on_from_a_trained_encoder(results: Results, name: str) -> None:
    """The hand-off keeps every weight under its name, and the next training moves what it learns with."""
    root, measured = results
    heads = [head.value for head in HEADS] + ([] if name in ("mt5", "umt5", "t5") else ["mlm"])
    assert measured[name]["mix"]["train"]["tasks"] == heads
    assert measured[name]["weights"]["same_names"]
    assert measured[name]["weights"]["still"] == []
    published = json.loads((root / name / "published/config.json").read_text())
    handed = json.loads((root / name / "model-mix/encoder/config.json").read_text())
    assert handed["model_type"] == published["model_type"]


@pytest.mark.parametrize("name", CASES)
def test_predicted_answers_are_pieces_of_their_contexts(results: Results, name: str) -> None:
    root, _ = results
    data = Dataset.open(root / name / "evaluate-span" / "data")
    contexts = {example["id"]: example["context"] for example in data.examples}
    files = sorted((root / name / "scores-span" / "predictions").rglob("*.json"))
    assert len(files) == len(LANGUAGES)
    for file in files:
        for identifier, answer in json.loads(file.read_text(encoding="utf-8")).items():
            assert answer in contexts[identifier]


@pytest.mark.parametrize("name", CASES)
def test_every_word_is_tagged_once_in_every_language(results: Results, name: str) -> None:
    root, _ = results
    data = Dataset.open(root / name / "evaluate-tagging" / "data")
    word = np.asarray(data.columns["word"])
    for segment in data.segments:
        features = slice(*data.feature_ranges[[segment.start, segment.stop]])
        tokens = word[data.offsets[features.start] : data.offsets[features.stop]]
        words = [len(data.examples[at]["words"]) for at in range(segment.start, segment.stop)]
        assert np.count_nonzero(tokens >= 0) == sum(words)
