"""The files of the sample: what readers take, the same bytes every time, apart from each other, and not given away."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from stilts_core.catalog.models import Task
from stilts_core.data.readers import read
from stilts_core.data.root import overlay_for
from stilts_core.sample import VERSION
from stilts_core.sample.languages import GRAMMARS, LANGUAGES

DIGEST = ("4", "7627e865492f7dc6d3ae173a8707a1552e2e82f3669aff957ff4e619fbf16f51")
"""The version, and what `digest` gives for it: when a byte changes, the version is raised with it."""


def generated(folder: Path, hash_seed: str) -> Path:
    code = "import sys, pathlib, stilts_core.sample.generate as g; g.write_sample(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=environment)
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(tmp_path_factory.mktemp("sample"), "1")


@pytest.fixture(scope="session")
def tasks() -> dict[str, Task]:
    return {task.name: task for task in overlay_for("sample://")}


def digest(folder: Path) -> str:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    whole = sha256()
    for name in files:
        whole.update(f"{name} {sha256((folder / name).read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def test_the_same_bytes_in_every_process_and_a_new_version_with_new_bytes(sample: Path, tmp_path: Path) -> None:
    assert digest(sample) == digest(generated(tmp_path, "2"))
    assert (VERSION, digest(sample)) == DIGEST


def test_every_file_of_the_tasks_is_there_and_is_read(sample: Path, tasks: dict[str, Task]) -> None:
    listed = set()
    for task in tasks.values():
        for split in ("train", "dev", "test"):
            for source in getattr(task, split):
                for language in source.languages or task.languages:
                    path = source.path.format(lang=language)
                    pair = source.pair and source.pair.format(lang=language)
                    rows = read(
                        source.format,
                        sample / path,
                        pair=pair and sample / pair,
                        labels=task.labels,
                        language=language,
                    )
                    listed |= {path, pair}
                    large = split == "train"
                    assert (len(rows) >= 600) if large else (100 <= len(rows) <= 150), path
    files = {path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file()}
    assert {name for name in files - listed if not name.startswith("parallel/")} == set()


def test_every_language_has_every_target(tasks: dict[str, Task]) -> None:
    assert all(set(tasks[name].languages) == set(LANGUAGES) for name in ("xnli", "udpos", "xquad", "mlm"))
    assert set(tasks["tatoeba"].languages) == set(LANGUAGES) - {"en"}
    assert all("sample" in task.title and task.licence == "generated, Apache-2.0" for task in tasks.values())


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.findall(r"[^.?؟。？।]+[.?؟。？।]", text)]


def questions(path: Path) -> tuple[set[str], set[str], list[tuple[str, str, int]]]:
    """Contexts' sentences, questions, and (context, answer, start)."""
    told, asked, answers = set(), set(), []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            told |= set(sentences(paragraph["context"]))
            for entry in paragraph["qas"]:
                asked.add(entry["question"])
                answers += [(paragraph["context"], a["text"], a["answer_start"]) for a in entry["answers"]]
    return told, asked, answers


@pytest.mark.parametrize("language", LANGUAGES)
def test_parallel_files_have_equal_rows_and_texts_hold_no_evaluation_sentence(sample: Path, language: str) -> None:
    pairs = [line.split("\t") for line in lines(sample / f"xnli/test-{language}.tsv")]
    english = [line.split("\t") for line in lines(sample / "xnli/test-en.tsv")]
    assert [row[2] for row in pairs] == [row[2] for row in english]
    blank = " " if GRAMMARS[language].style.spaces else ""
    evaluated = {text for row in pairs for text in row[:2]}
    told, asked, _ = questions(sample / f"xquad/xquad.{language}.json")
    evaluated |= told | asked
    words = [line.split("\t")[0] for line in lines(sample / f"udpos/test-{language}.tsv")]
    tagged = {re.sub(r" (?=[.?؟।])|(?<=¿) ", "", s) for s in blank.join(w or "\n" for w in words).split("\n")}
    evaluated |= {text.strip() for text in tagged if text.strip()}
    texts = [s for line in lines(sample / f"text/{language}.txt") for s in sentences(line)]
    assert len(texts) == 2000
    if language != "en":
        retrieved = lines(sample / f"tatoeba/{language}-en.{language}")
        assert len(set(retrieved)) == len(retrieved) == len(lines(sample / f"tatoeba/{language}-en.en"))
        evaluated |= set(retrieved)
        foreign = lines(sample / f"parallel/{language}-en.{language}")
        assert len(foreign) == len(lines(sample / f"parallel/{language}-en.en")) == 2000
        texts += foreign
    assert not evaluated & set(texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_stand_where_they_are_said_to(sample: Path, language: str) -> None:
    _, asked, answers = questions(sample / f"xquad/xquad.{language}.json")
    assert len(answers) == 150
    assert len(asked) > 130
    assert all(context[start : start + len(text)] == text for context, text, start in answers)
    assert len({start for _, _, start in answers}) > 30


def test_a_third_of_the_second_squad_has_no_answer(sample: Path) -> None:
    document = json.loads((sample / "squad_v2/train-v2.0.json").read_text(encoding="utf-8"))
    flags = [q["is_impossible"] for a in document["data"] for p in a["paragraphs"] for q in p["qas"]]
    assert 0.2 < sum(flags) / len(flags) < 0.4


def test_endings_are_where_chance_put_them(sample: Path) -> None:
    rows = [json.loads(line) for line in lines(sample / "hellaswag/hellaswag_train.jsonl")]
    assert all(len(set(row["endings"])) == 4 for row in rows)
    assert all(400 < count < 600 for count in Counter(row["label"] for row in rows).values())


def nli(path: Path) -> list[tuple[str, str, str]]:
    rows = map(json.loads, lines(path))
    return [(row["sentence1"], row["sentence2"], row["gold_label"]) for row in rows]


def naive_bayes(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> float:
    """Accuracy of a bag of words and word pairs."""

    def features(text: str) -> set[str]:
        words = text.lower().rstrip(".").split()
        return {*words, *map("_".join, pairwise(words))}

    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, label in train:
        counts[label].update(features(text))
    known = set().union(*counts.values())

    def score(label: str, text: str) -> float:
        total = sum(counts[label].values()) + len(known)
        return sum(math.log((counts[label][word] + 1) / total) for word in features(text) & known)

    return sum(max(counts, key=lambda each: score(each, text)) == label for text, label in test) / len(test)


def test_neither_side_of_an_inference_pair_tells_its_label(sample: Path) -> None:
    train = nli(sample / "mnli/multinli_1.0_train.jsonl")
    test = nli(sample / "mnli/multinli_1.0_dev_matched.jsonl")
    for split in ("dev", "test"):
        rows = (line.split("\t") for line in lines(sample / f"xnli/{split}-en.tsv"))
        test += [(premise, said, label) for premise, said, label in rows]
    assert Counter(label for _, _, label in train) == dict.fromkeys(("entailment", "neutral", "contradiction"), 800)
    for side in (0, 1):
        accuracy = naive_bayes([(row[side], row[2]) for row in train], [(row[side], row[2]) for row in test])
        assert accuracy < 0.45
    assert not {row[0] for row in train} & {row[0] for row in test}
