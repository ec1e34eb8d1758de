"""Taking tasks from small copies of the hub's data sets, offline."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import hub_copies
import pytest

from stilts_core.catalog.hub import hub_sources
from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Source
from stilts_core.cli.main import main
from stilts_core.data.hub.pull import pull, target_of
from stilts_core.data.hub.writers import WRITABLE
from stilts_core.data.index import DigestMemory
from stilts_core.data.layout import formats
from stilts_core.data.readers import read
from stilts_core.errors import DataError, SpecError, StorageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MAPPED = [name for name, source in hub_sources().items() if source.files]
CATALOGUE = load_catalogue()


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries look at the variable once, when they are imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def languages_of(task: str) -> list[str]:
    """English where the hub has it, and another one."""
    codes = {
        language
        for file in hub_sources()[task].files
        for language in file.languages or (*CATALOGUE.task(task).languages, *CATALOGUE.task(task).extra_languages)
    }
    return sorted(codes, key=lambda code: (code != "en", code))[:2]


def copy_of(task: str, folder: Path) -> Path:
    """The hub's copy of a task in two languages."""
    source = hub_sources()[task]
    row, labels = hub_copies.COPIES[task]
    splits = {}
    for file in source.files:
        for language in languages_of(task):
            spoken = CATALOGUE.language(language)
            config = file.config.format(lang=language, iso3=spoken.iso3, name=spoken.name)
            splits[config, file.rows] = [row(n, file.rows) for n in range(hub_copies.ROWS)]
    return hub_copies.write_copy(folder, splits, labels)


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
@pytest.mark.parametrize("task", MAPPED)
def test_a_task_of_the_hub_becomes_files_that_our_readers_read(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, root = copy_of(task, tmp_path / "copy"), tmp_path / "data"
    codes = ",".join(languages_of(task))
    asked = ["data", "pull", task, "--out", str(root), "--from", str(copy), "--languages", codes]
    assert main([*asked, "--revision", COMMIT]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    known = CATALOGUE.task(task)
    made: dict[str, Any] = {}
    for note in root.glob("*/*.provenance.json"):
        made |= json.loads(note.read_text())["files"]
    assert made
    for path, entry in made.items():
        assert entry["hub"] == hub_sources()[task].hub
        assert entry["revision"] == COMMIT
        assert entry["sha256"] == DigestMemory(tmp_path / "none").digest(root / path).sha256
    assert not [path for path in root.rglob("*") if path.name.startswith(".")]

    assert main(["data", "check", str(root), task, "--strict", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    there = [file for file in found["files"] if file["paths"] and file["task"] == task]
    assert {path for file in there for path in (*file["paths"], file["pair"]) if path} == set(made)
    for file in there:
        assert file["state"] in ("present", "different")
        assert file["records"] == made[file["paths"][0]]["records"]
        records = read(
            file["format"],
            root / file["paths"][0],
            pair=root / file["pair"] if file["pair"] else None,
            labels=known.labels,
            language=file["language"],
        )
        assert len(records) == file["records"]
        assert all(getattr(record, "has_gold", True) for record in records)


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
def test_what_is_read_is_what_the_hub_has(tmp_path: Path) -> None:
    root = tmp_path / "data"

    def pulled(task: str, format: str, path: str, pair: str | None = None, language: str = "en") -> list[Any]:  # noqa: A002
        copy = copy_of(task, tmp_path / task)
        codes = ",".join(languages_of(task))
        assert (
            main(
                [
                    "data",
                    "pull",
                    task,
                    "--out",
                    str(root),
                    "--from",
                    str(copy),
                    "--languages",
                    codes,
                    "--revision",
                    COMMIT,
                ]
            )
            == 0
        )
        labels = CATALOGUE.task(task).labels
        return read(format, root / path, pair=root / pair if pair else None, labels=labels, language=language)

    first = pulled("xnli", "pairs-tsv", "xnli/train-en.tsv")[1]
    assert (first.text_a, first.text_b, first.label) == ('He said "number 1".', "Sentence 1 of train", "neutral")
    assert len(pulled("snli", "mnli-jsonl", "snli/snli_1.0_train.jsonl")) == hub_copies.ROWS - 1
    questions = pulled("squad_v2", "squad-json", "squad_v2/train-v2.0.json")
    assert [question.impossible for question in questions[:2]] == [False, True]
    english = pulled("tydiqa", "squad-json", "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json")
    assert {question.id.partition("-")[0] for question in english} == {"english"}
    assert all(question.context.startswith(text, start) for question in english for text, start in question.answers)
    sentence = pulled("udpos", "tags-tsv", "udpos/train-en.tsv")[3]
    assert (sentence.words, sentence.tags) == (("10000", "words", "_"), ("AUX", "ADJ", "ADP"))
    siqa = "siqa/socialiqa-train-dev"
    choice = pulled("socialiqa", "socialiqa-jsonl", f"{siqa}/train.jsonl", f"{siqa}/train-labels.lst")[1]
    assert (choice.choices[1], choice.label) == ("To swim.", 1)
    (code,) = [code for code in languages_of("tatoeba") if code != "en"][:1]
    iso3 = CATALOGUE.language(code).iso3
    names = f"tatoeba/v1/tatoeba.{iso3}-eng.{iso3}", f"tatoeba/v1/tatoeba.{iso3}-eng.eng"
    pair = pulled("tatoeba", "parallel-lines", *names)[7]
    assert (pair.source, pair.target) == ("Brücke 7", "Bridge 7")
    provenance = json.loads((root / "xnli/xnli.provenance.json").read_text())["files"]
    assert provenance["xnli/train-en.tsv"]["changed"] == hub_copies.ROWS  # each has a tab in it


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
def test_without_the_hub_a_pull_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pull", "xnli", "--out", str(tmp_path / "data"), "--languages", "sw"]) == 73
    said = capsys.readouterr().err
    assert "facebook/xnli" in said
    assert "--from" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
def test_a_copy_without_the_configuration_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = copy_of("xnli", tmp_path / "copy")
    asked = ["data", "pull", "xnli", "--out", str(tmp_path / "data"), "--from", str(copy), "--languages", "sw"]
    assert main(asked) == 73
    assert "configuration sw" in capsys.readouterr().err
    assert not list((tmp_path / "data").iterdir())


def test_without_the_library_a_pull_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["data", "pull", "xnli", "--out", str(tmp_path / "data")]) == 66
    assert "stilts[train]" in capsys.readouterr().err


class FakeHub:
    """Rows out of memory; a commit for every revision."""

    def __init__(self, rows: Callable[[str, str], Iterable[dict[str, Any]]]) -> None:
        self._rows = rows
        self.asked: list[tuple[str, str]] = []

    def resolve(self, hub: str, revision: str | None, pinned: str) -> str | None:
        self.asked.append((hub, revision or pinned))
        return COMMIT

    def rows(self, hub: str, config: str, split: str, commit: str | None) -> Iterable[dict[str, Any]]:
        return self._rows(config, split)


def nli(config: str, split: str) -> Iterable[dict[str, Any]]:
    return ({"premise": f"a {n}", "hypothesis": "b", "label": "neutral" if n else "entailment"} for n in range(30))


XNLI = CATALOGUE.task("xnli")


def test_the_pinned_commit_is_asked_for_and_what_it_means_recorded(tmp_path: Path) -> None:
    hub = FakeHub(nli)
    made = pull(CATALOGUE, XNLI, tmp_path, hub, languages=["en"])
    assert hub.asked == [("facebook/xnli", hub_sources()["xnli"].revision)]
    assert [file.path for file in made] == ["xnli/train-en.tsv", "xnli/dev-en.tsv", "xnli/test-en.tsv"]
    assert (made[0].records, made[0].expected) == (30, 392702)
    note = json.loads((tmp_path / "xnli/xnli.provenance.json").read_text())
    assert note["files"]["xnli/dev-en.tsv"]["revision"] == COMMIT


def test_a_second_pull_adds_to_the_record(tmp_path: Path) -> None:
    pull(CATALOGUE, XNLI, tmp_path, FakeHub(nli), languages=["en"])
    pull(CATALOGUE, XNLI, tmp_path, FakeHub(nli), languages=["sw"])
    note = json.loads((tmp_path / "xnli/xnli.provenance.json").read_text())
    assert len(note["files"]) == 5


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
def test_a_set_without_a_verified_commit_needs_a_revision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pull", "cosmosqa", "--out", str(tmp_path / "data")]) == 64
    assert "--revision" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.train
@pytest.mark.usefixtures("_no_hub")
@pytest.mark.parametrize(("name", "commit"), [("copy", None), (COMMIT, COMMIT)])
def test_of_a_folder_no_commit_is_made_up(name: str, commit: str | None, tmp_path: Path) -> None:
    copy = copy_of("copa", tmp_path / name)
    assert main(["data", "pull", "copa", "--out", str(tmp_path / "data"), "--from", str(copy)]) == 0
    files = json.loads((tmp_path / "data/copa/copa.provenance.json").read_text())["files"]
    assert {entry["revision"] for entry in files.values()} == {commit}


@pytest.mark.parametrize("task", [name for name in hub_sources() if name not in MAPPED and name in CATALOGUE.tasks])
def test_a_set_without_a_fit_copy_says_why(task: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not taken from the hub"):
        pull(CATALOGUE, CATALOGUE.task(task), tmp_path, FakeHub(nli))


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "xnli").mkdir()
    mine = tmp_path / "xnli/dev-sw.tsv"
    mine.write_text("mine\tmine\tneutral\n")
    with pytest.raises(SpecError, match="there already"):
        pull(CATALOGUE, XNLI, tmp_path, FakeHub(nli), languages=["sw"])
    assert [path.name for path in (tmp_path / "xnli").iterdir()] == ["dev-sw.tsv"]
    pull(CATALOGUE, XNLI, tmp_path, FakeHub(nli), languages=["sw"], force=True)
    assert len(mine.read_text().splitlines()) == 30


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        ({"premise": "a", "label": "neutral"}, DataError, "configuration sw, split test.*sentence2"),
        ({"premise": "a", "hypothesis": "b", "label": "maybe"}, DataError, "maybe"),
    ],
    ids=["a column is missing", "a strange label"],
)
def test_a_pull_that_fails_leaves_nothing(
    bad: dict[str, Any], error: type[Exception], says: str, tmp_path: Path
) -> None:
    def rows(config: str, split: str) -> Iterable[dict[str, Any]]:
        yield from nli(config, split)
        if split == "test":
            yield bad

    with pytest.raises(error, match=says):
        pull(CATALOGUE, XNLI, tmp_path, FakeHub(rows), languages=["sw"])
    assert not list(tmp_path.iterdir())


def test_a_hub_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def rows(config: str, split: str) -> Iterable[dict[str, Any]]:
        yield from nli(config, split)
        if split == "test":
            raise StorageError("the line is cut")

    with pytest.raises(StorageError):
        pull(CATALOGUE, XNLI, tmp_path, FakeHub(rows), languages=["sw"])
    assert not list(tmp_path.iterdir())


def test_an_answer_that_does_not_stand_in_its_context_is_refused(tmp_path: Path) -> None:
    def rows(config: str, split: str) -> Iterable[dict[str, Any]]:
        answers = {"text": ["elsewhere"], "answer_start": [0]}
        yield {"id": "7", "title": "t", "context": "here", "question": "where?", "answers": answers}

    with pytest.raises(DataError, match="Question 7"):
        pull(CATALOGUE, CATALOGUE.task("xquad"), tmp_path, FakeHub(rows), languages=["de"])


def test_a_language_that_the_hub_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not there in fi"):
        pull(CATALOGUE, XNLI, tmp_path, FakeHub(nli), languages=["fi"])


def test_the_lossy_copy_is_known_again_when_it_is_pulled(tmp_path: Path) -> None:
    def rows(config: str, split: str) -> Iterable[dict[str, Any]]:
        count = 1961 if (config, split) == ("es", "validation") else 2000
        return ({"sentence1": f"a {n}", "sentence2": "b", "label": str(n % 2)} for n in range(count))

    made = pull(CATALOGUE, CATALOGUE.task("pawsx"), tmp_path, FakeHub(rows), languages=["es"])
    assert [[quirk.name for quirk in file.quirks] for file in made] == [["pawsx-lossy"], []]


def test_every_mapping_fills_a_place_of_its_task_in_a_format_that_is_written() -> None:
    for name in MAPPED:
        task = CATALOGUE.task(name)
        for file in hub_sources()[name].files:
            assert target_of(task, file).format in WRITABLE
        assert name in hub_copies.COPIES


def test_every_task_is_on_the_hub_or_says_why_not() -> None:
    assert {task.name for task in CATALOGUE.tasks.values() if not task.parts} <= set(hub_sources())


def test_every_format_is_described() -> None:
    assert set(get_args(Source.model_fields["format"].annotation)) == set(formats())
