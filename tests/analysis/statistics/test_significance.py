from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from stilts_core.analysis.statistics.degenerate import collapsed, near_chance
from stilts_core.analysis.statistics.dominance import almost_stochastic_order, violation_ratio
from stilts_core.analysis.statistics.equivalence import tost
from stilts_core.analysis.statistics.multiple import benjamini_hochberg, holm
from stilts_core.analysis.statistics.paired import mcnemar, permutation, ratio_permutation, wilcoxon
from stilts_core.analysis.statistics.power import detectable_difference, power_of, seeds_for, seeds_within

GRID = st.integers(-20, 20).map(lambda value: value / 4)


@given(st.lists(GRID, min_size=2, max_size=8))
def test_every_arrangement_gives_scipys_p_value(values: list[float]) -> None:
    data = np.array(values)
    theirs = stats.permutation_test(
        (data, np.zeros(len(data))),
        lambda x, y, axis: np.abs(np.mean(x - y, axis=axis)),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
    )
    mine = permutation(data)
    assert mine.exact
    assert mine.p == pytest.approx(theirs.pvalue)


def test_random_arrangements_come_near_the_t_test_and_do_not_depend_on_the_order() -> None:
    random = np.random.default_rng(1)
    data = random.normal(0.1, 1, 800)
    mine = permutation(data, draws=20_000)
    assert not mine.exact
    assert mine.p == pytest.approx(stats.ttest_1samp(data, 0).pvalue, abs=0.01)
    assert permutation(random.permutation(data), draws=20_000) == mine


def test_a_permutation_test_keeps_its_level() -> None:
    random = np.random.default_rng(2)
    found = [permutation(random.choice([-1.0, 0, 0, 1], 200), draws=399, seed=place).p for place in range(400)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.085


def test_a_ratio_of_sums_is_permuted_by_examples() -> None:
    random = np.random.default_rng(3)
    gold = random.integers(1, 6, 300)
    base, arm = random.binomial(gold, 0.6), random.binomial(gold, 0.7)
    ones = ratio_permutation((arm, gold), (base, gold))
    assert ones.p < 0.001
    assert ones.statistic == pytest.approx(100 * (arm.sum() - base.sum()) / gold.sum())
    assert ratio_permutation((base, gold), (base, gold)).p == 1.0
    few = slice(0, 9)
    means = permutation((arm - base)[few])
    assert ratio_permutation((arm[few], np.ones(9)), (base[few], np.ones(9))).p == pytest.approx(means.p)
    order = random.permutation(300)
    assert ratio_permutation((arm[order], gold[order]), (base[order], gold[order])) == ones


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_that_of_statsmodels(gained: int, lost: int) -> None:
    arm = np.array([1] * gained + [0] * lost + [1, 0])
    base = np.array([0] * gained + [1] * lost + [1, 0])
    mine = mcnemar(arm, base)
    theirs = their_mcnemar([[1, gained], [lost, 1]], exact=True).pvalue if gained + lost else 1.0
    assert (mine.n, mine.statistic) == (gained + lost, gained - lost)
    assert mine.p == pytest.approx(min(theirs, 1.0))


@given(st.lists(GRID, min_size=1, max_size=30))
def test_wilcoxon_is_that_of_scipy(values: list[float]) -> None:
    data = np.array(values)
    mine = wilcoxon(data)
    assert mine.n == np.count_nonzero(data)
    if mine.n:
        theirs = stats.wilcoxon(data[data != 0])
        assert (mine.statistic, mine.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    else:
        assert mine.p == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_corrections_are_those_of_statsmodels(values: list[float]) -> None:
    p = np.array(values)
    assert holm(p).p == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p).p == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_a_test_that_was_not_made_is_no_member_of_the_family() -> None:
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    for correct in (holm, benjamini_hochberg):
        found = correct(p)
        assert found.family == 3
        assert np.isnan(found.p[0, 1])
        assert found.p[0, 0] == pytest.approx(0.03)
    assert holm(np.array([np.nan])).family == benjamini_hochberg(np.array([])).family == 0


@given(st.lists(GRID, min_size=3, max_size=12), st.floats(0.1, 5))
def test_equivalence_is_that_of_statsmodels(values: list[float], margin: float) -> None:
    data = np.array(values)
    assume(data.std() > 1e-6)
    mine = tost(data, margin)
    theirs = ttost_paired(data, np.zeros(len(data)), -margin, margin)
    assert mine.p == pytest.approx(theirs[0], abs=1e-12)
    inside = -margin < mine.interval.low and mine.interval.high < margin
    assert mine.equivalent == inside


def test_equivalence_needs_two_differences() -> None:
    assert tost(np.array([0.0]), 1.0).p == 1.0
    assert tost(np.array([0.1, 0.1, 0.1]), 1.0).equivalent
    assert not tost(np.array([2.0, 2.0, 2.0]), 1.0).equivalent


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 40])
def test_the_detectable_difference_is_that_of_statsmodels(seeds: int) -> None:
    theirs = TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8, alternative="two-sided")
    mine = detectable_difference(2.5, seeds)
    assert mine == pytest.approx(2.5 * theirs, rel=1e-3)
    assert power_of(mine, 2.5, seeds) == pytest.approx(0.8, abs=1e-6)


