"""The studies in jobs/: each plans without data, and its comment says what the plan prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stilts_core.cli.main import main
from stilts_core.planning.load import load_plan
from stilts_core.planning.offline import NOTE
from stilts_core.planning.sharing import trainings

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.yaml"))
SENTENCE = re.compile(
    r"[\d,]+ trainings?: [\d,]+ intermediate, [\d,]+ on targets; [\d,]+ if every result were made from the "
    r"beginning\."
)


def comment_of(path: Path) -> str:
    lines = [line[1:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    return " ".join(" ".join(lines).split())


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no data, no store
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_its_comment_has_the_counts_that_the_plan_prints(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["plan", str(path), "--no-data"]) == 0
    printed = SENTENCE.findall(" ".join(capsys.readouterr().out.split()))
    assert len(printed) == 1
    assert SENTENCE.findall(comment_of(path)) == printed
    assert not list(tmp_path.iterdir())  # nothing was looked up, made or kept


def test_the_paper_has_its_arms_targets_and_counts() -> None:
    whole = load_plan(next(path for path in JOBS if path.stem == "phang2020"), no_data=True)
    spec = whole.study.spec
    assert [curriculum.name for curriculum in spec.curricula[:11]] == [
        *("baseline", "anli_plus", "mnli", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg", "cosmosqa"),
        *("commonsenseqa", "all-nine"),
    ]
    languages = {cell.target: len(cell.languages) for cell in whole.plan.cells}
    assert sum(languages.values()) == 162
    assert NOTE in whole.plan.notes
    # Reference figures: 11 arms in 5 seeds are 50 intermediate trainings and 330 on targets.
    eleven = spec.model_copy(update={"curricula": spec.curricula[:11]})
    from stilts_core.catalog.load import load_catalogue
    from stilts_core.planning.expand import make_plan
    from stilts_core.planning.offline import CatalogueFiles

    catalogue = load_catalogue()
    study = whole.study.model_copy(update={"spec": eleven})
    found = trainings(make_plan(study, catalogue, CatalogueFiles(catalogue), whole.encoders))
    assert (found.intermediate, found.target) == (50, 330)


def test_translated_languages_are_not_zero_shot_and_it_is_said() -> None:
    plan = load_plan(next(path for path in JOBS if path.stem == "phang2020"), no_data=True).plan
    said = [note for note in plan.notes if note.startswith("mnli-translated: ")]
    assert len(said) > 0
    assert "de, ru, sw" in said[0]
    marked = {cell.curriculum for cell in plan.cells if set(cell.labelled) - {"en"}}
    assert marked == {"mnli-translated", "squad-translated", "hellaswag-translated"}
    text = {cell.curriculum: len(cell.unlabelled) for cell in plan.cells if cell.unlabelled}
    assert text == {"mnli-mlm": 40, "squad-mlm": 40, "hellaswag-mlm": 40}


def test_the_benchmark_decides_the_languages() -> None:
    plan = load_plan(next(path for path in JOBS if path.stem == "xtreme-r"), no_data=True).plan
    languages = {cell.target: len(cell.languages) for cell in plan.cells}
    assert languages == {
        "xnli": 15,
        "xcopa": 11,
        "udpos": 38,
        "panx": 48,
        "xquad": 12,
        "mlqa": 7,
        "tydiqa": 9,
        "tatoeba": 41,
        "lareqa": 11,
        "mewslix": 11,
    }
