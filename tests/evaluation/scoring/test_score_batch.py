import json
import subprocess
import sys
from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.evaluation.scoring import batch
from stilts_core.evaluation.scoring.batch import score_lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gold.tsv").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "guess.tsv").write_text("a\nb\nx\n", encoding="utf-8")
    (tmp_path / "short.tsv").write_text("a\n", encoding="utf-8")
    return tmp_path


def request(**changes) -> str:
    return json.dumps(
        {"id": 1, "task": "xnli", "language": "sw", "gold": "gold.tsv", "predictions": "guess.tsv", **changes}
    )


def test_order_is_kept_and_a_bad_line_stops_nothing(folder):
    lines = [
        request(id="first"),
        "no JSON",
        "",
        request(id="short", predictions="short.tsv"),
        "[1]",
        request(id=None, predictions=str(folder / "guess.tsv")),
        request(id={"any": "value"}, task="nothing"),
        request(id="é\ud800"),
    ]
    answers = [json.loads(answer.line()) for answer in score_lines(lines, folder)]
    right = {"score": 2 / 3 * 100, "accuracy": 2 / 3 * 100}
    assert [answer["id"] for answer in answers] == ["first", None, "short", None, None, {"any": "value"}, "é\ud800"]
    assert [answer.get("metrics") for answer in answers] == [right, None, None, None, right, None, right]
    assert answers[2] == {"id": "short", "error": "1 predictions for 3 gold labels: the numbers must be equal."}
    assert answers[1]["error"].startswith("Line 2 is no JSON")
    assert all(("error" in answer) != ("metrics" in answer) for answer in answers)


def test_a_defect_costs_its_own_line_only(folder, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(batch, "read_request", broken)
    answers = list(score_lines([request(), request()], folder))
    assert [answer.error for answer in answers] == ["Unexpected ZeroDivisionError: oh. This is a defect of stilts."] * 2


def test_the_command_reads_paths_beside_the_batch(folder, capsys):
    (folder / "batch.jsonl").write_bytes((request() + "\r\n" + request(id=2, task="tatoeba")).encode() + b"\n\xff\n")
    assert main(["score", "--batch", str(folder / "batch.jsonl")]) == 0
    said = capsys.readouterr()
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2, None]
    assert answers[0]["metrics"]["accuracy"] == 2 / 3 * 100
    assert said.err == "1 of 3 lines could not be scored: their answers say why.\n"
    assert main(["score", "--batch", str(folder / "none.jsonl")]) == 66


def test_a_batch_may_come_through_a_pipe(folder):
    command = [sys.executable, "-c", "import stilts_core.cli.main as m; m.main(['score', '--batch', '-'])"]
    given = f"{request()}\n".encode() + b"\xff\n" + request(id=2).encode()
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, None, 2]


def test_one_file_in_words_and_as_json(folder, capsys):
    files = ["--gold", str(folder / "gold.tsv"), "--predictions", str(folder / "guess.tsv")]
    assert main(["score", "--task", "xnli", "--language", "sw", *files]) == 0
    assert capsys.readouterr().out == "score     66.66666666666666\naccuracy  66.66666666666666\n"
    assert main(["score", "--task", "xnli", *files, "--json", "--protocol", "jiant"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "task": "xnli",
        "language": None,
        "protocol": "jiant",
        "metrics": {"score": 66.66666666666666, "accuracy": 66.66666666666666},
    }


def test_scoring_labels_and_answers_imports_nothing_heavy(folder):
    script = (
        "import sys, stilts_core.cli.main as m; m.main(['score', '--batch', 'batch.jsonl']);"
        "heavy = {'torch', 'transformers', 'pyarrow', 'numpy', 'rich'} & set(sys.modules);"
        "sys.exit(' '.join(heavy) or 0)"
    )
    (folder / "gold.json").write_text("[]", encoding="utf-8")
    lines = [request(), request(task="mlqa", gold="gold.json", predictions="gold.json"), request(task="bucc")]
    (folder / "batch.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 64, "Say what to score"),
        (["--task", "xnli", "--batch", "b"], 64, "Say what to score"),
        (["--task", "xnli", "--gold", "g"], 64, "--predictions is missing"),
        (["--task", "xnli", "--gold", "gold.tsv", "--predictions", "short.tsv"], 65, "1 predictions for 3"),
        (["--task", "xnli", "--gold", "gold.tsv", "--predictions", "none"], 66, "There is no file none"),
        (["--submission", "."], 64, "--labels"),
        (["--submission", ".", "--labels", "none"], 66, "There is no folder none"),
        (["--submission", ".", "--labels", ".", "--benchmark", "glue"], 64, "xtreme"),
        (["--submission", ".", "--labels", "."], 66, "no folder of a task of xtreme in common"),
    ],
)
def test_errors_are_sentences_with_a_code(folder, monkeypatch, capsys, arguments, status, message):
    monkeypatch.chdir(folder)
    assert main(["score", *arguments]) == status
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
