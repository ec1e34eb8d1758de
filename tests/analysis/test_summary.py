from __future__ import annotations

import csv
import io
import math
import statistics

import pytest
from fake_study import Entry, entry, make_manifests, make_plan
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.analysis.collected import Collected, gather
from stilts_core.analysis.summary import ALL_TARGETS, Summary, to_csv
from stilts_core.planning.plan import Cell, Plan

Table = dict[tuple[str, str, int, str], float]

# (curriculum, target, seed, language) → score
SCORES: Table = {
    ("baseline", "xnli", 0, "en"): 70.0,
    ("baseline", "xnli", 0, "de"): 50.0,
    ("baseline", "xnli", 1, "en"): 72.0,
    ("baseline", "xnli", 1, "de"): 48.0,
    ("mnli", "xnli", 0, "en"): 74.0,
    ("mnli", "xnli", 0, "de"): 56.0,
    ("mnli", "xnli", 1, "en"): 72.0,
    ("mnli", "xnli", 1, "de"): 54.0,
    ("baseline", "tatoeba", 0, "de"): 20.0,
    ("baseline", "tatoeba", 1, "de"): 20.0,
    ("mnli", "tatoeba", 0, "de"): 26.0,
    ("mnli", "tatoeba", 1, "de"): 30.0,
}
TARGETS = {"xnli": ("en", "de"), "tatoeba": ("de",)}


def collected(scores: Table, plan: Plan | None = None, **more: object) -> Collected:
    plan = plan or make_plan(targets=TARGETS)

    def score(cell: Cell, language: str) -> Entry | None:
        value = scores.get((cell.curriculum, cell.target, cell.seed, language))
        return None if value is None else entry(value, **more)

    return gather(plan, make_manifests(plan, score))


def row(found: Collected, curriculum: str, target: str) -> Summary:
    return next(r for r in found.summary if (r.curriculum, r.target) == (curriculum, target))


def test_means_deviations_and_paired_gains_by_hand() -> None:
    found = collected(SCORES)
    base, mnli = row(found, "baseline", "xnli"), row(found, "mnli", "xnli")
    assert base.score.values == (60.0, 60.0)
    assert base.gain.values == ()
    assert mnli.score.values == (65.0, 63.0)
    assert (mnli.score.mean, mnli.score.sd) == (64.0, pytest.approx(math.sqrt(2)))
    assert mnli.gain.values == (5.0, 3.0)
    assert mnli.gain.same_sign
    assert mnli.english.values == (74.0, 72.0)
    assert mnli.others.values == (56.0, 54.0)
    assert mnli.transfer_gap.values == (18.0, 18.0)
    assert (mnli.languages, mnli.seeds, mnli.runs, mnli.missing, mnli.scores) == (2, 2, 2, 0, 4)


def test_seeds_that_share_a_run_count_once() -> None:
    base, mnli = (row(collected(SCORES), name, "tatoeba") for name in ("baseline", "mnli"))
    assert base.score.values == (20.0,)
    assert base.score.sd is None
    assert (base.runs, base.seeds, base.scores) == (1, 2, 1)
    assert "2 seeds share 1 run" in base.note
    assert mnli.gain.values == (6.0, 10.0)
    assert base.english.values == ()
    assert base.transfer_gap.values == ()


def test_the_mean_over_targets_is_taken_by_seed() -> None:
    mean = row(collected(SCORES), "mnli", ALL_TARGETS)
    assert mean.score.values == (45.5, 46.5)
    assert mean.gain.values == (5.5, 6.5)
    assert mean.languages is None


def test_a_missing_run_leaves_its_seed_out_of_every_pair() -> None:
    scores = {key: value for key, value in SCORES.items() if key[:3] != ("baseline", "xnli", 1)}
    found = collected(scores)
    base, mnli = row(found, "baseline", "xnli"), row(found, "mnli", "xnli")
    assert (base.runs, base.missing, base.note) == (1, 1, "1 of 2 seeds missing; one run: no spread")
    assert mnli.score.values == (65.0, 63.0)
    assert mnli.gain.values == (5.0,)
    assert row(found, "mnli", ALL_TARGETS).gain.values == (5.5,)


def test_the_mean_over_targets_says_why_it_is_empty() -> None:
    scores = {key: value for key, value in SCORES.items() if key[:2] != ("mnli", "xnli")}
    mean = row(collected(scores), "mnli", ALL_TARGETS)
    assert mean.score.values == ()
    assert mean.note == "empty: no seed has all targets; missing in xnli"


def test_a_run_without_one_language_is_no_mean() -> None:
    plan = make_plan()

    def score(cell: Cell, language: str) -> Entry:
        return entry(None if (cell.seed, language) == (1, "de") else 60.0, note="no gold")

    found = gather(plan, make_manifests(plan, score))
    base = row(found, "baseline", "xnli")
    assert (base.score.values, base.missing, base.scores) == ((60.0,), 1, 3)
    assert [(gap.seed, gap.languages, gap.reason) for gap in found.gaps] == [(1, ("de",), "no gold")] * 2


def test_without_a_baseline_there_is_no_gain() -> None:
    plan = make_plan(curricula=("mnli",))
    found = collected(SCORES, plan)
    assert row(found, "mnli", "xnli").gain.values == ()
    assert "the study has no baseline" in row(found, "mnli", "xnli").note


def test_runs_at_chance_and_degenerate_runs_are_counted() -> None:
    found = collected(dict.fromkeys(SCORES, 33.0), degenerate=True)
    base = row(found, "baseline", "xnli")
    assert (base.at_chance, base.degenerate, base.mostly_at_chance) == (4, 4, True)
    assert row(found, "baseline", "tatoeba").at_chance == 1


def test_the_csv_file_has_a_row_for_each_arm_and_target() -> None:
    found = collected(SCORES)
    records = list(csv.DictReader(io.StringIO(to_csv(found.scores, found.summary).decode())))
    assert [(r["curriculum"], r["target"]) for r in records] == [
        (c, t) for c in ("baseline", "mnli") for t in ("xnli", "tatoeba", ALL_TARGETS)
    ]
    mnli = records[3]
    assert (mnli["mean"], mnli["gain"], mnli["gain_sd"], mnli["pairs"]) == ("64.0", "4.0", repr(math.sqrt(2)), "2")
    assert (mnli["english"], mnli["non_english"], mnli["transfer_gap"]) == ("73.0", "55.0", "18.0")
    assert records[0]["gain"] == records[1]["sd"] == records[2]["languages"] == ""


@given(st.lists(st.lists(st.floats(0, 100), min_size=4, max_size=4), min_size=2, max_size=5))
def test_gains_are_the_differences_of_the_means(values: list[list[float]]) -> None:
    plan = make_plan(seeds=range(len(values)))
    keys = [("baseline", "en"), ("baseline", "de"), ("mnli", "en"), ("mnli", "de")]
    scores = {
        (curriculum, "xnli", seed, language): value
        for seed, of_seed in enumerate(values)
        for (curriculum, language), value in zip(keys, of_seed, strict=True)
    }
    gain = row(collected(scores, plan), "mnli", "xnli").gain
    expected = [statistics.fmean(v[2:]) - statistics.fmean(v[:2]) for v in values]
    assert gain.values == pytest.approx(expected, abs=1e-9)
    assert gain.sd == pytest.approx(statistics.stdev(expected), abs=1e-9)
