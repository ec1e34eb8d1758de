"""Order, forgetting, similarity and recommendation, on tables with planted effects."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from planted_table import row, table

from stilts_core.analysis.evidence import Evidence, find_evidence
from stilts_core.analysis.frame import Frame, scores_in
from stilts_core.analysis.questions import answers
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.questions.sequences import next_sequences, parts_of, reversals
from stilts_core.analysis.statistics.ranking import ndcg, order_test, ranking, smallest_p
from stilts_core.analysis.summary import ALL_TARGETS

TASKS = ("ccg", "cosmosqa", "hellaswag", "mnli", "qqp", "squad")
TARGETS = ("tatoeba", "udpos", "xnli", "xquad")


def answered(frame: Frame) -> QuestionAnswer:
    scores, _ = scores_in(frame)
    (found,) = answers(frame, scores, find_evidence(scores), ["order"], only=True)
    return found


def numbers(found: QuestionAnswer, name: str) -> list[dict[str, object]]:
    one = next(one for one in found.tables if one.name == name)
    return [dict(zip(one.header, record, strict=True)) for record in one.records]


def ordered(effect: float, similar: float, *, seed: int = 0, forgets: float = -5.0, pair: float = 4.0) -> Frame:
    """``mnli-squad`` is ``effect`` above ``squad-mnli``; one similarity follows the gains, one is noise."""
    random = np.random.default_rng([seed, 5])
    level = {name: float(value) for name, value in zip(TASKS, random.permutation(np.linspace(-3, 3, 6)), strict=True)}

    def gain(_encoder: str, curriculum: str, _target: str, _code: str) -> float:
        if curriculum in level:
            return level[curriculum]
        return {"mnli-squad": pair + effect, "squad-mnli": pair, "mnli.squad": pair}[curriculum]

    rows = []
    for target in TARGETS:
        for name in TASKS:
            for method, value in (("true", similar * level[name] + random.normal(0, 0.5)), ("noise", random.normal())):
                rows.append(row("tiny", name, target, "-", 0, f"similarity_{method}", value))
    for run in range(5):
        for step, value in ((1, 85.0), (2, 85.0 + forgets + random.normal(0, 0.3))):
            rows.append(row("tiny", "mnli-squad", "-", "-", run, f"after_{step}_mnli", value))
    rows += [row("tiny", name, "-", "-", 0, "cost_true", 12.0) for name in TASKS]
    rows += [row("tiny", name, "-", "-", 0, "cost_trial", 60.0) for name in (*TASKS, "mnli-squad")]
    return table(
        gain,
        curricula=(*TASKS, "mnli-squad", "squad-mnli", "mnli.squad"),
        targets=dict.fromkeys(TARGETS, ("en", "de")),
        seeds=5,
        seed=seed,
        by_language=0.0,
        by_run=0.3,
        extra=rows,
    )


def test_an_order_effect_is_found_and_its_parts_are_told() -> None:
    found = answered(ordered(2.0, 1.0))
    effects = [one for one in numbers(found, "order_effects") if one["kind"] == "order"]
    assert [one["target"] for one in effects] == [*TARGETS, ALL_TARGETS]
    assert all(one["p_adjusted"] < 0.05 and one["low"] < 2 < one["high"] for one in effects)  # type: ignore[operator]
    assert found.answer.startswith("The order matters in 1 of 1 pair of orders on the mean of the targets; most for")
    assert "On single targets it is shown in 4 of 4 comparisons." in found.answer
    joint = [one for one in numbers(found, "order_effects") if one["kind"] == "joint"]
    assert {(one["first"], one["second"]) for one in joint} == {("mnli.squad", "mnli-squad and squad-mnli")}
    (mean,) = [one for one in joint if one["target"] == ALL_TARGETS]
    assert mean["low"] < -1 < mean["high"]  # type: ignore[operator]


def test_an_absent_order_effect_is_not_found() -> None:
    wrong = 0
    for seed in range(40):
        effects = numbers(answered(ordered(0.0, 1.0, seed=seed)), "order_effects")
        wrong += any(one["p_adjusted"] < 0.05 for one in effects if one["target"] == ALL_TARGETS)  # type: ignore[operator]
    assert wrong <= 8  # two families of one test at 0.05 each: about 4 of 40
    assert "That the order matters on the mean of the targets is not shown" in answered(ordered(0.0, 1.0)).answer


def test_what_a_later_step_costs_is_found_and_what_it_does_not_is_not() -> None:
    (kept,) = numbers(answered(ordered(0.0, 0.0)), "order_forgetting")
    assert kept["low"] < -5 < kept["high"]  # type: ignore[operator]
    assert "most mnli after mnli-squad" in answered(ordered(0.0, 0.0)).answer
    told = [answered(ordered(0.0, 0.0, seed=seed, forgets=0.0)).answer for seed in range(20)]
    assert sum("No later step is shown to cost an earlier task anything" in one for one in told) >= 17


def test_a_similarity_that_ranks_is_told_from_one_that_does_not() -> None:
    found = answered(ordered(0.0, 1.0))
    assert "Of 2 similarities, 1 ranks the tasks better than a random order; true does best" in found.answer
    true = next(
        one for one in numbers(found, "order_similarity") if (one["similarity"], one["target"]) == ("true", ALL_TARGETS)
    )
    assert true["low"] <= true["spearman"] <= true["high"]  # type: ignore[operator]
    assert (true["seconds"], true["trial_seconds"]) == (72.0, 360.0)  # the pair is no candidate
    assert true["regret_1"] < true["random_1"]  # type: ignore[operator]
    nothing = [answered(ordered(0.0, 0.0, seed=seed)).answer for seed in range(40)]
    assert sum("None of 2 similarities" in one for one in nothing) >= 34


def test_too_few_tasks_are_said() -> None:
    rows = [
        row("tiny", name, target, "-", 0, "similarity_true", place)
        for place, name in enumerate(TASKS[:3])
        for target in TARGETS
    ]
    gain = {name: float(place) for place, name in enumerate(TASKS)}
    frame = table(
        lambda _e, c, _t, _l: gain[c],
        curricula=TASKS[:3],
        targets=dict.fromkeys(TARGETS, ("en", "de")),
        by_language=0.0,
        extra=rows,
    )
    answer = answered(frame).answer
    assert "Whether a similarity ranks the tasks can't be told: there are three" in answer
    assert "no order of fewer than four tasks" in answer


def test_the_recommended_sequence_is_the_planted_one_and_its_gain_is_not_the_largest_of_several() -> None:
    found = answered(ordered(2.0, 1.0))
    (mean,) = [one for one in numbers(found, "order_recommended") if one["target"] == ALL_TARGETS]
    assert (mean["curriculum"], mean["agreed"], mean["choices"]) == ("mnli-squad", 5, 5)
    assert mean["low"] < 6 < mean["high"]  # type: ignore[operator]
    assert mean["over_single_low"] < 3 < mean["over_single_high"]  # type: ignore[operator]

    # Nothing helps: the largest gain is above 0 nearly always, what is expected of choosing it is not.
    def nothing(seed: int) -> dict[str, object]:
        frame = table(lambda *_: 0.0, curricula=TASKS, targets={"xnli": ("en",)}, seeds=5, seed=seed, by_language=0.0,
                      extra=[row("tiny", name, "xnli", "-", 0, "similarity_true", 0.0) for name in TASKS])  # fmt: skip
        return numbers(answered(frame), "order_recommended")[0]

    expected = [nothing(seed)["gain"] for seed in range(40)]
    assert abs(float(np.mean(expected))) < 3 * float(np.std(expected)) / np.sqrt(len(expected))  # type: ignore[arg-type]


def test_where_every_task_does_harm_none_is_recommended() -> None:
    frame = table(lambda *_: -3.0, curricula=TASKS, targets={"xnli": ("en",)}, by_language=0.0,
                  extra=[row("tiny", name, "xnli", "-", 0, "similarity_true", 0.0) for name in TASKS])  # fmt: skip
    assert "Recommended: no intermediate training, chosen in 3 of 3" in answered(frame).answer


def test_sequences_are_known_by_their_names() -> None:
    names = (
        "baseline",
        "mnli",
        "squad_v1",
        "my-task",
        "mnli-squad_v1",
        "squad_v1-mnli",
        "my-task-mnli",
        "mnli-my-task",
    )
    assert parts_of("mnli-my-task", names) == ("mnli", "my-task")
    assert {(names[a], names[b]) for a, b, _ in reversals(names)} == {
        ("mnli-squad_v1", "squad_v1-mnli"),
        ("mnli-my-task", "my-task-mnli"),
    }
    long = ("a", "b", "c", "a-b-c", "c-b-a", "b-c-a", "a.b.c")
    assert reversals(long) == [(3, 4, 6)]
    short = ("squad-mnli", "mnli-squad")  # by names that are no curricula
    assert reversals(short) == [(1, 0, None)]


def test_a_best_first_search_goes_on_from_the_longest_sequences_with_the_largest_gains() -> None:
    scores, _ = scores_in(ordered(2.0, 1.0))
    assert next_sequences(scores, 1) == [("mnli", "squad")]
    assert next_sequences(scores, 5) == [("mnli", "squad"), ("squad", "mnli")]
    alone = table(lambda _e, c, _t, _l: {"mnli": 3.0, "qqp": 1.0}[c], curricula=("mnli", "qqp"), by_language=0.0)
    assert next_sequences(scores_in(alone)[0], 1) == [("mnli",)]


def test_rankings_by_hand() -> None:
    true = np.array([3.0, 2.0, 1.0, 0.0])
    same = ranking(true, true)
    assert (same.spearman, same.kendall, same.ndcg, same.regret[1]) == pytest.approx((1, 1, 1, 0))
    assert same.p == pytest.approx(1 / 24)
    turned = ranking(-true, true)
    assert (turned.spearman, turned.regret) == (pytest.approx(-1), {1: 3.0, 3: 1.0})
    assert turned.chance[1] == pytest.approx(1.5)
    flat = ranking(np.zeros(4), true)
    assert (flat.spearman, flat.p) == (0.0, 1.0)
    # relevance 2, 3, 1, 0 in that order
    log = np.log2([2, 3, 4, 5])
    assert ndcg(np.array([1.0, 2.0, 0.5, 0.0]), true) == pytest.approx(
        (2 / log[0] + 3 / log[1] + 1 / log[2]) / (3 / log[0] + 2 / log[1] + 1 / log[2])
    )


def test_the_order_test_keeps_its_level_on_targets_that_are_alike() -> None:
    assert order_test([np.arange(5.0)] * 3, [np.arange(5.0)] * 3) == pytest.approx(1 / 120)
    assert smallest_p(5) == pytest.approx(1 / 120)
    assert smallest_p(12) == pytest.approx(1 / 10_000)
    random = np.random.default_rng(1)
    p = []
    for _ in range(300):
        common = random.normal(size=5)
        gains = [common + random.normal(0, 0.1, 5) for _ in range(6)]  # six targets, one gain
        p.append(order_test([random.normal(size=5)] * 6, gains))
    assert np.mean(np.array(p) <= 0.05) <= 0.09
    assert sum(1 for _ in permutations(range(5))) == 120


def test_without_orders_or_similarities_there_is_no_answer() -> None:
    frame = table(lambda *_: 1.0, targets={"xnli": ("en", "de")})
    (found,) = answers(frame, scores_in(frame)[0], Evidence(), ["order"], only=True)
    assert not found.answered
