from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Design, simulate
from scipy import stats

from stilts_core.analysis.statistics.bootstrap import (
    Contrast,
    acceleration_of,
    bca,
    bootstrap_interval,
    gain_interval,
    influence_of,
    languages_gain_interval,
    percentile,
    resample,
)
from stilts_core.analysis.statistics.crossed import degrees_of_freedom, languages_interval, noise_of, seeds_interval
from stilts_core.analysis.statistics.resampling import counts, stream
from stilts_core.analysis.statistics.sample import RunOutcomes, Sample, make_sample
from stilts_core.errors import DataError

TIMES = 300
# 300 intervals of 95 % hold the truth between these shares of the time in 999 of 1,000 such trials
LEAST, MOST = 0.905, 0.985


@pytest.mark.parametrize(
    "design",
    [
        Design(seeds=3),
        Design(seeds=5),
        Design(seeds=5, by_seed=0.3),
        Design(seeds=5, by_seed=0.0, gain=0.0),
        Design(seeds=4, parallel=True, languages=5),
        Design(seeds=5, counts=True),
    ],
    ids=str,
)
def test_intervals_hold_a_planted_gain_as_often_as_they_say(design: Design) -> None:
    random = np.random.default_rng(7)
    found = [gain_interval(simulate(design, random), design.contrast) for _ in range(TIMES)]
    held = np.mean([one.low <= design.truth <= one.high for one in found])
    assert LEAST <= held <= MOST


@pytest.mark.parametrize(
    "design",
    [
        Design(seeds=5, languages=8, by_language=0.15),
        Design(seeds=3, languages=15, by_language=0.15, parallel=True, examples=150),
    ],
    ids=str,
)
def test_intervals_for_languages_in_general_hold_the_truth(design: Design) -> None:
    random = np.random.default_rng(8)
    found = [languages_gain_interval(simulate(design, random), design.contrast) for _ in range(TIMES)]
    held = np.mean([one.low <= design.truth <= one.high for one in found])
    assert LEAST <= held <= MOST


def test_with_few_seeds_the_percentile_bootstrap_is_too_narrow_and_the_reported_interval_is_not() -> None:
    design = Design(seeds=3, by_seed=0.3, languages=1)
    random = np.random.default_rng(9)
    reported = plain = 0
    for place in range(150):
        sample = simulate(design, random)
        one = gain_interval(sample, design.contrast)
        draws = resample(sample, [design.contrast], draws=300, seed=place)
        other = percentile(draws.mean(0), float(draws.estimate.mean()))
        reported += one.low <= design.truth <= one.high
        plain += other.low <= design.truth <= other.high
    assert plain < 0.85 * 150 < 0.9 * 150 <= reported


def test_seeds_alone_are_a_paired_t_test() -> None:
    gains = np.array([1.2, 0.4, 2.2, 1.7, 0.9])
    mine = seeds_interval(gains)
    theirs = stats.ttest_1samp(gains, 0)
    low, high = theirs.confidence_interval(0.95)
    assert (mine.low, mine.high, mine.p) == pytest.approx((low, high, theirs.pvalue), rel=1e-12)
    assert mine.basis == "seeds"


def test_one_run_has_no_spread_over_seeds() -> None:
    assert seeds_interval(np.array([3.0])).low == -np.inf
    design = Design(seeds=1, languages=1)
    sample = simulate(design, np.random.default_rng(1))
    one = gain_interval(sample, design.contrast)
    pool = sample.pools[0]
    theirs = stats.ttest_1samp(100 * (pool.numerator[:, 0, 1] - pool.numerator[:, 0, 0]), 0)
    assert (one.basis, one.p) == ("examples", pytest.approx(theirs.pvalue, rel=1e-12))


def test_runs_that_are_alike_leave_the_variance_of_the_examples() -> None:
    sample = simulate(Design(seeds=4, languages=1), np.random.default_rng(2))
    contrast = Contrast("same", (4, 4, 4), (0, 0, 0))
    once = gain_interval(sample, Contrast("once", (4,), (0,)))
    thrice = gain_interval(sample, contrast)
    assert thrice.se == pytest.approx(once.se)


def test_a_mean_over_languages_and_seeds_is_the_analysis_of_variance() -> None:
    values = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 5.0], [0.0, 1.0, 3.0], [2.0, 2.0, 6.0]])
    mine = languages_interval(values)
    languages, seeds = values.shape
    grand = values.mean()
    of_language = seeds * ((values.mean(1) - grand) ** 2).sum() / (languages - 1)
    of_seed = languages * ((values.mean(0) - grand) ** 2).sum() / (seeds - 1)
    rest = ((values - values.mean(1, keepdims=True) - values.mean(0) + grand) ** 2).sum() / 6
    assert mine.se == pytest.approx(np.sqrt((of_language + of_seed - rest) / 12))


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(1, 500)), min_size=1, max_size=3))
def test_degrees_of_freedom_lie_between_those_of_the_parts_and_their_sum(parts: list[tuple[float, int]]) -> None:
    found = degrees_of_freedom(parts)
    assert min(df for _, df in parts) <= found <= sum(df for _, df in parts)


@pytest.mark.parametrize(("seeds", "least", "most"), [(2, 0.928, 0.968), (3, 0.945, 0.96), (5, 0.948, 0.956)])
def test_few_seeds_hold_their_level_whatever_share_of_the_variance_is_theirs(
    seeds: int, least: float, most: float
) -> None:
    draws = 400
    variance = stats.chi2.ppf((np.arange(draws) + 0.5) / draws, seeds - 1) / (seeds - 1)
    for share in np.linspace(0, 1, 11):
        held = []
        for drawn in variance:
            parts = [(share * float(drawn), seeds - 1), (1 - share, 10**6)]
            reach = stats.t.ppf(0.975, degrees_of_freedom(parts)) * np.sqrt(sum(part for part, _ in parts))
            held.append(2 * stats.norm.cdf(reach) - 1)
        assert least <= np.mean(held) <= most


