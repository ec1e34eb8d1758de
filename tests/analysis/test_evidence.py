from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_study import entry, make_manifests, make_plan, realistic
from pydantic import ValidationError

from stilts_core.analysis.claims import Answer, Verdict
from stilts_core.analysis.collect import collect, files, gather, read
from stilts_core.analysis.collected import Collected
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.outcomes import outcomes_of
from stilts_core.analysis.selection import half_of
from stilts_core.analysis.statistics.sample import RunOutcomes, make_sample
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.catalog.published import Published, resolved, shipped
from stilts_core.errors import StorageError
from stilts_core.evaluation.outcomes import OutcomeTable
from stilts_core.model import digest
from stilts_core.planning.plan import Cell, Plan, StageKind
from stilts_core.spec.claims import Claim
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import FileRecord, Manifest, attempt_prefix, manifest_key

SEEDS = range(5)


def planted(
    gains: Mapping[str, Mapping[str, float]], claims: tuple[dict[str, Any], ...] = (), **options: Any
) -> Collected:
    """A study of 3 targets whose curricula have these gains; runs differ by 0.3 points, languages by 0.2."""
    targets = {"xnli": ("en", "de", "sw"), "tydiqa": ("en", "fi"), "tatoeba": ("de", "fi")}
    plan = make_plan(curricula=("baseline", *gains), targets=targets, seeds=SEEDS, **options)
    spec = plan.study["spec"]
    assert isinstance(spec, dict)
    plan = plan.model_copy(update={"study": {**plan.study, "spec": {**spec, "claims": list(claims)}}})

    def score(cell: Cell, code: str) -> dict[str, object]:
        random = np.random.default_rng([cell.seed, *cell.curriculum.encode(), *cell.target.encode()])
        noise = random.normal(0, 0.3) + np.random.default_rng([cell.seed, *code.encode()]).normal(0, 0.2)
        return entry(60 + gains.get(cell.curriculum, {}).get(cell.target, 0.0) + noise)

    return gather(plan, make_manifests(plan, score))


GAINS = {"mnli": {"xnli": 4.0, "tydiqa": 3.0, "tatoeba": 5.0}, "squad_v1": {"tydiqa": 6.0}}


def test_planted_gains_are_found_and_absent_ones_are_not() -> None:
    found = planted(GAINS).evidence
    shown = {(g.curriculum, g.target) for g in found.gains if g.shown}
    assert shown == {
        *(("mnli", target) for target in ("xnli", "tydiqa", "tatoeba", ALL_TARGETS)),
        *(("squad_v1", target) for target in ("tydiqa", ALL_TARGETS)),
    }
    assert {g.family for g in found.gains if g.target != ALL_TARGETS} == {6}
    assert {g.family for g in found.gains if g.target == ALL_TARGETS} == {2}
    gain = found.gain("tiny", "mnli", "xnli")
    assert gain is not None
    assert gain.interval.low < 4 < gain.interval.high
    assert gain.interval.basis == "seeds"
    assert gain.order is not None
    assert gain.order.dominant
    assert gain.error_reduction == pytest.approx(10, abs=2)


def test_the_best_curriculum_is_marked_where_the_same_scores_choose_and_report() -> None:
    best = {b.target: b for b in planted(GAINS).evidence.best}
    assert (best["tydiqa"].chosen, best["xnli"].chosen) == ("squad_v1", "mnli")
    assert all(b.optimistic and b.oracle_gap == 0 for b in best.values())


def verdict(found: Collected) -> Verdict:
    assert len(found.evidence.verdicts) == 1
    return found.evidence.verdicts[0]


