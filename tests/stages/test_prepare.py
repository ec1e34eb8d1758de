"""The prepare stage on small files of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset
from stilts_core.errors import DataError, MissingInputError, SpecError, StoppedError
from stilts_core.planning.params import EncoderSource, Params, TaskParams, TextParams, TokenizerParams
from stilts_core.planning.plan import KIND_VERSIONS, DataFile, Stage, StageKind
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.prepare import prepare

NUMBERS = {
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "fi": ["nolla", "yksi", "kaksi", "kolme", "neljä", "viisi", "kuusi", "seitsemän", "kahdeksan", "yhdeksän"],
    "zh": list("零一二三四五六七八九"),
}
JOIN = {"zh": ""}
Run = Callable[..., tuple[dict[str, Any], Path]]


def sentence(language: str, row: int, words: int = 5) -> str:
    return JOIN.get(language, " ").join(NUMBERS[language][(row * 7 + place * place) % 10] for place in range(words))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with forty rows in four languages, in the layouts of the real sets."""
    root = tmp_path_factory.mktemp("root")
    for language in NUMBERS:
        rows = [(sentence(language, i), sentence(language, i + 3, 3)) for i in range(40)]
        labels = ["same" if i % 2 else "other" for i in range(40)]
        (root / f"pairs-{language}.tsv").write_text(
            "".join(f"{a}\t{b}\t{label}\n" for (a, b), label in zip(rows, labels, strict=True))
        )
        (root / f"bare-{language}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
        (root / f"tags-{language}.tsv").write_text(
            "".join("".join(f"{word}\tNUM\n" for word in a.split()) + "\n" for a, _ in rows)
        )
        (root / f"lines.{language}").write_text("".join(f"{i} {a}\n" for i, (a, _) in enumerate(rows)))
        word = NUMBERS[language][3]
        context = JOIN.get(language, " ").join(NUMBERS[language] * 6)
        questions = [
            {"id": f"{language}{i}", "question": word, "answers": [{"text": word, "answer_start": context.index(word)}]}
            for i in range(5)
        ]
        document = {"data": [{"paragraphs": [{"context": context, "qas": questions}]}]}
        (root / f"squad-{language}.json").write_text(json.dumps(document))
    choice = {"ctx_a": "one two", "ctx_b": "three", "endings": ["four", "nine", "six", "two"], "label": 0}
    (root / "hellaswag.jsonl").write_text("".join(json.dumps(choice) + "\n" for _ in range(10)))
    return root


def file(role: str, path: str, kind: str, **more: Any) -> DataFile:
    return DataFile(role=role, path=path, format=kind, sha256="0" * 64, size=1, **more)


def task(head: str, **more: Any) -> TaskParams:
    settings: dict[str, Any] = {"purpose": "evaluate", "max_length": 32, "doc_stride": 4, "question_length": 8}
    return TaskParams(task="t", head=Head(head), **(settings | more))


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Run:
    def call(
        params: Params, files: list[DataFile], inputs: dict[str, Path] | None = None, **more: Any
    ) -> tuple[dict[str, Any], Path]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        stage = Stage(
            fingerprint="0" * 64,
            kind=StageKind.PREPARE,
            version=KIND_VERSIONS[StageKind.PREPARE],
            params=params,
            files=tuple(files),
        )
        data = {f.path: root / f.path for f in files if (root / f.path).exists()}
        context = StageContext(stage=stage, inputs=inputs or {}, data=data, out=out, **more)
        return prepare(context), out

    return call


TEXT = [
    *(file(f"text/0/{language}", f"pairs-{language}.tsv", "pairs-tsv", parallel=True) for language in NUMBERS),
    file("text/1/de", "lines.de", "parallel-lines", parallel=True),
    file("text/1/de/pair", "lines.en", "parallel-lines", parallel=True),
    file("text/2/en", "squad-en.json", "squad-json"),
]


@pytest.fixture(scope="module")
def tokenizer(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("tokenizer")
    stage = Stage(
        fingerprint="0" * 64,
        kind=StageKind.PREPARE,
        version=KIND_VERSIONS[StageKind.PREPARE],
        params=TokenizerParams(vocabulary=300, max_length=64),
        files=tuple(TEXT),
    )
    metrics = prepare(StageContext(stage=stage, inputs={}, data={f.path: root / f.path for f in TEXT}, out=out))
    assert metrics["vocabulary"] <= 300
    assert set(metrics["languages"]) == set(NUMBERS)
    return {"tokenizer": out}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_tokenizer_is_a_folder_for_transformers(tokenizer: dict[str, Path]) -> None:
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tokenizer["tokenizer"] / "tokenizer")
    assert loaded("one")["input_ids"][0] == 0
    assert [path.name for path in tokenizer["tokenizer"].iterdir()] == ["tokenizer"]


def test_text_is_blocks_by_language_and_groups_of_translations(run: Run, tokenizer: dict[str, Path]) -> None:
    metrics, out = run(TextParams(sequence_length=24), TEXT, tokenizer)
    text = Dataset.open(out / "text")
    assert text.head is Head.MLM
    assert [segment.language for segment in text.segments] == ["de", "en", "fi", "zh", "de", "en", "en"]
    assert text.lengths.max() <= 24
    assert metrics["text"]["tokens"] == len(text.ids)

    parallel = Dataset.open(out / "parallel")
    group = np.asarray(parallel.columns["group"])
    assert metrics["parallel"]["groups"] == len(set(group.tolist()))
    language = np.concatenate([[s.language] * (s.stop - s.start) for s in parallel.segments])
    for number in set(group.tolist()):
        members = language[group == number]
        assert len(members) > 1
        assert len(set(members)) == len(members)
    sizes = np.bincount(group)
    assert set(sizes.tolist()) == {2, 4}


def test_a_share_of_the_rows_is_disjoint_from_the_rest(run: Run, tokenizer: dict[str, Path]) -> None:
    ids = []
    for rows in ((0.0, 0.5), (0.5, 1.0)):
        files = [
            file(role, path, "parallel-lines", rows=rows)
            for role, path in (("test/de", "lines.de"), ("test/de/pair", "lines.en"))
        ]
        _, out = run(task("retrieval"), files, tokenizer)
        data = Dataset.open(out / "data")
        assert len(data.segments) == 1
        side = np.asarray(data.columns["side"])
        names = [example["id"] for example in data.examples]
        assert [n for n, s in zip(names, side, strict=True) if s] == [
            n for n, s in zip(names, side, strict=True) if not s
        ]
        ids.append(set(names))
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 40


def test_languages_are_segments_and_a_limit_takes_the_same_rows_of_each(run: Run, tokenizer: dict[str, Path]) -> None:
    files = [file(f"test/{language}", f"pairs-{language}.tsv", "pairs-tsv") for language in ("zh", "de", "fi")]
    metrics, out = run(task("classification", labels=("other", "same"), limit=7), files, tokenizer)
    data = Dataset.open(out / "data")
    assert [(s.split, s.language, s.stop - s.start) for s in data.segments] == [
        ("test", "zh", 7),
        ("test", "de", 7),
        ("test", "fi", 7),
    ]
    ids = [[example["id"] for example in data.examples[s.start : s.stop]] for s in data.segments]
    assert ids[0] == ids[1] == ids[2] == sorted(ids[0], key=int)
    assert metrics["files"]["test/zh"]["examples"] == 7
    assert metrics["languages"]["zh"]["tokens_per_word"] > metrics["languages"]["de"]["tokens_per_word"]


def test_a_training_limit_is_over_all_training_files_and_spares_the_development_set(
    run: Run, tokenizer: dict[str, Path]
) -> None:
    files = [
        file("train/en", "pairs-en.tsv", "pairs-tsv"),
        file("train/de", "pairs-de.tsv", "pairs-tsv"),
        file("dev/en", "pairs-en.tsv", "pairs-tsv"),
    ]
    _, out = run(task("classification", labels=("other", "same"), limit=30, purpose="train"), files, tokenizer)
    data = Dataset.open(out / "data")
    assert sum(s.stop - s.start for s in data.select("train")) == 30
    assert [s.stop - s.start for s in data.select("dev")] == [40]


@pytest.mark.parametrize(
    ("params", "files", "columns"),
    [
        (task("span"), [file("test/fi", "squad-fi.json", "squad-json")], {"start", "end", "char_start", "char_end"}),
        (task("tagging", labels=("NUM",)), [file("test/de", "tags-de.tsv", "tags-tsv")], {"label", "word"}),
        (task("choice"), [file("train/en", "hellaswag.jsonl", "hellaswag-jsonl")], {"label"}),
    ],
)
def test_every_head_gives_its_columns_and_the_same_bytes_again(
    run: Run, tokenizer: dict[str, Path], params: TaskParams, files: list[DataFile], columns: set[str]
) -> None:
    metrics, out = run(params, files, tokenizer)
    data = Dataset.open(out / "data")
    assert data.head is params.head
    assert set(data.columns) == columns
    assert len(data.examples) == metrics["examples"]
    again, second = run(params, files, tokenizer)
    assert again == metrics
    assert content(second) == content(out)
    json.dumps(metrics, allow_nan=False)


def test_progress_names_languages_and_a_stop_is_between_two_files(run: Run, tokenizer: dict[str, Path]) -> None:
    files = [file(f"test/{language}", f"pairs-{language}.tsv", "pairs-tsv") for language in ("de", "fi")]
    params = task("classification", labels=("other", "same"))
    seen: list[Progress] = []
    run(params, files, tokenizer, report=seen.append)
    assert {progress.activity for progress in seen} >= {"reading de", "tokenising fi"}
    with pytest.raises(StoppedError):
        run(params, files, tokenizer, report=seen.append, stop_requested=lambda: len(seen) > 0)


def test_withheld_labels_can_be_predicted_and_not_learned_from(run: Run, tokenizer: dict[str, Path]) -> None:
    files = [file("train/de", "bare-de.tsv", "pairs-tsv")]
    _, out = run(task("classification", labels=("other", "same")), files, tokenizer)
    assert set(Dataset.open(out / "data").columns["label"].tolist()) == {-1}
    with pytest.raises(DataError, match=r"bare-de\.tsv: record 0 has no label"):
        run(task("classification", labels=("other", "same"), purpose="train"), files, tokenizer)


def test_what_does_not_fit_is_said(run: Run, tokenizer: dict[str, Path], tmp_path: Path) -> None:
    pairs = [file("test/de", "pairs-de.tsv", "pairs-tsv")]
    with pytest.raises(SpecError, match="does not give examples of span"):
        run(task("span"), pairs, tokenizer)
    with pytest.raises(DataError, match=r"pairs-de.tsv:1: the label `other`"):
        run(task("classification", labels=("yes", "no")), pairs, tokenizer)
    with pytest.raises(SpecError, match="neither a tokenizer nor an encoder"):
        run(task("classification", labels=("other", "same")), pairs)
    with pytest.raises(MissingInputError, match=r"gone.tsv is not there"):
        run(task("classification"), [file("test/de", "gone.tsv", "pairs-tsv")], tokenizer)
    with pytest.raises(DataError, match="No row of the parallel text is there in two languages"):
        run(TextParams(sequence_length=16), TEXT[:1], tokenizer)
    with pytest.raises(SpecError, match="masked text"):
        run(task("mlm"), pairs, tokenizer)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text('{"model_type": "xlm-roberta"}')
    source = EncoderSource(location=str(bare), digest="0" * 64)
    with pytest.raises(MissingInputError, match="has no tokenizer"):
        run(task("classification", labels=("other", "same"), encoder=source), pairs)


def test_an_encoder_brings_its_tokenizer(run: Run, tokenizer: dict[str, Path]) -> None:
    files = [file("test/de", "pairs-de.tsv", "pairs-tsv")]
    folder = tokenizer["tokenizer"]
    source = EncoderSource(location=str(folder / "tokenizer"), digest="0" * 64)
    settings: dict[str, Any] = {"labels": ("other", "same")}
    _, expected = run(task("classification", **settings), files, tokenizer)
    _, located = run(task("classification", encoder=source, **settings), files)
    _, given = run(task("classification", **settings), files, {"encoder": folder / "tokenizer"})
    assert content(located) == content(given) == content(expected)
