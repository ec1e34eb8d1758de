"""The tasks of docs/own-tasks.md, as they are written there: read, trained and scored with a tiny encoder."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from whole_study import Done, Place, make_place

DOCUMENT = Path(__file__).parents[2] / "docs" / "own-tasks.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIES = 15
"""How often the few lines of the document stand in a file, so that each split of it has some."""

STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: own}
spec:
  encoders: [{name: tiny, source: ./encoder}]
  curricula:
    - baseline
    - {name: text, steps: [{mix: [reviews, {task: letters, languages: [en, de]}]}]}
    - {name: german, steps: [{task: reviews, languages: [de], provenance: {kind: human-translation, note: ours}}]}
  targets:
    - reviews
    - {task: reviews, name: reviews-few, few_shot: {examples: 3, languages: [sw]}}
    - {task: paraphrases, translate_train: {languages: [de]}}
    - manuals
    - endings
    - parts
    - subtitles
  data: {root: data}
  overrides:
    - match: {}
      set: {batch_size: 4, max_steps: 2, max_length: 64, question_length: 16, doc_stride: 8, dev_examples: 4,
            evaluate_every: 0, patience: 0}
"""


def blocks() -> tuple[list[str], dict[str, str]]:
    """The tasks, and the files by name."""
    found = BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    return [text for kind, _, text in found if kind == "yaml"], {name: text for _, name, text in found if name}


def fill(root: Path, tasks: list[dict[str, Any]], files: dict[str, str]) -> None:
    """Write the files of every split and language, each with the lines of the one that is shown."""
    for task in tasks:
        for pattern in filter(None, (task["path"], task.get("pair"))):
            shown = next(text for name, text in files.items() if fits(pattern, name))
            for language, split in itertools.product(task["languages"], ("train", "dev", "test")):
                place = root / pattern.replace("{lang}", language).replace("{split}", split)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(more_of(shown, place.suffix), encoding="utf-8")


def fits(pattern: str, name: str) -> bool:
    expression = re.escape(pattern).replace(r"\{lang\}", "[a-z]+").replace(r"\{split\}", "[a-z]+")
    return re.fullmatch(expression, name) is not None


def more_of(text: str, suffix: str) -> str:
    if suffix == ".json":
        return text
    head, _, rest = text.partition("\n") if suffix == ".csv" else ("", "", text)
    return f"{head}\n{rest * COPIES}" if head else rest * COPIES


def make_encoder(folder: Path) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    from stilts_core.data.vocabulary import train_tokenizer

    pieces = [text for _, _, text in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))]
    words = sorted({word for text in pieces for word in text.split()})
    tokenizer = train_tokenizer([" ".join(words), *words], 300, 64)
    tokenizer.save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=80,
        pad_token_id=tokenizer.pad_token_id,
    )
    XLMRobertaForMaskedLM(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Done]:
    place = make_place(tmp_path_factory.mktemp("own"))
    tasks, files = blocks()
    fill(place.folder / "data", [entry for text in tasks for entry in yaml.safe_load(text)["tasks"]], files)
    make_encoder(place.folder / "encoder")
    first, *others = tasks
    study = STUDY + textwrap.indent(first, "  ")
    for number, text in enumerate(others):
        place.write(f"task-{number}.yaml", textwrap.dedent(text.removeprefix("tasks:\n")))
        study += f"    - ./task-{number}.yaml\n"
    place.write("study.yaml", study)
    return place, place.run()


def rows(place: Place, name: str) -> list[dict[str, str]]:
    text = (place.folder / "results" / "own" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_classification_task_takes_five_lines() -> None:
    first = blocks()[0][0]
    assert len(first.splitlines()) == 5
    assert set(yaml.safe_load(first)["tasks"][0]) == {"name", "head", "path", "languages"}


def test_there_is_an_example_for_each_head() -> None:
    from stilts_core.catalog.models import Head

    tasks = [entry for text in blocks()[0] for entry in yaml.safe_load(text)["tasks"]]
    assert {task["head"] for task in tasks} == {head.value for head in Head}


def test_every_task_is_trained_and_scored_as_it_is_written(done: tuple[Place, Done]) -> None:
    place, run = done
    assert run.status == 0, run.err + run.out
    scored = {(row["target"], row["language"]) for row in rows(place, "results.csv") if row["metric"] == "score"}
    assert scored == {
        *itertools.product(["reviews", "reviews-few"], ["en", "de", "sw"]),
        *itertools.product(["paraphrases", "manuals", "endings", "parts"], ["en", "de"]),
        *itertools.product(["subtitles"], ["de", "sw"]),
    }


def test_languages_with_labelled_data_are_not_zero_shot(done: tuple[Place, Done]) -> None:
    place, run = done
    assert run.status == 0, run.err
    seen: dict[tuple[str, str], set[str]] = {}
    for row in rows(place, "results.csv"):
        if row["zero_shot"] == "false":
            seen.setdefault((row["curriculum"], row["target"]), set()).add(row["language"])
    assert seen["baseline", "reviews"] == {"en"}
    assert seen["text", "reviews"] == {"en"}  # masked text has no labels
    assert seen["german", "reviews"] == {"en", "de"}
    assert seen["baseline", "reviews-few"] == {"en", "sw"}
    assert seen["german", "reviews-few"] == {"en", "de", "sw"}
    assert seen["baseline", "paraphrases"] == {"en", "de"}
    assert ("baseline", "subtitles") not in seen  # no training, so every language is zero-shot
    assert seen["german", "subtitles"] == {"de"}
    summary = {(row["curriculum"], row["target"]): row for row in rows(place, "summary.csv")}
    assert summary["german", "reviews"]["not_zero_shot"] == "en de"
    report = (place.folder / "results" / "own" / "report.html").read_text(encoding="utf-8")
    assert "Not every language is zero-shot." in report
    assert "†" in report


def test_the_provenance_of_translations_is_said(done: tuple[Place, Done]) -> None:
    place, _ = done
    plan = place.stilts("plan", "study.yaml", "--json").out
    assert "reviews: provenance of its training data in other languages: de: human-translation (ours)." in plan
    assert "paraphrases: provenance of its training data in other languages: de: not stated." in plan


def test_masked_text_in_a_mix_goes_on_with_the_encoders_own_head(done: tuple[Place, Done]) -> None:
    place, _ = done
    found = [json.loads(path.read_text(encoding="utf-8"))["metrics"] for path in place.manifests().values()]
    masked = [metrics for metrics in found if "masked_head" in metrics]
    assert [(metrics["tasks"], metrics["masked_head"]) for metrics in masked] == [(["reviews", "letters"], "own")]
