"""How often the intervals hold the truth, and how often the tests find what is not there: ``make bench-coverage``.

Each design is simulated 1,000 times with a planted gain (`tests/planted.py`); an interval of 95 % should hold it 94 to
96 % of the time. The percentile bootstrap and its expanded form stand beside the intervals that stilts reports, to show
why it does not report them for few seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np
from planted import Design, simulate

from stilts_core.analysis.statistics.bootstrap import (
    bootstrap_interval,
    gain_interval,
    languages_gain_interval,
    percentile,
    resample,
)
from stilts_core.analysis.statistics.paired import permutation

DESIGNS = {
    "2 seeds": Design(seeds=2),
    "3 seeds": Design(seeds=3),
    "5 seeds": Design(seeds=5),
    "10 seeds": Design(seeds=10),
    "5 seeds, seeds vary much": Design(seeds=5, by_seed=0.3),
    "5 seeds, seeds hardly vary": Design(seeds=5, by_seed=0.0),
    "3 seeds, parallel": Design(seeds=3, parallel=True, languages=6),
    "5 seeds, parallel": Design(seeds=5, parallel=True, languages=6),
    "5 seeds, counts": Design(seeds=5, counts=True),
    "2 seeds, gains by example": Design(seeds=2, by_example_gain=0.8),
    "3 seeds, gains by example": Design(seeds=3, by_example_gain=0.8),
    "5 seeds, gains by example": Design(seeds=5, by_example_gain=0.8),
    "5 seeds, no gain": Design(seeds=5, gain=0.0, by_seed=0.0),
}
LANGUAGES = {
    "5 seeds, 8 languages": Design(seeds=5, languages=8, by_language=0.15),
    "3 seeds, 20 languages": Design(seeds=3, languages=20, by_language=0.15),
    "5 seeds, 12 languages, parallel": Design(seeds=5, languages=12, by_language=0.15, parallel=True),
    "5 seeds, 20 languages": Design(seeds=5, languages=20, by_language=0.15),
}


def coverage(design: Design, times: int, draws: int, seed: int, *, in_general: bool = False) -> dict[str, float]:
    """Share of intervals that hold the truth, percent, by method; without a gain, of permutation tests below 0.05."""
    random = np.random.default_rng([seed, design.seeds, design.languages, design.examples])
    held = {"reported": 0, "percentile": 0, "expanded": 0, "bca": 0}
    found = 0
    interval = languages_gain_interval if in_general else gain_interval
    for place in range(times):
        sample = simulate(design, random)
        reported = interval(sample, design.contrast)
        held["reported"] += reported.low <= design.truth <= reported.high
        units = design.seeds if not in_general else min(design.seeds, design.languages)
        if draws:
            boot = resample(sample, [design.contrast], draws=draws, seed=place, languages=in_general)
            mean, estimate = boot.mean(0), float(boot.estimate.mean())
            for name, one in (
                ("percentile", percentile(mean, estimate)),
                ("expanded", percentile(mean, estimate, widen=units)),
                ("bca", bootstrap_interval(boot, sample, 0)),
            ):
                held[name] += one.low <= design.truth <= one.high
        if not design.gain:
            of_examples = design.contrast.of(sample.pools[0].numerator[:, 0]).mean(axis=1)
            found += permutation(of_examples, draws=999, seed=place).p <= 0.05
    if not draws:
        held = {"reported": held["reported"]}
    shares = {name: 100 * count / times for name, count in held.items()}
    return shares if design.gain else {**shares, "permutation test below 0.05": 100 * found / times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    records = []
    for title, designs, general in (("these languages", DESIGNS, False), ("languages in general", LANGUAGES, True)):
        for name, design in designs.items():
            began = time.perf_counter()
            shares = coverage(replace(design), options.times, options.draws, options.seed, in_general=general)
            seconds = round(time.perf_counter() - began, 1)
            records.append({"about": title, "design": name, "truth": design.truth, **shares, "seconds": seconds})
            if not options.json:
                print(f"{title}; {name}: " + ", ".join(f"{key} {value:.1f} %" for key, value in shares.items()))
    if options.json:
        print(json.dumps({"times": options.times, "draws": options.draws, "coverage": records}, indent=1))


if __name__ == "__main__":
    main()
