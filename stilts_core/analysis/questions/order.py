"""Does the order of intermediate tasks matter, and can similarity pick them?

*Order.* Curricula that are named ``A-B`` and ``B-A`` are the same tasks in either order; ``A.B`` is both at once. The
order effect is the score after A then B less that after B then A, paired over seeds. *Forgetting* is what a sequence
has lost on a task since the step that taught it. *Similarity.* Methods that rank single tasks for a target before
anything is trained on it are compared with the gains: rank correlations, nDCG, and the regret of trying the first k,
beside a random order, and what they cost beside trying every task. *Recommendation.* The curriculum with the largest
gain, chosen on all seeds but one and scored on that one, for each in turn, so that its expected gain is not the
largest of several.

Metrics of the table: ``similarity_NAME`` (curriculum and target; language ``-``), ``cost_NAME`` (seconds; the same or
for target ``-``), ``cost_trial`` (of training a curriculum, and of a target after it), ``after_N_TASK`` (a curriculum's
score on TASK after its step N; target and language ``-``). A study with `sequences` has all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import Frame
from stilts_core.analysis.questions import order_blocks as blocks
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.questions.sequences import (
    JOINT,
    ORDER,
    Effect,
    Forgotten,
    Recommended,
    decisive,
    effects_of,
    forgotten_of,
    recommended_of,
    reversals,
)
from stilts_core.analysis.questions.similarity import FEWEST, SIMILARITY, TRIAL, Method, methods_of, seconds
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block
from stilts_core.analysis.report.columns import ends
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.ranking import smallest_p
from stilts_core.analysis.summary import ALL_TARGETS
from stilts_core.analysis.transfer import ALPHA
from stilts_core.spec.study import BASELINE

NAME, TITLE = "order", "The order of intermediate tasks, and similarity"


def has_data(frame: Frame, scores: Scores) -> bool:
    """There are both orders of some tasks, or similarities."""
    return bool(reversals(scores.curricula)) or any(name.startswith(SIMILARITY) for name in frame.present("metric"))


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:
    """The answer, or why there is none."""
    effects = effects_of(scores)
    methods = methods_of(frame, scores)
    if not effects and not methods:
        text = (
            "The results at hand can't answer this: there is no pair of curricula A-B and B-A with runs of the same "
            f"seeds, and no similarity of {FEWEST} curricula to a target."
        )
        return QuestionAnswer(NAME, TITLE, text, answered=False)
    forgotten = forgotten_of(frame, scores)
    best = recommended_of(scores, evidence)
    trials = {one.encoder: seconds(frame, TRIAL, one.encoder, one.candidates) for one in methods}
    parts: list[Block] = [
        *blocks.matrix(scores, evidence),
        *blocks.effects(effects),
        *blocks.forgetting(forgotten),
        *blocks.similarity(methods, trials),
        *blocks.recommendation(best),
    ]
    text = " ".join(
        filter(None, (_order_words(effects), _forgetting_words(forgotten), _method_words(methods), _best_words(best)))
    )
    caveats = tuple(_caveats(effects, methods, trials, best, scores))
    tables = blocks.csv_tables(effects, forgotten, methods, trials, best)
    return QuestionAnswer(NAME, TITLE, text, caveats, True, tuple(parts), tables)


def _order_words(effects: Sequence[Effect]) -> str:
    mine = [one for one in decisive(effects) if one.kind == ORDER]
    if not mine:
        return ""
    where = "on the mean of the targets" if mine[0].target == ALL_TARGETS else f"on {mine[0].target}"
    pairs = words.counted(len(mine), "pair of orders", "pairs of orders")
    shown = sorted((one for one in mine if one.shown), key=lambda one: -abs(one.interval.estimate))
    if shown:
        best = shown[0]
        ahead, behind = (best.first, best.second) if best.interval.estimate > 0 else (best.second, best.first)
        text = (
            f"The order matters in {len(shown)} of {pairs} {where}; most for {ahead}, which is "
            f"{words.score(abs(best.interval.estimate))} points above {behind} ({ends(best.interval)} for "
            f"{best.first} less {best.second})."
        )
    else:
        widest = max(abs(end) for one in mine for end in (one.interval.low, one.interval.high))
        known = f"; effects above {words.score(widest)} points are ruled out" if np.isfinite(widest) else ""
        text = f"That the order matters {where} is not shown in any of {pairs}{known}."
    single = [one for one in effects if one.kind == ORDER and one.target != ALL_TARGETS]
    if len(single) > len(mine):
        count = sum(one.shown for one in single)
        text += f" On single targets it is shown in {count} of {words.counted(len(single), 'comparison')}."
    joint = [one for one in decisive(effects) if one.kind == JOINT]
    if joint:
        above = sum(one.shown and one.interval.estimate > 0 for one in joint)
        below = sum(one.shown and one.interval.estimate < 0 for one in joint)
        sets = words.counted(len(joint), "set")
        text += (
            f" Training on the tasks at once is shown to be above the mean of both orders in {above}, and below it in "
            f"{below}, of {sets}."
            if above + below
            else f" That training on the tasks at once differs from the mean of both orders is not shown in {sets}."
        )
    return text


def _forgetting_words(forgotten: Sequence[Forgotten]) -> str:
    known = [one for one in forgotten if np.isfinite(one.interval.low)]
    if not known:
        return ""
    lost = sorted((one for one in known if one.interval.high < 0), key=lambda one: one.interval.estimate)
    if not lost:
        return (
            f"No later step is shown to cost an earlier task anything ({words.counted(len(known), 'comparison')}, with "
            "the head that the task was taught with)."
        )
    most = lost[0]
    return (
        f"Later steps cost an earlier task something in {len(lost)} of {words.counted(len(known), 'comparison')}: most "
        f"{most.task} after {most.curriculum}, {words.signed(most.interval.estimate)} points from "
        f"{words.score(most.before)} ({ends(most.interval)})."
    )


def _method_words(methods: Sequence[Method]) -> str:
    if not methods:
        return ""
    fewest, family = min(len(one.candidates) for one in methods), max(one.family for one in methods)
    many = words.counted(len(methods), "similarity", "similarities")
    needed = next(n for n in range(FEWEST, 20) if smallest_p(n) * family < ALPHA)
    works = sorted((one for one in methods if one.shown), key=lambda one: -one.spearman.estimate)
    if works:
        best = works[0]
        return (
            f"Of {many}, {len(works)} {'ranks' if len(works) == 1 else 'rank'} the tasks better than a random order; "
            f"{best.name} does best: Spearman {words.signed(best.spearman.estimate, 2)} on average "
            f"({ends(best.spearman, 2)}), and its first choice loses {words.score(best.regret.estimate)} points "
            "against the best."
        )
    if fewest < needed:
        return (
            f"Whether a similarity ranks the tasks can't be told: there are {words.number(fewest)}, and with {many} no "
            f"order of fewer than {words.number(needed)} tasks could be told from a random one."
        )
    return f"None of {many} is shown to rank the {words.number(fewest)} tasks better than a random order."


def _best_words(best: Sequence[Recommended]) -> str:
    overall = [one for one in best if one.target == ALL_TARGETS] or list(best)
    encoders = {one.encoder for one in overall}
    return " ".join(_recommended_words(one, len(encoders) > 1) for one in overall)


def _recommended_words(one: Recommended, named: bool) -> str:
    encoder = f" with {one.encoder}" if named else ""
    curriculum = "no intermediate training" if one.curriculum == BASELINE else one.curriculum
    where = "on the mean of the targets" if one.target == ALL_TARGETS else f"on {one.target}"
    if one.expected is None:
        return f"With one seed no recommendation{encoder} can be checked; {curriculum} has the largest gain {where}."
    text = (
        f"Recommended{encoder}: {curriculum}, chosen in {one.agreed} of {one.choices} leave-one-seed-out choices; "
        f"choosing so gains {words.signed(one.expected.estimate)} points ({ends(one.expected)}) {where}"
    )
    if one.over_single is not None:
        text += (
            f", {words.signed(one.over_single.estimate)} ({ends(one.over_single)}) against choosing among single tasks"
        )
    return f"{text}."


def _caveats(
    effects: Sequence[Effect],
    methods: Sequence[Method],
    trials: dict[str, float | None],
    best: Sequence[Recommended],
    scores: Scores,
) -> Iterator[str]:
    if effects:
        family = max(one.family for one in decisive(effects))
        yield (
            f"Order effects are paired over {words.counted(len(scores.seeds), 'seed')}; on the mean of the targets "
            f"they are corrected by Holm's method (families of {family} at most), on single targets by Benjamini and "
            "Hochberg's."
        )
    if methods:
        fewest = min(len(one.candidates) for one in methods)
        yield (
            f"Rankings are of {words.counted(fewest, 'task')} at the least. The test of a method lets tasks change "
            "places on all targets at once, since targets share the tasks and their runs. The best observed gain is "
            "the largest of several noisy ones, so regrets are too large rather than too small."
        )
        dear = [one for one in methods if (trial := trials.get(one.encoder)) and one.cost and one.cost > trial]
        if dear:
            yield f"Dearer than trying every task here: {words.listed([one.name for one in dear])}."
    if any(one.expected is not None and one.choices < 3 for one in best):
        yield "With two seeds a recommendation rests on single runs."
