"""How long the hierarchical bootstrap takes: ``make bench-bootstrap``.

One arm against its baseline, 10,000 draws over 40 languages × 5,000 examples × 5 seeds, with yes-or-no outcomes and
with counts, with languages apart and parallel; and the eleven arms of a whole study at once.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
from planted import Design, simulate

from stilts_core.analysis.statistics.bootstrap import Contrast, gain_interval, resample
from stilts_core.analysis.statistics.sample import Pool, Sample


def many_arms(design: Design, arms: int, random: np.random.Generator) -> tuple[Sample, list[Contrast]]:
    """The outcomes of so many arms beside a baseline."""
    parts = [simulate(design, random) for _ in range((arms + 1) // 2)]
    pools = tuple(
        Pool(p[0].languages, p[0].units, np.concatenate([pool.numerator for pool in p], axis=2), None)
        for p in zip(*(part.pools for part in parts), strict=True)
    )
    runs = pools[0].numerator.shape[2]
    seeds = tuple(range(design.seeds))
    contrasts = [
        Contrast(f"arm {first}", tuple(range(first, first + design.seeds)), seeds)
        for first in range(design.seeds, runs, design.seeds)
    ]
    return Sample(tuple(f"r{place:03d}" for place in range(runs)), pools), contrasts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--languages", type=int, default=40)
    parser.add_argument("--examples", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = {"languages": options.languages, "examples": options.examples, "seeds": options.seeds}
    random = np.random.default_rng(0)
    records = []
    for name, design, arms in (
        ("languages apart", Design(**size), 1),
        ("parallel", Design(**size, parallel=True), 1),
        ("counts, languages apart", Design(**size, counts=True), 1),
        ("eleven arms, languages apart", Design(**size), 11),
    ):
        sample, contrasts = (simulate(design, random), [design.contrast])
        if arms > 1:
            sample, contrasts = many_arms(design, arms, random)
        began = time.perf_counter()
        resample(sample, contrasts, draws=options.draws)
        drawn = time.perf_counter()
        for contrast in contrasts:
            gain_interval(sample, contrast)
        record = {"case": name, "bootstrap_s": drawn - began, "intervals_s": time.perf_counter() - drawn}
        records.append({**record, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
        if not options.json:
            print(
                f"{name}: {record['bootstrap_s']:.1f} s for {options.draws:,} draws, t intervals in "
                f"{record['intervals_s']:.2f} s, peak so far {records[-1]['peak_mib']:.0f} MiB"
            )
    if options.json:
        print(json.dumps({"draws": options.draws, **size, "cases": records}, indent=1))


if __name__ == "__main__":
    main()
