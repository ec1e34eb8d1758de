"""The question on inference efficiency: planted costs are found, absent differences are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_table import row

from stilts_core.analysis import costs
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame, frame_of, scores_in
from stilts_core.analysis.questions import answers, efficiency
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.statistics.equivalence import tost
from stilts_core.analysis.table import ResultRow

DEPTH = {"small": 6, "large": 12}
TIME = {"small": 5.0, "large": 12.0}
TOKENS = {"en": 20.0, "tr": 30.0, "zh": 16.0}
SCORE = {"small": 60.0, "large": 70.0}


def measured(
    ratio: Mapping[str, float],
    *,
    noise: float = 0.005,
    blocks: int = 5,
    seed: int = 0,
    exits: Mapping[int, float] | None = None,
) -> Frame:
    """Two encoders whose time is proportional to tokens and layers; an arm takes ``ratio`` times the baseline's."""
    random = np.random.default_rng(seed)

    def rows() -> Iterator[ResultRow]:
        for encoder, depth in DEPTH.items():
            for curriculum in ("baseline", *ratio):
                turn = random.normal(0, noise, size=blocks)  # a block's turn of the model, common to its conditions
                for layers in (depth, *(exits or {})):
                    if layers > depth:
                        continue
                    for code, tokens in TOKENS.items():
                        for batch in (1, 8):
                            time = TIME[encoder] * ratio.get(curriculum, 1.0) * tokens / 20 * batch * layers / depth
                            of_blocks = time * np.exp(turn + random.normal(0, noise, size=blocks))
                            at = f"fp32/b{batch}/tall/l{layers}"
                            named = {
                                f"latency_p50@{at}": np.median(of_blocks),
                                f"sentences_per_second@{at}": 1000 * batch / of_blocks.mean(),
                                **{f"latency_p50@{at}#{b}": value for b, value in enumerate(of_blocks)},
                            }
                            for metric, value in named.items():
                                yield row(encoder, curriculum, "xnli", code, 0, metric, float(value))
                    if layers < depth:
                        for code in TOKENS:
                            score = SCORE[encoder] - (exits or {})[layers]
                            yield row(encoder, curriculum, "xnli", code, 0, f"accuracy@l{layers}", score)
                for code, tokens in TOKENS.items():
                    yield row(encoder, curriculum, "xnli", code, 0, "tokens_per_sentence", tokens)
                    yield row(encoder, curriculum, "xnli", code, 0, "score", SCORE[encoder] + (curriculum == "mnli"))

    return frame_of(rows())


def answered(frame: Frame) -> QuestionAnswer:
    (found,) = answers(frame, scores_in(frame)[0], Evidence(), ["efficiency"], only=True)
    return found


def numbers(found: QuestionAnswer, name: str) -> list[dict[str, object]]:
    one = next(one for one in found.tables if one.name == name)
    return [dict(zip(one.header, record, strict=True)) for record in one.records]


def verdicts(found: QuestionAnswer) -> dict[tuple[object, object], object]:
    return {(one["encoder"], one["curriculum"]): one["verdict"] for one in numbers(found, "efficiency_equality")}


def test_equal_costs_are_found_equal() -> None:
    found = answered(measured({"mnli": 1.0, "squad": 1.0}))
    assert found.answered
    assert set(verdicts(found).values()) == {"equal"}
    assert found.answer.startswith(
        "Intermediate training leaves the time of inference unchanged: every arm is within 5"
    )
    assert "corrected for 4 arms" in found.answer


def test_a_slower_arm_is_found_and_an_arm_at_the_margin_is_not_called_equal() -> None:
    found = answered(measured({"mnli": 1.2, "squad": 1.05}))
    assert verdicts(found) == {
        ("small", "mnli"): "slower",
        ("large", "mnli"): "slower",
        ("small", "squad"): "open",
        ("large", "squad"): "open",
    }
    assert "mnli with small is slower than its baseline" in found.answer
    assert "unchanged" not in found.answer


def test_noise_shows_nothing() -> None:
    found = [answered(measured({"mnli": 1.0}, noise=0.3, seed=seed)) for seed in range(20)]
    said = [set(verdicts(one).values()) for one in found]
    assert said.count({"open"}) >= 19
    assert "is not shown" in found[0].answer


def test_the_test_of_equality_keeps_its_level_at_the_margin_and_has_power_within() -> None:
    random = np.random.default_rng(0)
    margin = float(np.log(efficiency.MARGIN))
    at_margin = [tost(margin + random.normal(0, 0.01, 5), margin).equivalent for _ in range(1000)]
    at_none = [tost(random.normal(0, 0.01, 5), margin).equivalent for _ in range(1000)]
    assert 0.03 < np.mean(at_margin) < 0.07
    assert np.mean(at_none) > 0.99


