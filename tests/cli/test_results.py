from __future__ import annotations

import csv
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from fake_study import entry, manifest

from stilts_core.cli.main import main
from stilts_core.planning.load import plan_study
from stilts_core.planning.params import EvaluateParams
from stilts_core.planning.plan import Plan
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import manifest_key

STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: tiny, title: A title}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline, mnli]
  targets: [{task: xnli, languages: [en, de]}, {task: tatoeba, languages: [de]}]
  seeds: 2
  data: {root: data}
"""
PAIRS = ["mnli/train-en.tsv", "mnli/dev-en.tsv", "xnli/train-en.tsv", "xnli/dev-en.tsv"]
PAIRS += ["xnli/test-en.tsv", "xnli/test-de.tsv"]
SENTENCES = ["tatoeba/tatoeba.deu-eng.deu", "tatoeba/tatoeba.deu-eng.eng"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*PAIRS, *SENTENCES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("It rains.\tIt is wet.\tentailment\n" if name in PAIRS else "It rains.\n", encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path / "tiny.yaml"


def commit(plan: Plan, store: FolderStore, target: str) -> None:
    """Commit the evaluations of a target; mnli is 3 and 5 points above the baseline's 50."""
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for cell in plan.cells:
        stage = stages[cell.fingerprint]
        if cell.target == target and isinstance(stage.params, EvaluateParams):
            value = 50.0 + (3.0 + 2 * cell.seed) * (cell.curriculum == "mnli")
            languages = {code: entry(value) for code in cell.languages}
            one = manifest(stage, {"metric": stage.params.metric.value, "languages": languages})
            store.put(manifest_key(cell.fingerprint), one.model_dump_json().encode())


def test_results_of_what_has_committed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    assert main(["results", str(study), "--out", "made"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == [
        "gain, points        xnli  tatoeba  mean",
        "mnli          +4.0 ± 1.4        –     –",
        f"4 of 8 cells have all of their scores; what is missing and why: {Path('made/tables/missing.csv')}",
    ]
    assert all(Path(name).is_file() for name in shown[3:])
    with Path("made/summary.csv").open(encoding="utf-8", newline="") as lines:
        rows = {(row["curriculum"], row["target"]): row for row in csv.DictReader(lines)}
    assert rows["mnli", "xnli"]["gain"] == "4.0"
    missing = Path("made/tables/missing.csv").read_text(encoding="utf-8")
    assert missing.count("waiting: ") == 4


def test_results_lie_where_a_run_leaves_them(study: Path) -> None:
    assert main(["results", str(study), "--store", "elsewhere"]) == 0
    assert Path("results/tiny/results.csv").is_file()


def test_the_report_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    assert main(["report", str(study), "--out", "there/page.html"]) == 0
    assert capsys.readouterr().out == f"Report: {Path('there/page.html')}\n"
    assert {path.name for path in Path("there").iterdir()} == {"page.html", "references.bib"}
    assert "mnli gains most, +4.0 points" in Path("there/page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["results", "report"])
def test_tables_for_a_paper(study: Path, verb: str) -> None:
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    where = {"results": "there", "report": "there/page.html"}[verb]
    assert main([verb, str(study), "--format", "latex", "--out", where]) == 0
    assert "\\toprule" in Path("there/tables/means-1.tex").read_text(encoding="utf-8")
    assert not list(Path("there").rglob("*.md"))
    assert "@inproceedings{conneau-2018-xnli," in Path("there/references.bib").read_text(encoding="utf-8")
    assert main([verb, str(study), "--format", "word"]) == 64


def test_one_table_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    assert main(["results", str(study), "--only", "tables/gains.csv", "--out", "there"]) == 0
    assert [path.name for path in Path("there").rglob("*.*")] == ["gains.csv"]
    capsys.readouterr()
    assert main(["results", str(study), "--only", "tables/gain.csv"]) == 64
    assert "tables/gains.csv" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["results", "report"])
def test_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    last = capsys.readouterr().out.rpartition("Example: ")[2]
    assert last.startswith(f"stilts {verb} jobs/quickstart.yaml --out")


def test_a_place_that_cannot_be_written_is_one_sentence(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").write_text("", encoding="utf-8")
    assert main(["results", str(study), "--out", "taken"]) == 73
    said = capsys.readouterr().err
    assert "could not be written" in said
    assert "Traceback" not in said


TABLE = "curriculum,target,language,seed,value\n" + "".join(
    f"{arm},xnli,{code},{seed},{50 + gain + 0.1 * seed * gain}\n"
    for arm, gain in (("baseline", 0), ("vision", 4))
    for code in ("en", "de")
    for seed in range(3)
)


def test_a_table_from_another_system(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    Path("other.csv").write_text(TABLE, encoding="utf-8")
    same = ["results", "import", "other.csv", "--study", str(study), "--protocol", "corrected"]
    assert main(same) == 64
    assert "needs --source" in capsys.readouterr().err
    assert main([*same, "--source", "Their paper"]) == 0
    assert "Imported 12 rows as other beside tiny" in capsys.readouterr().out
    assert main(["report", str(study), "--out", "there/page.html"]) == 0
    page = Path("there/page.html").read_text(encoding="utf-8")
    assert "Their paper; other.csv, SHA-256" in page
    assert "[other, imported]" in page
    assert main(["results", "import", "--remove", "--name", "other", "--study", str(study)]) == 0
    assert main(["results", "import", "--help"]) == 0
    assert "stilts results import other.csv" in capsys.readouterr().out


def test_several_studies_are_one_report(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = study.with_name("second.yaml")
    second.write_text(STUDY.replace("name: tiny", "name: second"), encoding="utf-8")
    commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
    assert main(["report", str(study), str(second)]) == 0
    page = Path("results/tiny+second/report.html").read_text(encoding="utf-8")
    assert "What is joined" in page
    assert Path("results/tiny+second/joined/1/gains.csv").is_file()
    assert main(["report", str(study), str(second), "--only", "joined/1/languages.csv", "--out", "one/x.html"]) == 0
    assert [path.name for path in Path("one").rglob("*") if path.is_file()] == ["languages.csv"]
    assert Path("one/joined/1/languages.csv").read_bytes() == (
        Path("results/tiny+second/joined/1/languages.csv").read_bytes()
    )
    assert main(["report", str(study), str(study)]) == 64
    assert "the same name" in capsys.readouterr().err


def test_the_report_of_a_running_study_is_served_until_an_interrupt(study: Path) -> None:
    program = "import sys; from stilts_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-u", "-c", program, "report", str(study), "--serve"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout
        address = serving.stdout.readline().removeprefix("Report: ").split()[0]
        try:
            with urllib.request.urlopen(address) as answer:
                assert "Nothing has been measured yet" in answer.read().decode()
            commit(plan_study(study), FolderStore(study.parent / "store"), "xnli")
            with urllib.request.urlopen(f"{address}events") as events:
                while not (line := events.readline()).startswith(b"data: ") or int(line[6:]) < 2:
                    assert line
            with urllib.request.urlopen(address) as answer:
                assert "mnli gains most, +4.0 points" in answer.read().decode()
        finally:
            serving.send_signal(signal.SIGINT)
        assert serving.wait(60) == 0
    assert not Path("results").exists()
