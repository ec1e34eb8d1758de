import json
from pathlib import Path

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.cli.main import main
from stilts_core.errors import MissingInputError
from stilts_core.evaluation.aggregate import aggregate_benchmark
from stilts_core.evaluation.benchmarks import BENCHMARKS, Entry
from stilts_core.evaluation.scoring.submission import score_submission

TEXTS = {
    "panx": ("B-PER\nI-PER\n\n", "B-PER\nO\n\n"),
    "udpos": ("NOUN\nVERB\n\n", "NOUN\nNOUN\n\n"),
    "bucc": ("de-1\ten-1\n", "de-1\ten-1\nde-2\ten-2\n"),
    "xcopa": ('{"label": 1}\n{"label": 0}\n', '{"label": 1}\n{"label": 1}\n'),
    "mewslix": ('{"m": ["Q1"]}', '{"m": ["Q2", "Q1"]}'),
}
QUESTION = {"id": "q", "answers": [{"text": "red fox", "answer_start": 0}]}
SQUAD = (json.dumps({"data": [{"paragraphs": [{"qas": [QUESTION]}]}]}), '{"q": "fox"}')
LABELS = ("a\nb\nc\n", "a\nb\nx\n")


def write(folder: Path, entry: Entry, languages: tuple[str, ...]) -> None:
    gold, predicted = SQUAD if entry.task in ("xquad", "mlqa", "tydiqa") else TEXTS.get(entry.task, LABELS)
    for number, language in enumerate(languages):
        for side, text in (("labels", gold), ("predictions", predicted if number % 3 else gold_as_answer(entry, gold))):
            path = folder / side / entry.file(language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def gold_as_answer(entry: Entry, gold: str) -> str:
    return '{"q": "red fox"}' if entry.suffix == ".json" and entry.task != "mewslix" else gold


@pytest.fixture
def submission(tmp_path):
    def make(name: str, without: tuple[str, ...] = ()) -> Path:
        for entry in BENCHMARKS[name].entries.values():
            if entry.task not in without:
                write(tmp_path, entry, entry.languages)
        return tmp_path

    return make


def scored(folder: Path, name: str, **options):
    return score_submission(folder / "predictions", folder / "labels", name, **options)


def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def test_xtreme_whole(submission):
    result = scored(submission("xtreme"), "xtreme")
    found = result.document()
    panx = [found["panx"]["f1"][code] for code in BENCHMARKS["xtreme"].entries["panx"].languages]
    assert found["panx"]["avg_f1"] == found["panx"]["avg_metric"] == mean(panx)
    assert list(found["panx"]["f1"])[:4] == ["ar", "he", "vi", "id"]
    mlqa = found["mlqa"]
    assert mlqa["avg_metric"] == (mlqa["avg_exact_match"] + mlqa["avg_f1"]) / 2
    assert found["qa"] == mean([found[task]["avg_metric"] for task in ("xquad", "mlqa", "tydiqa")])
    tasks = ["pawsx", "xnli", "panx", "udpos", "bucc2018", "tatoeba", "xquad", "mlqa", "tydiqa"]
    assert found["all_task"] == mean([found[task]["avg_metric"] for task in tasks])
    assert found["refused"] == {}
    assert not result.notes


def test_a_missing_task_is_named_and_takes_its_group_and_the_overall_score(submission):
    result = scored(submission("xtreme", without=("bucc", "mlqa")), "xtreme")
    assert result.benchmark.overall is None
    assert set(result.benchmark.groups) == {"classification", "tagging"}
    assert result.benchmark.refused == {
        "overall": "No overall score: bucc, mlqa are missing.",
        "qa": "No score for qa: mlqa is missing.",
        "retrieval": "No score for retrieval: bucc is missing.",
    }
    assert any(note.startswith("bucc2018 is not scored") for note in result.notes)


def test_missing_languages_are_named_and_refused(submission):
    folder = submission("xtreme")
    (folder / "predictions/xnli/test-sw.tsv").unlink()
    (folder / "labels/pawsx/test-de.tsv").unlink()
    with pytest.raises(MissingInputError, match=r"labels/pawsx/test-de\.tsv, .*predictions/xnli/test-sw\.tsv"):
        scored(folder, "xtreme")
    result = scored(folder, "xtreme", partial=True)
    assert result.tasks["xnli"].missing == ("sw",)
    assert "avg_metric" not in result.document()["xnli"]
    assert len(result.tasks["xnli"].languages) == 14
    assert "No overall score: pawsx, xnli are missing." in result.benchmark.refused["overall"]


def test_xtreme_r_never_has_an_overall_score(submission):
    folder = submission("xtreme-r")
    (folder / "predictions/lareqa").mkdir()
    (folder / "labels/lareqa").mkdir()
    result = scored(folder, "xtreme-r")
    assert result.benchmark.refused == {
        "overall": "No overall score: the program of xtreme-r lists lareqa without languages."
    }
    groups = result.benchmark.groups
    assert set(groups) == {"classification", "tagging", "qa", "retrieval", "multi_choice"}
    found = result.document()
    assert groups["multi_choice"] == found["xcopa"]["avg_accuracy"]
    assert groups["classification"] == mean([found["xnli"]["avg_metric"], found["xcopa"]["avg_metric"]])
    assert found["mewslix"]["avg_metric"] == found["mewslix"]["avg_map@20"]
    assert found["lareqa"] == {}


def test_the_command(submission, capsys):
    folder = submission("xtreme-r", without=("mewslix",))
    arguments = ["score", "--submission", f"{folder}/predictions", "--labels", f"{folder}/labels"]
    assert main([*arguments, "--benchmark", "xtreme-r"]) == 0
    said = capsys.readouterr()
    assert "tagging  " in said.out
    assert "No overall score: mewslix is missing; the program of xtreme-r lists lareqa without languages." in said.out
    assert main([*arguments, "--benchmark", "xtreme-r", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["xcopa"]["avg_metric"] > 50
    assert main([*arguments, "--benchmark", "xtreme"]) == 0
    assert "pawsx is not scored" in capsys.readouterr().err


def test_sums_run_in_the_order_of_the_benchmark():
    xtreme = BENCHMARKS["xtreme"]
    scores = dict(zip(xtreme.entries, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], strict=True))
    assert aggregate_benchmark(xtreme, dict(reversed(scores.items()))).overall == mean(list(scores.values()))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_catalogue_lists_the_same_languages(name):
    """The order is the program's here, and alphabetical there."""
    tasks = load_catalogue().tasks
    for entry in BENCHMARKS[name].entries.values():
        if entry.task in tasks and entry.languages:
            assert set(tasks[entry.task].benchmarks[name]) == set(entry.languages), entry.task
    counts = {entry.task: len(entry.languages) for entry in BENCHMARKS[name].entries.values()}
    assert counts["udpos"] == {"xtreme": 33, "xtreme-r": 38}[name]
    assert counts["panx"] == {"xtreme": 40, "xtreme-r": 48}[name]
    assert counts["tatoeba"] == {"xtreme": 36, "xtreme-r": 41}[name]