@pytest.mark.parametrize(
    ("claim", "answer"),
    [
        ({"curricula": ["mnli"], "targets": ["xnli"]}, Answer.SUPPORTED),
        ({"curricula": ["mnli"], "targets": ["xnli"], "points": 8}, Answer.CONTRADICTED),
        ({"curricula": ["mnli"], "kind": "gain-about", "points": 4}, Answer.SUPPORTED),
        ({"curricula": ["mnli"], "kind": "gain-about", "points": 8.2}, Answer.CONTRADICTED),
        ({"curricula": ["squad_v1"], "targets": ["xnli"], "kind": "no-gain"}, Answer.SUPPORTED),
        ({"targets": ["xnli"], "kind": "no-gain", "of": "each"}, Answer.CONTRADICTED),
        ({"of": "each", "share": 0.6}, Answer.SUPPORTED),
        ({"of": "each"}, Answer.OPEN),
        ({"curricula": ["mnli"], "against": "squad_v1", "targets": ["xnli", "tatoeba"]}, Answer.SUPPORTED),
        ({"curricula": ["mnli"], "targets": ["xnli"], "kind": "gain", "points": 4.02}, Answer.OPEN),
    ],
    ids=str,
)
def test_claims_are_judged(claim: dict[str, Any], answer: Answer) -> None:
    one = verdict(planted(GAINS, ({"name": "it", "says": "It is so.", **claim},)))
    assert one.answer is answer
    assert bool(one.decides) == (answer is Answer.OPEN)


def test_a_claim_says_what_would_decide_it() -> None:
    seeds = verdict(planted(GAINS, ({"name": "it", "says": "So.", "curricula": ["mnli"], "points": 3.6},)))
    assert seeds.answer is Answer.SUPPORTED
    absent = verdict(planted(GAINS, ({"name": "it", "says": "So.", "curricula": ["qqp"]},)))
    assert absent.decides == "Runs that the study lacks: qqp on the mean of the targets."
    near = verdict(
        planted(GAINS, ({"name": "it", "says": "So.", "curricula": ["mnli"], "targets": ["xnli"], "points": 3.9},))
    )
    assert near.decides.startswith("About ")


def test_a_claim_must_fit_its_kind() -> None:
    for wrong in ({"kind": "no-gain", "points": 3.0}, {"kind": "gain-about"}, {"curricula": ["baseline"]}):
        with pytest.raises(ValidationError):
            Claim.model_validate({"name": "it", "says": "So.", **wrong})


def test_published_values_that_ship_name_their_source() -> None:
    for table in shipped().values():
        assert table.source
        assert all(row.values for row in table.rows)
    assert resolved(Published(name="xtreme-test")).rows == shipped()["xtreme-test"].rows
    own = Published.model_validate({"name": "mine", "rows": [{"curriculum": "baseline", "values": {"xnli": 1.0}}]})
    assert resolved(own) is own


def with_outcomes(tmp_path: Path, *, examples: int = 2000, broken: bool = False) -> tuple[FolderStore, Plan]:
    """A store whose evaluations of XNLI have outcomes that give their scores."""
    plan = make_plan(curricula=("baseline", "mnli", "qqp"), targets={"xnli": ("en", "de")}, seeds=(0, 1, 2))
    store = FolderStore(tmp_path / "store")
    right = {"baseline": 0.5, "mnli": 0.62, "qqp": 0.5}
    outcomes: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
    for cell in plan.cells:
        for code in cell.languages:
            random = np.random.default_rng([cell.seed, *cell.curriculum.encode(), *code.encode()])
            outcomes[cell.fingerprint, code] = (random.random(examples) < right[cell.curriculum]).astype(float)
    manifests = make_manifests(
        plan, lambda c, code: entry(100 * float(outcomes[c.fingerprint, code].mean()), n=examples)
    )
    for fingerprint, manifest in manifests.items():
        kept = manifest
        if any(stage.fingerprint == fingerprint and stage.kind is StageKind.EVALUATE for stage in plan.stages):
            table = OutcomeTable()
            for code in ("en", "de"):
                table.add(code, [str(n) for n in range(examples)], {"correct": outcomes[fingerprint, code]})
            path = tmp_path / "outcomes.parquet"
            table.write(path)
            data = path.read_bytes()
            sha = digest("x") if broken else hashlib.sha256(data).hexdigest()
            kept = Manifest.model_validate(
                {**manifest.model_dump(), "files": {"outcomes.parquet": FileRecord(sha256=sha, size=len(data))}}
            )
            store.put(attempt_prefix(fingerprint, kept.attempt) + "outcomes.parquet", data)
        store.create(manifest_key(fingerprint), kept.model_dump_json().encode())
    return store, plan


