from __future__ import annotations

import numpy as np
import pytest
from planted_table import LANGUAGES, row, table
from scipy import stats

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame, scores_in
from stilts_core.analysis.questions import QUESTIONS, answers, metrics, morphology
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.statistics.correlation import correlation, smallest_shown
from stilts_core.analysis.table import ResultRow
from stilts_core.catalog.load import load_catalogue

ATLAS = load_catalogue().languages
SIZES = {"small": 20e6, "base": 80e6, "large": 320e6}


def answered(name: str, frame: Frame) -> QuestionAnswer:
    (found,) = answers(frame, scores_in(frame)[0], Evidence(), [name], only=True)
    return found


def numbers(found: QuestionAnswer, name: str) -> list[dict[str, object]]:
    one = next(one for one in found.tables if one.name == name)
    return [dict(zip(one.header, record, strict=True)) for record in one.records]


def sized(effect: float, slope: float, *, seed: int = 0, languages: tuple[str, ...] = LANGUAGES) -> Frame:
    """Agglutinative languages gain ``effect`` more at the middle size, ``slope`` more with each doubling."""

    def gain(encoder: str, curriculum: str, target: str, code: str) -> float:
        agglutinative = ATLAS[code].morphology == "agglutinative"
        doublings = np.log2(SIZES[encoder]) - np.log2(SIZES["base"])
        return 2 + 0.3 * np.log2(ATLAS[code].cc100_gib or 1) + agglutinative * (effect + slope * doublings)

    stated = [row(name, "baseline", "-", "-", 0, "parameters", value) for name, value in SIZES.items()]
    targets = {"udpos": languages, "tatoeba": languages}
    return table(gain, encoders=tuple(SIZES), targets=targets, extra=stated, seed=seed, seeds=2)


def effects(found: QuestionAnswer) -> dict[object, dict[str, object]]:
    return {one["effect"]: one for one in numbers(found, "morphology_model") if one["families"] == "all families"}


def test_morphology_finds_a_planted_difference_and_its_change_with_size() -> None:
    found = answered("morphology", sized(2.0, -0.5))
    assert found.answered
    assert found.answer.startswith("Agglutinative languages gain")
    assert "falls by 0.5 points with each doubling" in found.answer
    assert "No single family carries the first answer." in found.answer
    main = effects(found)["agglutinative"]
    assert main["low"] < 2.0 < main["high"]  # type: ignore[operator]
    assert any(one["families"] == "without Uralic" for one in numbers(found, "morphology_model"))


def test_morphology_does_not_find_an_absent_difference() -> None:
    found = 0
    for seed in range(12):
        frame = sized(0.0, 0.0, seed=seed + 1)
        scores, _ = scores_in(frame)
        known, sizes = morphology._atlas(scores), morphology._sizes(frame, scores)
        data = morphology._data(frame, scores, known, sizes, morphology.language_gains(scores))
        model = morphology.fit(data, known)
        assert model is not None
        found += model.effects["agglutinative"].excludes_zero + model.effects["agglutinative × size"].excludes_zero
    assert found <= 4  # of 24 at a level of 0.05; more than 4 has a chance of 0.6 %


def test_morphology_says_when_the_languages_cannot_answer() -> None:
    few = sized(2.0, 0.0, languages=("en", "de", "fr", "es", "tr", "fi"))
    found = answered("morphology", few)
    assert not found.answered
    assert "2 agglutinative languages and 4 others" in found.answer
    assert found.blocks  # what can be shown is shown
    one_size = table(lambda *_: 1.0, encoders=("xlm-r-base",))
    assert "0 sizes of encoder known, 3 are needed" in answered("morphology", one_size).answer
    assert not morphology.has_data(one_size, scores_in(one_size)[0])


def measured(within: float, between: float, *, seeds: int = 8, curricula: int = 9, seed: int = 0) -> Frame:
    """Curricula whose gain follows their accuracy, over seeds and between tasks; loss and calibration say nothing."""
    random = np.random.default_rng([seed, 99])
    names = tuple(f"task{place}" for place in range(curricula))
    level = dict(zip(names, random.normal(0, 1, curricula), strict=True))
    rows: list[ResultRow] = []
    moves: dict[tuple[str, int], float] = {}
    for name in names:
        size = float(random.integers(10_000, 400_000))
        for run in range(seeds):
            moved = random.normal(0, 1)
            moves[name, run] = moved
            for metric, value in (
                ("accuracy", 80 + 3 * level[name] + moved),
                ("loss", random.normal(0.5, 0.1)),
                ("calibration", random.normal(5, 1)),
                ("examples", size),
            ):
                rows.append(row("tiny", name, "-", "-", run, f"intermediate_{metric}", value))
    plain = table(
        lambda _encoder, curriculum, _target, _code: 3 + between * level[curriculum],
        curricula=names,
        targets={"xnli": ("en", "de", "sw"), "udpos": ("en", "de", "fi")},
        seeds=seeds,
        seed=seed,
        by_run=0.4,
        extra=rows,
    )
    value = plain.value.copy()
    for place in range(len(plain)):
        name = plain.texts["curriculum"].names[plain.texts["curriculum"].codes[place]]
        if plain.texts["metric"].of("score")[place]:
            value[place] += within * moves.get((name, int(plain.seed[place])), 0.0)
    return Frame(plain.texts, plain.seed, value, plain.n, plain.zero_shot)


def shown(frame: Frame) -> set[tuple[object, object]]:
    found = numbers(answered("metrics", frame), "metrics")
    return {(one["kind"], one["metric"]) for one in found if one["p_adjusted"] < 0.05}  # type: ignore[operator]


