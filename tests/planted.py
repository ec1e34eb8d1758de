"""Studies with effects that are known: outcomes of a probit model with seeds, examples and languages as random factors.

An answer is right when μ + a_seed + b_example + noise > 0, all normal; so the true score of an arm is 100 Φ(μ / √(1 +
σ_a² + σ_b²)), and the true gain the difference of two of them. Languages and examples can have gains of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stilts_core.analysis.statistics.bootstrap import Contrast
from stilts_core.analysis.statistics.sample import Pool, Sample


@dataclass(frozen=True)
class Design:
    """What is simulated.

    Attributes:
        gain: of the arm over the baseline on the latent scale.
        by_seed: σ of a run; runs of both arms vary on their own.
        by_example: σ of an example, common to all runs.
        by_example_gain: σ of an example's own gain on the latent scale, common to the arm's runs.
        by_language: σ of a language's own gain on the latent scale: languages are a sample.
        counts: outcomes are counts whose score is a ratio, as of tagging.
    """

    seeds: int = 5
    examples: int = 300
    languages: int = 3
    parallel: bool = False
    gain: float = 0.1
    by_seed: float = 0.05
    by_example: float = 0.7
    by_example_gain: float = 0.0
    by_language: float = 0.0
    level: float = 0.6
    counts: bool = False

    @property
    def truth(self) -> float:
        """The gain in points, over all seeds, examples and languages."""
        spread = np.sqrt(1 + self.by_seed**2 + self.by_example**2)
        of_arm = np.sqrt(spread**2 + self.by_language**2 + self.by_example_gain**2)
        return float(100 * (ndtr((self.level + self.gain) / of_arm) - ndtr(self.level / spread)))

    @property
    def contrast(self) -> Contrast:
        return Contrast("gain", tuple(range(self.seeds, 2 * self.seeds)), tuple(range(self.seeds)))


def simulate(design: Design, random: np.random.Generator) -> Sample:
    """Runs 0 to S - 1 are the baseline's, S to 2 S - 1 the arm's."""
    shape = (design.examples, design.languages, 2 * design.seeds)
    latent = np.full(shape, design.level)
    latent[:, :, design.seeds :] += design.gain
    latent[:, :, design.seeds :] += random.normal(0, design.by_language, (1, design.languages, 1))
    latent += random.normal(0, design.by_seed, (1, 1, 2 * design.seeds))
    if design.parallel:
        latent += random.normal(0, design.by_example, (design.examples, 1, 1))
    else:
        latent += random.normal(0, design.by_example, (design.examples, design.languages, 1))
    if design.by_example_gain:
        languages = 1 if design.parallel else design.languages
        latent[:, :, design.seeds :] += random.normal(0, design.by_example_gain, (design.examples, languages, 1))
    sizes = random.integers(1, 6, (design.examples, design.languages, 1)) if design.counts else np.array(1)
    probability = ndtr(latent)
    numerator = random.binomial(sizes, probability).astype(np.float64) if design.counts else None
    if numerator is None:
        numerator = (random.random(shape) < probability).astype(np.float64)
    denominator = np.broadcast_to(sizes, shape).astype(np.float64) if design.counts else None
    names = tuple(f"l{place:02d}" for place in range(design.languages))
    units = tuple(f"{place:05d}" for place in range(design.examples))
    runs = tuple(f"r{place:02d}" for place in range(2 * design.seeds))
    if design.parallel:
        return Sample(runs, (Pool(names, units, numerator, denominator),))
    pools = [
        Pool((name,), units, numerator[:, [place]], None if denominator is None else denominator[:, [place]])
        for place, name in enumerate(names)
    ]
    return Sample(runs, tuple(pools))
