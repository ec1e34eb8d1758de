"""The question on efficiency in words, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

import numpy as np

from stilts_core.analysis.questions.answer import CsvTable, QuestionAnswer
from stilts_core.analysis.questions.efficiency import MARGIN, NAME, TITLE, Equal, Found, LanguageCost, Point
from stilts_core.analysis.questions.efficiency_costs import MEASURES, cost_records, mean_costs
from stilts_core.analysis.questions.measured_costs import PER_BLOCK
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, Fold, Plot, Table
from stilts_core.analysis.report.figures import Style, key_mark, scatter_plot
from stilts_core.analysis.statistics.correlation import correlation
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.table import rounded

FEWEST = 4
"""Languages from which on a correlation is given."""
_PERCENT = round(100 * (MARGIN - 1))


def shown(found: Sequence[Found]) -> QuestionAnswer:
    """The answer from what was found on each target."""
    several = len(found) > 1
    texts = [(f"{one.costs.target}: " if several else "") + " ".join(_words(one)) for one in found]
    return QuestionAnswer(
        NAME,
        TITLE,
        " ".join(texts),
        tuple(_caveats(found)),
        True,
        tuple(block for one in found for block in _blocks(one)),
        tuple(_tables(found)),
    )


def _words(found: Found) -> Iterator[str]:
    yield from _of_equality(found.equal)
    yield from _of_front(found)
    yield from _of_exits(found.points)
    yield from _of_languages(found.languages)


def _of_equality(equal: Sequence[Equal]) -> Iterator[str]:
    if not equal:
        yield "No arm was timed beside a baseline, so nothing is said of what intermediate training costs."
        return
    verdicts = {name: [one for one in equal if one.verdict == name] for name in ("equal", "slower", "faster", "open")}
    blocks = words.span([float(one.blocks) for one in equal]).replace(".0", "")
    if verdicts["equal"]:
        ratios = _ratios(verdicts["equal"])
        if len(verdicts["equal"]) == len(equal):
            who = "every arm" if len(equal) > 1 else f"{equal[0].curriculum} with {equal[0].encoder}"
            yield (
                f"Intermediate training leaves the time of inference unchanged: {who} is within {_PERCENT} % of its "
                f"baseline ({ratios} times its time; two one-sided tests over {blocks} blocks, corrected for "
                f"{words.counted(len(equal), 'arm')})."
            )
        else:
            yield (
                f"Within {_PERCENT} % of their baseline's time, corrected for {words.counted(len(equal), 'arm')}: "
                f"{_arms(verdicts['equal'])} ({ratios} times)."
            )
    for name in ("slower", "faster"):
        for one in verdicts[name]:
            yield f"{one.curriculum} with {one.encoder} is {name} than its baseline: {_times(one.ratio)}."
    for one in verdicts["open"]:
        yield (
            f"That {one.curriculum} with {one.encoder} is within {_PERCENT} % of its baseline is not shown: "
            f"{_times(one.ratio)} over {one.blocks} blocks."
        )


def _ratios(equal: Sequence[Equal]) -> str:
    low, high = (f(one.ratio.estimate for one in equal) for f in (min, max))
    return f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"


def _arms(equal: Sequence[Equal]) -> str:
    return words.listed([f"{one.curriculum} with {one.encoder}" for one in equal])


def _times(ratio: Interval) -> str:
    return f"{ratio.estimate:.3f} times its time, 95 % interval {ratio.low:.3f} to {ratio.high:.3f}"


def _of_front(found: Found) -> Iterator[str]:
    for precision in found.costs.precisions[:1]:
        front = [one for one in found.points if one.precision == precision and one.on_front]
        if not front:
            return
        front.sort(key=lambda one: one.latency.estimate)
        named = [_model(one) for one in front]
        shares = words.span([100 * one.front for one in front])
        held = len([one for one in found.points if one.precision == precision])
        batch = "one sentence" if found.costs.single == 1 else f"{found.costs.single} sentences"
        yield (
            f"Of {words.counted(held, 'model')}, whole or cut, these are worth their time in {precision} with {batch} "
            f"at a time, from the fastest to the best: {words.listed(named)}; each in {shares} % of resamples of "
            "blocks and examples. Every other one is no faster and no better than one of them."
        )


def _model(point: Point) -> str:
    name = f"{point.encoder}/{point.curriculum}"
    return name if point.whole else f"{name} after {words.counted(point.layers, 'layer')}"


def _of_exits(points: Sequence[Point]) -> Iterator[str]:
    cut = [one for one in points if one.speedup is not None and one.precision == points[0].precision]
    if not cut:
        return
    whole = {(one.encoder, one.curriculum): one for one in points if one.whole and one.precision == cut[0].precision}
    least = min(cut, key=lambda one: whole[one.encoder, one.curriculum].accuracy - one.accuracy)
    lost = whole[least.encoder, least.curriculum].accuracy - least.accuracy
    speedup = least.speedup
    assert speedup is not None  # noqa: S101 (those without were left out)
    change = f"costs {words.score(lost)} points" if lost > 0 else f"gains {words.score(-lost)} points"
    yield (
        f"The early exit that gives up least is {_model(least)}: it {change} and is {speedup.estimate:.2f} times as "
        f"fast ({speedup.low:.2f} to {speedup.high:.2f})."
    )


def _of_languages(languages: Sequence[LanguageCost]) -> Iterator[str]:
    compared = [one for one in languages if one.ratio is not None]
    if not compared:
        return
    slowest = max(compared, key=lambda one: one.ratio.estimate if one.ratio else 0.0)
    ratio = slowest.ratio
    assert ratio is not None  # noqa: S101 (those without were left out)
    english = next(one for one in languages if one.language == "en" and one.encoder == slowest.encoder)
    dearest = (
        f"the dearest beside English is {slowest.language} with {slowest.encoder}, {ratio.estimate:.2f} times its time "
        f"({ratio.low:.2f} to {ratio.high:.2f}), with {words.score(slowest.tokens)} tokens a sentence against "
        f"{words.score(english.tokens)}."
    )
    text = dearest if ratio.low > 1 else f"no language is shown to cost more time than English; {dearest}"
    yield text[:1].upper() + text[1:]
    mine = [one for one in languages if one.encoder == slowest.encoder and not np.isnan(one.tokens)]
    tokens, times = (np.array([getattr(one, name) for one in mine]) for name in ("tokens", "latency"))
    if len(mine) >= FEWEST and tokens.std() > 0 and times.std() > 0:
        yield (
            f"Over the {len(mine)} languages, time and tokens a sentence have a rank correlation of "
            f"{correlation(tokens, times).spearman:.2f}."
        )


def _caveats(found: Sequence[Found]) -> Iterator[str]:
    costs = found[0].costs
    passes = costs.n[costs.of(PER_BLOCK)]
    least = int(passes.min()) if len(passes) else 0
    blocks = len(np.unique(costs.block[costs.block >= 0]))
    yield (
        "A time is from token ids in the host's memory to the logits there, without the tokenizer; sentences are "
        f"padded to the longest of their batch. Every condition was timed in {blocks} blocks, {least} passes in all, "
        "each block in a random order of its own; intervals are over blocks, so they hold for this machine and its "
        f"load alone. A 99th percentile of {least} passes is close to the slowest of them."
    )
    yield (
        "Scores are those of the evaluation, whatever the precision that was timed; only models of the first seeds "
        "were timed. An early exit is one layer for all inputs, with a classifier of its own on the frozen encoder."
    )
    if "joules_per_sentence" not in costs.measures:
        yield "The device reports no energy, so there is none here."


def _blocks(found: Found) -> Iterator[Block]:
    if found.equal:
        yield _equality_table(found.equal)
    yield from _front_figures(found)
    if found.points:
        yield _points_table(found.points)
    yield from _language_figure(found)
    if found.languages:
        yield Fold("What each language costs", _languages_table(found))
    yield Fold("Every precision, batch and length", _cost_table(found))


def _equality_table(equal: Sequence[Equal]) -> Table:
    says = {"equal": "within the margin", "slower": "slower", "faster": "faster", "open": "not shown"}
    return Table(
        caption=f"Time of an arm's passes as a multiple of its baseline's, with its interval of 95 % over blocks; the "
        f"margin of equality is {_PERCENT} %.",
        columns=(
            Column("Arm", numeric=False),
            Column("Ratio"),
            Column("95 % interval"),
            Column("p of equality", title="of the two one-sided tests, corrected by Holm's method"),
            Column("Verdict", numeric=False),
        ),
        rows=tuple(
            (
                Cell(one.curriculum, sub=one.encoder),
                Cell(f"{one.ratio.estimate:.3f}", sub=words.counted(one.conditions, "condition")),
                Cell(f"{one.ratio.low:.3f} to {one.ratio.high:.3f}", sub=words.counted(one.blocks, "block")),
                Cell(f"{one.adjusted:.3g}"),
                Cell(says[one.verdict]),
            )
            for one in equal
        ),
        source="tables/efficiency_equality.csv",
    )


def _front_figures(found: Found) -> Iterator[Plot]:
    encoders = list(dict.fromkeys(one.encoder for one in found.points))
    styles = {name: Style(place + 1) for place, name in enumerate(encoders)}
    batch = "one sentence" if found.costs.single == 1 else f"{found.costs.single} sentences"
    for precision in dict.fromkeys(one.precision for one in found.points):
        mine = [one for one in found.points if one.precision == precision]
        corners = sorted((one.latency.estimate, one.accuracy) for one in mine if one.on_front)
        steps = [(right, low) for (_, low), (right, _) in pairwise(corners)]
        front = [point for pair in zip_longest(corners, steps) for point in pair if point is not None]
        label = f"Score against the median time of {batch} in {precision}, mean over the languages"
        yield Plot(
            caption=f"{label}: across milliseconds, up percent. Above and left of the line there is "
            "nothing: its corners are the models that are worth their time.",
            drawing=scatter_plot(
                [(_model(one), styles[one.encoder], one.latency.estimate, one.accuracy) for one in mine], label, front
            ),
            key=tuple((key_mark(styles[name]), name) for name in encoders),
            source="tables/efficiency_front.csv",
        )


def _points_table(points: Sequence[Point]) -> Table:
    return Table(
        caption="Models, whole and cut: median time of the smallest batch, score, operations, and the share of "
        "resamples (blocks, examples) in which no other is as fast and as good. ● is on the front.",
        columns=(
            Column("Model", numeric=False),
            Column("Precision", numeric=False),
            Column("Milliseconds"),
            Column("Score"),
            Column("GFLOP a sentence"),
            Column("Times as fast as whole"),
            Column("On the front"),
        ),
        rows=tuple(
            (
                Cell(_model(one)),
                Cell(one.precision),
                Cell(f"{one.latency.estimate:.3g}", sub=f"{one.latency.low:.3g} to {one.latency.high:.3g}"),
                Cell(words.score(one.accuracy)),
                Cell(words.NOTHING if np.isnan(one.flops) else f"{one.flops / 1e9:.3g}"),
                Cell(words.NOTHING)
                if one.speedup is None
                else Cell(f"{one.speedup.estimate:.2f}", sub=f"{one.speedup.low:.2f} to {one.speedup.high:.2f}"),
                Cell(f"{100 * one.front:.0f} %", flag="●" if one.on_front else ""),
            )
            for one in points
        ),
        source="tables/efficiency_front.csv",
    )


def _language_figure(found: Found) -> Iterator[Plot]:
    known = [one for one in found.languages if not np.isnan(one.tokens)]
    if not known:
        return
    encoders = list(dict.fromkeys(one.encoder for one in known))
    styles = {name: Style(place + 1) for place, name in enumerate(encoders)}
    label = f"Median time against tokens of a sentence, by language, in {found.costs.precisions[0]}"
    yield Plot(
        caption=f"{label}: across tokens, up milliseconds; a mark for each language.",
        drawing=scatter_plot([(one.language, styles[one.encoder], one.tokens, one.latency) for one in known], label),
        key=tuple((key_mark(styles[name]), name) for name in encoders),
        source="tables/efficiency_languages.csv",
    )


def _languages_table(found: Found) -> Table:
    return Table(
        caption=f"Languages, sentences as they come, whole models, {found.costs.precisions[0]}, mean over the arms: "
        f"median time of {words.counted(found.costs.single, 'sentence')}, and sentences a second in batches of "
        f"{found.costs.largest}.",
        columns=(
            Column("Language", numeric=False),
            Column("Encoder", numeric=False),
            Column("Tokens"),
            Column("GFLOP"),
            Column("Milliseconds"),
            Column("Times English"),
            Column("Sentences a second"),
        ),
        rows=tuple(
            (
                Cell(one.language),
                Cell(one.encoder),
                Cell(words.score(one.tokens)),
                Cell(f"{one.flops / 1e9:.3g}"),
                Cell(f"{one.latency:.3g}"),
                Cell(words.NOTHING)
                if one.ratio is None
                else Cell(f"{one.ratio.estimate:.2f}", sub=f"{one.ratio.low:.2f} to {one.ratio.high:.2f}"),
                Cell(f"{one.throughput:,.0f}"),
            )
            for one in found.languages
        ),
        source="tables/efficiency_languages.csv",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _cost_table(found: Found) -> Table:
    heads = (
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "Sentences a second",
        "Tokens a second",
        "Peak memory, MiB",
        "J a sentence",
    )
    rows = []
    for (encoder, precision, batch, bucket), values in mean_costs(found.costs):
        texts = [words.NOTHING if value is None else _number(value) for value in values]
        rows.append((Cell(encoder), Cell(precision), Cell(str(batch)), Cell(bucket), *map(Cell, texts)))
    return Table(
        caption="Whole models, mean over arms and languages.",
        columns=(
            Column("Encoder", numeric=False),
            Column("Precision", numeric=False),
            Column("Batch"),
            Column("Tokens", numeric=False),
            *map(Column, heads),
        ),
        rows=tuple(rows),
        source="tables/efficiency_costs.csv",
    )


def _tables(found: Sequence[Found]) -> Iterator[CsvTable]:
    yield CsvTable(
        "efficiency_equality",
        (
            *("target", "encoder", "curriculum", "ratio", "low", "high", "margin", "p", "p_adjusted", "family"),
            *("conditions", "blocks", "verdict"),
        ),
        tuple(
            (
                *(one.costs.target, arm.encoder, arm.curriculum),
                *(rounded(value) for value in (arm.ratio.estimate, arm.ratio.low, arm.ratio.high, MARGIN)),
                *(rounded(arm.test.p), rounded(arm.adjusted), arm.family, arm.conditions, arm.blocks, arm.verdict),
            )
            for one in found
            for arm in one.equal
        ),
    )
    yield CsvTable(
        "efficiency_front",
        (
            *("target", "encoder", "curriculum", "precision", "layers", "whole", "latency_ms", "low", "high", "score"),
            *("flops_per_sentence", "speedup", "speedup_low", "speedup_high", "on_front", "front_share"),
        ),
        tuple(
            (
                *(one.costs.target, point.encoder, point.curriculum, point.precision, point.layers, int(point.whole)),
                *(rounded(v) for v in (point.latency.estimate, point.latency.low, point.latency.high)),
                *(rounded(point.accuracy), rounded(point.flops), *_ends(point.speedup)),
                *(int(point.on_front), rounded(point.front)),
            )
            for one in found
            for point in one.points
        ),
    )
    yield CsvTable(
        "efficiency_languages",
        (
            *("target", "encoder", "language", "tokens_per_sentence", "flops_per_sentence", "latency_ms"),
            *("times_english", "low", "high", "sentences_per_second"),
        ),
        tuple(
            (
                *(one.costs.target, cost.encoder, cost.language, rounded(cost.tokens), rounded(cost.flops)),
                *(rounded(cost.latency), *_ends(cost.ratio), rounded(cost.throughput)),
            )
            for one in found
            for cost in one.languages
        ),
    )
    yield CsvTable(
        "efficiency_costs",
        (
            *("target", "encoder", "curriculum", "seed", "precision", "batch", "tokens", "layers", "language"),
            *MEASURES,
        ),
        tuple(record for one in found for record in cost_records(one.costs)),
    )


def _ends(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    if interval is None:
        return None, None, None
    return rounded(interval.estimate), rounded(interval.low), rounded(interval.high)
