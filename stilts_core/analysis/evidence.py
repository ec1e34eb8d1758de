"""What the results show: gains with intervals, the best curriculum of each target, claims, runs that went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stilts_core.analysis.claims import Verdict, judge
from stilts_core.analysis.outcomes import SampleOf, no_samples
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.selection import Best, best_curriculum
from stilts_core.analysis.summary import baseline_of
from stilts_core.analysis.transfer import Gain, corrected, gain_on, mean_gain
from stilts_core.analysis.wrong_runs import WrongRun, wrong_runs
from stilts_core.spec.claims import Claim


@dataclass(frozen=True, slots=True)
class Evidence:
    """The statistics of a study.

    Attributes:
        gains: in the order of the study; after an arm's targets their mean.
        best: one for each encoder and target with two curricula to choose from.
        verdicts: on the study's claims, one for each encoder.
        wrong: runs that went wrong.
    """

    gains: tuple[Gain, ...] = ()
    best: tuple[Best, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    wrong: tuple[WrongRun, ...] = ()

    def gain(self, encoder: str, curriculum: str, target: str) -> Gain | None:
        wanted = (encoder, curriculum, target)
        return next((g for g in self.gains if (g.encoder, g.curriculum, g.target) == wanted), None)


def find_evidence(
    scores: Scores, sample_of: SampleOf = no_samples, claims: Sequence[Claim] = (), dev: Scores | None = None
) -> Evidence:
    """All statistics of a study; each target's outcomes are read once and let go.

    Args:
        scores: the cubes that report.
        sample_of: the outcomes of single examples, where there are any.
        claims: what is to be judged.
        dev: scores on the development sets, to choose curricula by, where there are any.
    """
    base = baseline_of(scores)
    against = [scores.curricula.index(claim.against) for claim in claims if claim.against in scores.curricula]
    compared = list(dict.fromkeys([*([] if base is None else [base]), *against]))
    curricula = range(len(scores.curricula))
    gains: list[Gain] = []
    best: list[Best] = []
    verdicts: list[Verdict] = []
    for e in range(len(scores.encoders)):
        found: dict[tuple[int, int], dict[str, Gain | None]] = {
            (c, b): {} for b in compared for c in curricula if c != b
        }
        for target in scores.targets:
            sample = sample_of(scores.encoders[e], target.target)
            for (c, b), of_pair in found.items():
                of_pair[target.target] = gain_on(scores, target, sample, e, c, b)
            chosen = best_curriculum(scores, target, sample, e, dev)
            best += [] if chosen is None else [chosen]
        if base is not None:
            gains += _gains(scores, found, e, base)
        verdicts += [judge(claim, scores, e, found) for claim in claims]
    return Evidence(tuple(gains), tuple(best), tuple(verdicts), wrong_runs(scores))


def _gains(scores: Scores, found: Mapping[tuple[int, int], Mapping[str, Gain | None]], e: int, base: int) -> list[Gain]:
    mine = {c: of_pair for (c, b), of_pair in found.items() if b == base}
    by_target = {
        (c, target): gain for c, of_pair in mine.items() for target, gain in of_pair.items() if gain is not None
    }
    means = (
        {c: mean_gain(scores, of_pair, e, c, base) for c, of_pair in mine.items()} if len(scores.targets) > 1 else {}
    )
    return list(corrected(by_target, {c: gain for c, gain in means.items() if gain is not None}))
