from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from fake_study import entry, make_manifests, make_plan, manifest, realistic

from stilts_core.analysis.collect import collect, files, gather
from stilts_core.analysis.rows import language_results, natural
from stilts_core.errors import StorageError
from stilts_core.planning.plan import Cell, Plan
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import Manifest, manifest_key

NAMES = {
    "results.csv",
    "results.parquet",
    "summary.csv",
    "tables/languages.csv",
    "tables/states.csv",
    "tables/missing.csv",
    "tables/gains.csv",
    "tables/best.csv",
    "tables/claims.csv",
    "tables/reference.csv",
    "tables/wrong_runs.csv",
    "report.html",
    "references.bib",
}


def records(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def put(store: FolderStore, manifests: dict[str, Manifest]) -> None:
    for name, one in manifests.items():
        store.put(manifest_key(name), one.model_dump_json().encode())


def constant(cell: Cell, language: str) -> dict[str, object]:
    return entry(60.0)


def test_rows_follow_the_study(tmp_path: Path) -> None:
    plan = make_plan(targets={"xnli": ("en", "de"), "tatoeba": ("fi",)})
    store = FolderStore(tmp_path)
    put(store, make_manifests(plan, constant))
    made = collect(store, plan)
    assert made.keys() == NAMES
    rows = records(made["results.csv"])
    score = [(r["curriculum"], r["target"], r["seed"], r["language"]) for r in rows if r["metric"] == "score"]
    assert score == [
        (cell.curriculum, cell.target, str(cell.seed), code) for cell in plan.cells for code in cell.languages
    ]
    assert [r["metric"] for r in rows[:5]] == ["score", "accuracy", "chance", "at_chance", "degenerate"]
    assert {(r["study"], r["arm"], r["protocol"], r["split"]) for r in rows[:5]} == {
        ("fake", "tiny/baseline", "xtreme-2020", "test")
    }
    assert made["tables/missing.csv"].count(b"\n") == 1


def test_nothing_committed_is_a_report_of_gaps(tmp_path: Path) -> None:
    plan = make_plan()
    made = collect(FolderStore(tmp_path), plan)
    assert records(made["results.csv"]) == []
    assert len(records(made["tables/missing.csv"])) == len(plan.cells)
    assert "Nothing has been measured yet" in made["report.html"].decode()
    assert {r["mean"] for r in records(made["summary.csv"])} == {""}


@pytest.mark.parametrize("seed", range(5))
def test_any_part_of_the_stages_gives_tables_and_names_the_rest(seed: int) -> None:
    plan, manifests = realistic(seeds=(0, 1))
    kept = {name: one for name, one in manifests.items() if random.Random(name + str(seed)).random() < 0.5}
    found = gather(plan, kept)
    missing = {(g.encoder, g.curriculum, g.target, g.seed) for g in found.gaps}
    assert missing == {(c.encoder, c.curriculum, c.target, c.seed) for c in plan.cells if c.fingerprint not in kept}
    assert files(found).keys() == NAMES


def test_tables_do_not_depend_on_how_or_in_which_order_stages_ran() -> None:
    plan, manifests = realistic(seeds=(0, 1))
    other = {
        name: one.model_copy(update={"run": {"seconds": 9.0, "host": "node-z"}})
        for name, one in reversed(manifests.items())
    }
    first, second = files(gather(plan, manifests)), files(gather(plan, other))
    assert {name for name in NAMES if first[name] != second[name]} == {"report.html"}
    assert files(gather(plan, manifests)) == first


def test_a_plan_that_went_through_json_gives_the_same_bytes() -> None:
    plan, manifests = realistic(seeds=(0, 1))
    again = Plan.model_validate_json(plan.model_dump_json())
    assert files(gather(again, manifests)) == files(gather(plan, manifests))


def test_a_gap_says_what_it_waits_for() -> None:
    plan = make_plan(seeds=(0,))
    of_baseline, of_mnli = plan.cells
    assert [gap.reason for gap in gather(plan, {}).gaps] == [
        "Waits for train xnli, seed 0, which has not committed yet.",
        "Waits for train mnli, seed 0, which has not committed yet.",
    ]
    trained = {s.fingerprint: manifest(s, {}) for s in plan.stages if s.kind.value == "train"}
    assert {gap.reason for gap in gather(plan, trained).gaps} == {"Its evaluation has not committed yet."}
    parent = {s.label: s.fingerprint for s in plan.stages}["train mnli, seed 0"]
    given = {parent: "failed: out of memory", of_baseline.fingerprint: "queued"}
    assert [gap.reason for gap in gather(plan, {}, given).gaps] == [
        "queued",
        "train mnli, seed 0: failed: out of memory",
    ]
    assert of_mnli.fingerprint not in given


@pytest.mark.parametrize(
    "metrics",
    [{}, {"languages": []}, {"languages": {"en": 3}}, {"languages": {"en": {"score": "high"}, "de": {"score": True}}}],
)
def test_metrics_of_another_shape_are_a_gap(metrics: dict[str, object]) -> None:
    plan = make_plan(seeds=(0,))
    stage = next(s for s in plan.stages if s.fingerprint == plan.cells[0].fingerprint)
    found = gather(plan, {stage.fingerprint: manifest(stage, metrics)})
    assert found.rows == ()
    assert found.gaps[0].reason == "Its evaluation has committed without a score for this."
    assert files(found).keys() == NAMES


def test_the_main_measure_stands_in_for_a_score() -> None:
    stage = make_plan().stages[-1]
    one = manifest(stage, {"metric": "f1", "languages": {"en": {"metrics": {"f1": 12.5, "em": 3}, "n": 7}}})
    result = language_results(one)["en"]
    assert (result.score, result.n, result.chance, result.at_chance) == (12.5, 7, None, None)


def test_a_damaged_manifest_is_said(tmp_path: Path) -> None:
    plan = make_plan()
    store = FolderStore(tmp_path)
    store.put(manifest_key(plan.stages[0].fingerprint), b"{")
    with pytest.raises(StorageError):
        collect(store, plan)


def test_numbers_within_names_are_sorted_as_numbers() -> None:
    assert sorted(["s@10", "s@2", "f1", "em"], key=natural) == ["em", "f1", "s@2", "s@10"]


def test_hidden_states_are_averaged_over_languages() -> None:
    plan = make_plan(targets={"tatoeba": ("de", "fi")}, curricula=("baseline", "mnli"))
    level = {"de": 10.0, "fi": 20.0}

    def score(cell: Cell, language: str) -> dict[str, object]:
        value = level[language] + cell.seed * (cell.curriculum == "mnli")
        return entry(value, metrics={"accuracy": value, "accuracy@state00": value - 5, "accuracy@state01": value})

    made = records(files(gather(plan, make_manifests(plan, score)))["tables/states.csv"])
    assert [(r["curriculum"], r["state"], r["mean"], r["runs"]) for r in made] == [
        ("baseline", "0", "10.0", "1"),
        ("baseline", "1", "15.0", "1"),
        ("mnli", "0", "10.5", "2"),
        ("mnli", "1", "15.5", "2"),
    ]