def test_bca_is_that_of_scipy_on_the_same_draws() -> None:
    data = np.random.default_rng(3).exponential(size=40)
    theirs = stats.bootstrap((data,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(4))
    draws = theirs.bootstrap_distribution
    mine = bca(draws, float(data.mean()), acceleration_of(data - data.mean()))
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)
    again = stats.bootstrap(
        (data,), np.mean, n_resamples=0, bootstrap_result=theirs, method="percentile", rng=np.random.default_rng(4)
    )
    plain = percentile(draws, float(data.mean()))
    assert (plain.low, plain.high) == pytest.approx(tuple(again.confidence_interval), rel=1e-9)


def test_the_bootstrap_of_examples_has_scipys_standard_error() -> None:
    sample = simulate(Design(seeds=1, languages=1, examples=500), np.random.default_rng(5))
    contrast = Contrast("gain", (1,), (0,))
    mine = bootstrap_interval(resample(sample, [contrast], draws=4000), sample, 0)
    values = 100 * (sample.pools[0].numerator[:, 0, 1] - sample.pools[0].numerator[:, 0, 0])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, rng=np.random.default_rng(6))
    assert mine.se == pytest.approx(theirs.standard_error, rel=0.06)
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.25 * theirs.standard_error)


def test_languages_of_one_size_share_weights_and_stay_independent() -> None:
    design = Design(seeds=1, languages=6, examples=200)
    sample = simulate(design, np.random.default_rng(10))
    draws = resample(sample, [design.contrast], draws=4000).values[0]
    together = np.corrcoef(draws)[np.triu_indices(6, 1)]
    assert np.abs(together).max() < 0.08
    expected = np.sqrt(sum(noise_of(influence_of(sample, design.contrast, [c])).variance for c in sample.languages)) / 6
    assert draws.mean(axis=0).std() == pytest.approx(expected, rel=0.05)


def test_parallel_examples_are_resampled_together() -> None:
    one = {"a": RunOutcomes(list("xyz"), np.array([1.0, 0, 1])), "b": RunOutcomes(list("zxy"), np.array([1.0, 1, 0]))}
    other = {code: RunOutcomes(found.ids, 0 * found.numerator) for code, found in one.items()}
    sample = make_sample({"arm": one, "base": other}, parallel=True)
    draws = resample(sample, [Contrast("gain", (0,), (1,))], draws=500).values[0]
    assert (draws[0] == draws[1]).all()
    apart = make_sample({"arm": one, "base": other}, parallel=False)
    draws = resample(apart, [Contrast("gain", (0,), (1,))], draws=500).values[0]
    assert (draws[0] != draws[1]).any()


def shuffled(sample: Sample, order: np.random.Generator) -> Sample:
    """The same outcomes, read in another order."""
    outcomes = {}
    for run in order.permutation(len(sample.runs)):
        languages = {}
        for pool in [sample.pools[place] for place in order.permutation(len(sample.pools))]:
            for column in order.permutation(len(pool.languages)):
                rows = order.permutation(len(pool.units))
                languages[pool.languages[column]] = RunOutcomes(
                    [pool.units[row] for row in rows],
                    pool.numerator[rows, column, run],
                    None if pool.denominator is None else pool.denominator[rows, column, run],
                )
        outcomes[sample.runs[run]] = languages
    return make_sample(outcomes, parallel=len(sample.pools) == 1)


@pytest.mark.parametrize("design", [Design(examples=60), Design(examples=60, parallel=True), Design(counts=True)])
def test_the_same_bytes_in_any_order(design: Design) -> None:
    random = np.random.default_rng(11)
    sample = simulate(design, random)
    again = shuffled(sample, random)
    first = resample(sample, [design.contrast], draws=300, seed=5)
    second = resample(again, [design.contrast], draws=300, seed=5)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.values.tobytes() != resample(sample, [design.contrast], draws=300, seed=6).values.tobytes()
    assert gain_interval(sample, design.contrast) == gain_interval(again, design.contrast)


def test_runs_of_different_examples_are_refused() -> None:
    one = {"a": RunOutcomes(["x", "y"], np.ones(2))}
    with pytest.raises(DataError, match="same examples"):
        make_sample({"r": one, "s": {"a": RunOutcomes(["x", "z"], np.ones(2))}}, parallel=False)
    with pytest.raises(DataError, match="no outcomes in a"):
        make_sample({"r": one, "s": {}}, parallel=False)


@given(st.integers(1, 40), st.integers(1, 60))
def test_weights_are_counts_of_draws_with_replacement(units: int, draws: int) -> None:
    blocks = list(counts(units, draws, stream(0)))
    assert sum(place.stop - place.start for place, _ in blocks) == draws
    for _, block in blocks:
        assert (block.sum(axis=1) == units).all()


def test_resampling_languages_widens_the_draws() -> None:
    design = Design(seeds=5, languages=8, by_language=0.3)
    sample = simulate(design, np.random.default_rng(12))
    here = resample(sample, [design.contrast], draws=500).mean(0)
    general = resample(sample, [design.contrast], draws=500, languages=True).mean(0)
    assert general.std() > 1.5 * here.std()
    assert general.mean() == pytest.approx(here.mean(), abs=0.6)