def test_the_front_is_the_planted_one() -> None:
    found = answered(measured({"mnli": 1.0}, exits={3: 8.0}))
    front = {
        (one["encoder"], one["curriculum"], one["layers"]): (one["on_front"], one["front_share"])
        for one in numbers(found, "efficiency_front")
    }
    # the whole large one is best and three layers of the small one are fastest; three of the large one are faster than
    # all six of the small one, and better
    assert front["large", "mnli", 12][0] == 1
    assert front["large", "baseline", 12][1] < front["large", "mnli", 12][1]
    for name in ("baseline", "mnli"):
        assert front["small", name, 6][0] == 0
    for encoder in DEPTH:
        assert sum(front[encoder, name, 3][0] for name in ("baseline", "mnli")) >= 1


def test_a_point_that_is_beaten_in_both_is_not_on_the_front() -> None:
    cost = np.array([[1.0], [2.0], [3.0], [1.0]])
    worth = np.array([[5.0], [4.0], [6.0], [5.0]])
    assert efficiency.undominated(cost, worth)[:, 0].tolist() == [True, False, True, True]


def test_an_exit_has_its_speed_and_its_loss() -> None:
    found = answered(measured({"mnli": 1.0}, exits={3: 8.0}))
    (one,) = (
        one
        for one in numbers(found, "efficiency_front")
        if (one["encoder"], one["curriculum"], one["layers"]) == ("small", "baseline", 3)
    )
    assert one["speedup"] == pytest.approx(2.0, rel=0.02)
    assert one["speedup_low"] < one["speedup"] < one["speedup_high"]  # type: ignore[operator]
    assert one["score"] == pytest.approx(52.0)
    assert "The early exit that gives up least" in found.answer


def test_languages_cost_what_their_tokens_do() -> None:
    found = answered(measured({"mnli": 1.0}))
    ratios = {
        (one["encoder"], one["language"]): (one["low"], one["times_english"], one["high"])
        for one in numbers(found, "efficiency_languages")
    }
    for encoder in DEPTH:
        assert ratios[encoder, "en"][1] is None
        low, value, high = ratios[encoder, "tr"]
        assert 1.0 < low < value < high
        assert value == pytest.approx(1.5, rel=0.02)
        assert ratios[encoder, "zh"][1] == pytest.approx(0.8, rel=0.02)
    assert "The dearest beside English is tr" in found.answer


def test_without_times_there_is_no_answer() -> None:
    frame = frame_of([row("small", "baseline", "xnli", "en", 0, "score", 60.0)])
    assert not efficiency.has_data(frame, scores_in(frame)[0])
    assert not answered(frame).answered


def test_the_same_table_gives_the_same_answer_in_any_order_of_rows() -> None:
    frame = measured({"mnli": 1.0}, exits={3: 8.0})
    order = np.random.default_rng(1).permutation(len(frame))
    assert answered(frame.rows(order)) == answered(frame)


@given(st.integers(2, 6))
def test_the_resamples_of_few_blocks_are_all_there_with_their_chances(blocks: int) -> None:
    chosen, weight = costs.resamples(blocks)
    assert weight.sum() == pytest.approx(1.0)
    drawn = np.array([np.bincount(one, minlength=blocks) for one in chosen])
    assert (weight @ drawn) == pytest.approx(np.ones(blocks))  # each block once on average
    assert weight @ (drawn[:, 0] - 1) ** 2 == pytest.approx(1 - 1 / blocks)  # its variance in a multinomial


def test_quantiles_are_numpys_and_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    seconds = random.lognormal(-5, 0.2, size=(3, 5, 20))
    found = costs.summaries(seconds, np.full((3, 5, 20), 12.0), np.array([1.0, 2.0, 4.0]))
    for name, share in costs.QUANTILES.items():
        assert found[name][0] == pytest.approx(1000 * np.quantile(seconds.reshape(3, -1), share, axis=1))
        assert (found[name][1] <= found[name][0]).all()
        assert (found[name][0] <= found[name][2]).all()
    total = seconds.sum(axis=(1, 2))
    assert found["sentences_per_second"][0] == pytest.approx(np.array([1.0, 2.0, 4.0]) * 100 / total)
    assert found["tokens_per_second"][0] == pytest.approx(12.0 * 100 / total)


def test_intervals_over_blocks_hold_the_median_where_blocks_differ() -> None:
    random = np.random.default_rng(0)
    seconds = np.exp(random.normal(0, 0.1, (400, 5, 1)) + random.normal(0, 0.05, (400, 5, 20)))
    _, low, high = costs.summaries(seconds, np.ones_like(seconds), np.ones(400))["latency_p50"]
    assert 0.9 <= np.mean((low <= 1000) & (high >= 1000)) <= 1.0