def test_outcomes_of_a_store_put_the_examples_into_the_intervals(tmp_path: Path) -> None:
    store, plan = with_outcomes(tmp_path)
    found = read(store, plan).evidence
    assert {g.interval.basis for g in found.gains} == {"seeds and examples"}
    gain = found.gain("tiny", "mnli", "xnli")
    assert gain is not None
    assert gain.shown
    assert gain.interval.low < 12 < gain.interval.high
    assert [(b.chosen, b.basis) for b in found.best] == [("mnli", "other half of the examples")]
    assert not found.best[0].optimistic
    assert collect(store, plan)["tables/gains.csv"] == collect(store, plan)["tables/gains.csv"]


def test_outcomes_that_are_not_what_was_committed_are_refused(tmp_path: Path) -> None:
    store, plan = with_outcomes(tmp_path, broken=True)
    with pytest.raises(StorageError, match=r"outcomes.parquet should be .* is there"):
        read(store, plan)


def test_kinds_of_outcomes(tmp_path: Path) -> None:
    def read_back(**metrics: list[float]) -> RunOutcomes | None:
        table = OutcomeTable()
        table.add("de", ["b", "a"], {name: np.array(values) for name, values in metrics.items()})
        table.write(tmp_path / "o.parquet")
        found = outcomes_of((tmp_path / "o.parquet").read_bytes())
        return None if found is None else found["de"]

    spans = read_back(exact_match=[1, 0], f1=[1, 0.5])
    assert spans is not None
    assert (spans.numerator.tolist(), spans.denominator) == ([1, 0.25], None)
    chunks = read_back(
        chunks_correct=[2, 1], chunks_predicted=[3, 1], chunks_gold=[2, 2], tokens_correct=[4, 4], tokens=[5, 5]
    )
    assert chunks is not None
    assert chunks.denominator is not None
    assert (chunks.numerator.tolist(), chunks.denominator.tolist()) == ([4, 2], [5, 3])
    assert read_back(tokens_correct=[4, 4], tokens=[5, 5]) is not None
    assert read_back(something=[1, 0]) is None


def test_halves_of_the_examples_are_cut_alike() -> None:
    ids = [str(n) for n in range(100)]
    sample = make_sample({"r": {"de": RunOutcomes(ids, np.arange(100.0))}}, parallel=False)
    first, second = half_of(sample, 0), half_of(sample, 1)
    assert first is not None
    assert second is not None
    assert sorted((*first.pools[0].units, *second.pools[0].units)) == sorted(ids)
    assert 30 < len(first.pools[0].units) < 70
    one = make_sample({"r": {"de": RunOutcomes(["a"], np.ones(1))}}, parallel=False)
    assert None in (half_of(one, 0), half_of(one, 1))


def test_runs_that_went_wrong_are_listed_and_stay_in_the_means() -> None:
    plan, manifests = realistic(seeds=(0, 1, 2))
    found = gather(plan, manifests)
    wrong = found.evidence.wrong
    assert ("hellaswag", "xnli", 0, "one answer") in {(w.curriculum, w.target, w.seed, w.kind) for w in wrong}
    row = next(r for r in found.summary if (r.curriculum, r.target) == ("hellaswag", "xnli"))
    assert row.runs == 3


def test_the_summary_has_the_intervals() -> None:
    found = planted(GAINS)
    rows = list(csv.DictReader(io.StringIO(files(found)["summary.csv"].decode())))
    mnli = next(r for r in rows if (r["curriculum"], r["target"]) == ("mnli", "xnli"))
    assert float(mnli["gain_low"]) < float(mnli["gain"]) < float(mnli["gain_high"])
    assert (mnli["family"], mnli["interval_over"]) == ("6", "seeds")
    assert next(r for r in rows if r["curriculum"] == "baseline")["gain_low"] == ""


def test_a_study_without_baseline_has_no_evidence() -> None:
    plan = make_plan(curricula=("mnli",))
    assert gather(plan, make_manifests(plan, lambda c, code: entry(60.0))).evidence == Evidence()