def test_how_many_seeds_a_gain_needs() -> None:
    needed = seeds_for(1.0, 1.0)
    assert needed is not None
    assert power_of(1.0, 1.0, needed) >= 0.8 > power_of(1.0, 1.0, needed - 1)
    assert seeds_for(0.0001, 1.0) is None
    assert detectable_difference(1.0, 1) == float("inf")
    assert seeds_within(1.0, 1.0) == 7
    assert seeds_within(0.5, 1.0, beyond=0.1) is None


def test_a_violation_ratio_by_hand() -> None:
    # quantile functions: 1 on (0, 1/2), 4 after; against 2 everywhere: 1 below by half, 2 above by half
    assert violation_ratio(np.array([1.0, 4.0]), np.array([2.0])) == pytest.approx(1 / 5)
    assert violation_ratio(np.array([2.0]), np.array([1.0, 4.0])) == pytest.approx(4 / 5)
    assert violation_ratio(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 0
    assert violation_ratio(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5


@given(st.lists(GRID, min_size=1, max_size=7), st.lists(GRID, min_size=1, max_size=7))
def test_a_violation_ratio_is_its_integral(one: list[float], other: list[float]) -> None:
    first, second = np.sort(one), np.sort(other)
    grid = (np.arange(first.size * second.size) + 0.5) / (first.size * second.size)
    gap = first[(grid * first.size).astype(int)] - second[(grid * second.size).astype(int)]
    expected = (np.minimum(gap, 0) ** 2).sum() / (gap**2).sum() if gap.any() else 0.5
    assert violation_ratio(first, second) == pytest.approx(expected)
    assert violation_ratio(first, second) + violation_ratio(second, first) == pytest.approx(1.0)


def test_almost_stochastic_order_finds_an_order_and_no_other() -> None:
    random = np.random.default_rng(4)
    low, high = random.normal(60, 1, 8), random.normal(63, 1, 8)
    found = almost_stochastic_order(high, low)
    assert found.dominant
    assert found.minimum < 0.2
    assert not almost_stochastic_order(low, high).dominant
    assert almost_stochastic_order(high[::-1], low) == found
    wrong = [
        almost_stochastic_order(random.normal(60, 1, 5), random.normal(60, 1, 5), seed=place, draws=300).dominant
        for place in range(200)
    ]
    assert np.mean(wrong) < 0.2
    strict = almost_stochastic_order(high, low + 2, comparisons=10)
    assert strict.minimum >= almost_stochastic_order(high, low + 2).minimum
    with pytest.raises(ValueError, match="two scores"):
        almost_stochastic_order([1.0], [1.0, 2.0])


def test_runs_that_went_wrong_are_found() -> None:
    scores = np.array([[70.0, 71, 69, 34], [50, 50, 50, 50], [70, 71, np.nan, 34]])
    assert collapsed(scores).tolist() == [[False, False, False, True], [False] * 4, [False] * 4]
    chance, n = np.full(3, 33.3), np.full(3, 300.0)
    assert near_chance(np.array([34.0, 45.0, np.nan]), chance, n).tolist() == [True, False, False]
    assert not near_chance(np.array([34.0]), np.array([np.nan]), np.array([300.0])).any()
