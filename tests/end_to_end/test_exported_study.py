"""What a study exports is scored from its files with the values of its own tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from whole_study import CURRICULA, LANGUAGES, Done, Place

from stilts_core.data.dataset import Dataset
from stilts_core.evaluation.predictions import label_file, tag_file
from stilts_core.evaluation.scorers.retrieval import english_order
from stilts_core.storage.commit import materialise, read_manifest
from stilts_core.storage.open import open_store

pytest.importorskip("deepspeed", reason="the training packages are an extra")

pytestmark = [pytest.mark.train, pytest.mark.xdist_group("whole-study")]

SUFFIX = {"xquad": ".json", "tydiqa": ".json"}
MEASURES = {"accuracy", "f1", "precision", "recall", "token_accuracy", "exact_match"}


def gold_files(place: Place) -> dict[str, str]:
    """Name in the layout of a submission → gold, from the prepared data of the study's evaluations."""
    store = open_store(place.store)
    stages = json.loads(place.on_study("plan", "--json").out)["stages"]
    found: dict[str, str] = {}
    for stage in stages:
        if stage["kind"] != "evaluate":
            continue
        manifest = read_manifest(store, stage["parents"]["data"])
        assert manifest is not None
        dataset = Dataset.open(materialise(store, manifest, place.folder / "cache") / "data")
        task, labels = stage["params"]["task"], stage["params"]["labels"]
        parts: dict[str, list[int]] = {}
        for segment in dataset.segments:
            parts.setdefault(segment.language, []).extend(range(segment.start, segment.stop))
        for language, rows in parts.items():
            found[f"{task}/test-{language}{SUFFIX.get(task, '.tsv')}"] = gold(dataset, task, labels, rows)
    return found


def gold(dataset: Dataset, task: str, labels: list[str], rows: list[int]) -> str:
    records = [dataset.examples[row] for row in rows]
    if task == "xnli":
        return label_file(labels[dataset.columns["label"][row]] for row in rows)
    if task == "udpos":
        return tag_file([record["tags"] for record in records])
    if task == "tatoeba":
        english = [dataset.examples[row]["text"] for row in rows if dataset.columns["side"][row] == 1]
        return label_file(map(str, english_order(english)))
    questions = [{"id": r["id"], "answers": [{"text": text} for text in r["answers"]]} for r in records]
    return json.dumps({"data": [{"paragraphs": [{"qas": questions}]}]})


def test_exported_predictions_score_as_the_tables_say(finished: tuple[Place, Done], tmp_path: Path) -> None:
    place, _ = finished
    refused = place.on_study("export", "--format", "xtreme", "--out", str(tmp_path / "whole"))
    assert refused.status == 66
    assert "panx is no target of the study." in refused.out
    assert not (tmp_path / "whole").exists()

    done = place.on_study("export", "--format", "xtreme", "--out", str(tmp_path / "out"), "--partial")
    assert (done.status, done.err) == (0, "")
    for name, text in gold_files(place).items():
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    rows = list(csv.DictReader(io.StringIO(place.result("results.csv").decode())))
    for curriculum in CURRICULA:
        folder = tmp_path / "out" / "tiny" / curriculum / "seed0"
        scored = place.stilts(
            "score", "--submission", str(folder), "--labels", str(tmp_path / "labels"), "--partial", "--json"
        )
        assert scored.status == 0, scored.err
        found = json.loads(scored.out)
        assert set(found) == {*LANGUAGES, "refused"}
        mine = {
            (row["target"], row["metric"], row["language"]): float(row["value"])
            for row in rows
            if row["curriculum"] == curriculum and row["metric"] in MEASURES
        }
        theirs = {
            (task, measure, language): value
            for task in LANGUAGES
            for measure, by_language in found[task].items()
            for language, value in by_language.items()
        }
        assert theirs == mine