def test_a_measure_that_predicts_over_seeds_is_found_there_alone() -> None:
    found = [shown(measured(within=1.0, between=0.0, seed=seed)) for seed in range(10)]
    assert all(("within", "intermediate_accuracy") in one for one in found)
    assert sum(len(one) - 1 for one in found) <= 3
    text = answered("metrics", measured(within=1.0, between=0.0)).answer
    assert text.startswith("Within a task, over seeds, accuracy goes with the score on ")
    assert "Between tasks, no measure is shown to go with the gain" in text
    assert "can't be told from 0" in text


def test_a_measure_that_predicts_between_tasks_is_found_there_alone() -> None:
    found = [shown(measured(within=0.0, between=2.5, seed=seed)) for seed in range(10)]
    assert all(("between", "intermediate_accuracy") in one for one in found)
    assert sum(len(one) - 1 for one in found) <= 3
    records = numbers(answered("metrics", measured(within=0.0, between=2.5)), "metrics")
    best = next(one for one in records if (one["kind"], one["metric"]) == ("between", "intermediate_accuracy"))
    assert best["n"] == 9
    assert best["pearson_given_size"] is not None


def test_measures_that_predict_nothing_are_not_found() -> None:
    wrong = [shown(measured(0.0, 0.0, seeds=3, seed=seed)) for seed in range(20)]
    assert sum(map(bool, wrong)) <= 4  # two families at 0.05 in each of 20


def test_too_few_points_are_no_answer() -> None:
    found = answered("metrics", measured(1.0, 1.0, seeds=1, curricula=3))
    assert not found.answered
    assert not metrics.has_data(table(lambda *_: 1.0), scores_in(table(lambda *_: 1.0))[0])


@pytest.mark.parametrize("n", [4, 9, 40])
def test_correlations_are_those_of_scipy(n: int) -> None:
    random = np.random.default_rng(n)
    x, y = random.normal(size=n), random.normal(size=n)
    mine, theirs = correlation(x, y), stats.pearsonr(x, y)
    interval = theirs.confidence_interval()
    assert (mine.pearson, mine.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (mine.low, mine.high) == pytest.approx((interval.low, interval.high))
    r = smallest_shown(n - 2)
    assert 2 * stats.t.sf(r * np.sqrt((n - 2) / (1 - r**2)), n - 2) == pytest.approx(0.05)


def test_a_perfect_correlation_has_no_width() -> None:
    found = correlation(np.arange(5.0), 2 * np.arange(5.0))
    assert (found.low, found.high, found.p) == (1.0, 1.0, 0.0)
    assert smallest_shown(0) == 1.0


MIX = ("de", "ru", "sw", "tr")
CODES = ("en", *MIX, "ar", "el", "es", "fr", "hi", "th", "ur", "vi", "zh")


def multilingual(inside: float, outside: float, *, seed: int = 0, steps: float = 1000.0) -> Frame:
    """A translated curriculum that is so much ahead of its English counterpart in and outside its mix."""

    def gain(_encoder: str, curriculum: str, _target: str, code: str) -> float:
        if curriculum != "mnli-translated":
            return 3.0
        return 3.0 + (inside if code in MIX else 0.0 if code == "en" else outside)

    stated = [
        row("tiny", name, "-", "-", 0, "intermediate_steps", value)
        for name, value in (("mnli", 1000.0), ("mnli-translated", steps))
    ]
    return table(
        gain,
        curricula=("mnli", "mnli-translated", "squad_v1"),
        targets={"xnli": CODES, "xquad": CODES},
        seeds=5,
        seed=seed,
        mix={"mnli-translated": MIX},
        extra=stated,
    )


def sides(frame: Frame) -> dict[tuple[object, object], dict[str, object]]:
    return {(one["target"], one["where"]): one for one in numbers(answered("languages", frame), "languages_mix")}


def test_a_multilingual_advantage_is_found_where_it_is() -> None:
    frame = multilingual(inside=4.0, outside=0.0)
    found = sides(frame)
    for target in ("xnli", "xquad"):
        mine = {where: found[target, where] for where in ("in the mix", "outside the mix", "difference")}
        assert mine["in the mix"]["languages"] == "de ru sw tr"
        assert mine["in the mix"]["low"] < 4 < mine["in the mix"]["high"]  # type: ignore[operator]
        shown = {where: one["p_adjusted"] < 0.05 for where, one in mine.items()}  # type: ignore[operator]
        assert shown == {"in the mix": True, "outside the mix": False, "difference": True}
    text = answered("languages", frame)
    assert "points ahead of the English one" in text.answer
    assert "Languages of the mix gain more than the others" in text.answer
    assert not any("Not alike" in caveat for caveat in text.caveats)


def test_an_absent_multilingual_advantage_is_not_found() -> None:
    wrong = 0
    for seed in range(20):
        wrong += any(one["p_adjusted"] < 0.05 for one in sides(multilingual(0.0, 0.0, seed=seed)).values())  # type: ignore[operator]
    assert wrong <= 4  # of 20 families at 0.05
    assert "is not shown" in answered("languages", multilingual(0.0, 0.0)).answer


def test_unequal_amounts_of_training_are_said() -> None:
    caveats = answered("languages", multilingual(4.0, 0.0, steps=3000.0)).caveats
    assert any("mnli-translated has 3 times the steps of mnli" in caveat for caveat in caveats)


def test_without_a_pair_the_languages_cannot_answer() -> None:
    found = answered("languages", table(lambda *_: 1.0, targets={"xnli": CODES}))
    assert not found.answered
    assert "NAME-translated" in found.answer


def test_every_question_is_left_out_without_its_data() -> None:
    frame = table(lambda *_: 1.0, targets={"xnli": ("en", "de")})
    assert list(answers(frame, scores_in(frame)[0], Evidence())) == []
    assert len(set(QUESTIONS)) == len(QUESTIONS)
