"""The question on efficiency in words, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

import numpy as np

from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.questions.efficiency import MARGIN, NAME, TITLE, Equal, Found, LanguageCost, Point
from stilts_core.analysis.questions.efficiency_costs import MEASURES, Mean, cost_records, mean_costs
from stilts_core.analysis.questions.measured_costs import PER_BLOCK
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Fold, Plot, Table
from stilts_core.analysis.report.columns import CsvTable, Field, csv_table, interval_columns, label, table
from stilts_core.analysis.report.figures import Style, key_mark, scatter_plot
from stilts_core.analysis.statistics.correlation import correlation
from stilts_core.analysis.statistics.results import Interval

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
    return table(
        f"Time of an arm's passes as a multiple of its baseline's, with its interval of 95 % over blocks; the "
        f"margin of equality is {_PERCENT} %.",
        equal,
        label("Arm", lambda e: Cell(e.curriculum, sub=e.encoder)),
        Field("Ratio", lambda e: Cell(f"{e.ratio.estimate:.3f}", sub=words.counted(e.conditions, "condition"))),
        Field(
            "95 % interval",
            lambda e: Cell(f"{e.ratio.low:.3f} to {e.ratio.high:.3f}", sub=words.counted(e.blocks, "block")),
        ),
        Field(
            "p of equality",
            lambda e: f"{e.adjusted:.3g}",
            title="of the two one-sided tests, corrected by Holm's method",
        ),
        label("Verdict", lambda e: says[e.verdict]),
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
    return table(
        "Models, whole and cut: median time of the smallest batch, score, operations, and the share of "
        "resamples (blocks, examples) in which no other is as fast and as good. ● is on the front.",
        points,
        label("Model", _model),
        label("Precision", lambda p: p.precision),
        Field(
            "Milliseconds",
            lambda p: Cell(f"{p.latency.estimate:.3g}", sub=f"{p.latency.low:.3g} to {p.latency.high:.3g}"),
        ),
        Field("Score", lambda p: words.score(p.accuracy)),
        Field("GFLOP a sentence", lambda p: words.NOTHING if np.isnan(p.flops) else f"{p.flops / 1e9:.3g}"),
        Field("Times as fast as whole", lambda p: _ratio_cell(p.speedup)),
        Field("On the front", lambda p: Cell(f"{100 * p.front:.0f} %", flag="●" if p.on_front else "")),
        source="tables/efficiency_front.csv",
    )


def _ratio_cell(ratio: Interval | None) -> Cell:
    if ratio is None:
        return Cell(words.NOTHING)
    return Cell(f"{ratio.estimate:.2f}", sub=f"{ratio.low:.2f} to {ratio.high:.2f}")


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
    return table(
        f"Languages, sentences as they come, whole models, {found.costs.precisions[0]}, mean over the arms: "
        f"median time of {words.counted(found.costs.single, 'sentence')}, and sentences a second in batches of "
        f"{found.costs.largest}.",
        found.languages,
        label("Language", lambda c: c.language),
        label("Encoder", lambda c: c.encoder),
        Field("Tokens", lambda c: words.score(c.tokens)),
        Field("GFLOP", lambda c: f"{c.flops / 1e9:.3g}"),
        Field("Milliseconds", lambda c: f"{c.latency:.3g}"),
        Field("Times English", lambda c: _ratio_cell(c.ratio)),
        Field("Sentences a second", lambda c: f"{c.throughput:,.0f}"),
        source="tables/efficiency_languages.csv",
    )


def _number(value: float | None) -> str:
    if value is None:
        return words.NOTHING
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

    def measure(place: int) -> Field[Mean]:
        return Field(heads[place], lambda c: _number(c[1][place]))

    return table(
        "Whole models, mean over arms and languages.",
        mean_costs(found.costs),
        label("Encoder", lambda c: c[0][0]),
        label("Precision", lambda c: c[0][1]),
        Field("Batch", lambda c: str(c[0][2])),
        label("Tokens", lambda c: c[0][3]),
        *map(measure, range(len(heads))),
        source="tables/efficiency_costs.csv",
    )


def _tables(found: Sequence[Found]) -> Iterator[CsvTable]:
    yield csv_table(
        "efficiency_equality",
        [(one, arm) for one in found for arm in one.equal],
        {
            "target": lambda e: e[0].costs.target,
            "encoder": lambda e: e[1].encoder,
            "curriculum": lambda e: e[1].curriculum,
            **interval_columns(lambda e: e[1].ratio, ("ratio", "low", "high")),
            "margin": lambda _: MARGIN,
            "p": lambda e: e[1].test.p,
            "p_adjusted": lambda e: e[1].adjusted,
            "family": lambda e: e[1].family,
            "conditions": lambda e: e[1].conditions,
            "blocks": lambda e: e[1].blocks,
            "verdict": lambda e: e[1].verdict,
        },
    )
    yield csv_table(
        "efficiency_front",
        [(one, point) for one in found for point in one.points],
        {
            "target": lambda p: p[0].costs.target,
            "encoder": lambda p: p[1].encoder,
            "curriculum": lambda p: p[1].curriculum,
            "precision": lambda p: p[1].precision,
            "layers": lambda p: p[1].layers,
            "whole": lambda p: int(p[1].whole),
            **interval_columns(lambda p: p[1].latency, ("latency_ms", "low", "high")),
            "score": lambda p: p[1].accuracy,
            "flops_per_sentence": lambda p: p[1].flops,
            **interval_columns(lambda p: p[1].speedup, ("speedup", "speedup_low", "speedup_high")),
            "on_front": lambda p: int(p[1].on_front),
            "front_share": lambda p: p[1].front,
        },
    )
    yield csv_table(
        "efficiency_languages",
        [(one, cost) for one in found for cost in one.languages],
        {
            "target": lambda c: c[0].costs.target,
            "encoder": lambda c: c[1].encoder,
            "language": lambda c: c[1].language,
            "tokens_per_sentence": lambda c: c[1].tokens,
            "flops_per_sentence": lambda c: c[1].flops,
            "latency_ms": lambda c: c[1].latency,
            **interval_columns(lambda c: c[1].ratio, ("times_english", "low", "high")),
            "sentences_per_second": lambda c: c[1].throughput,
        },
    )
    yield CsvTable(
        "efficiency_costs",
        (
            *("target", "encoder", "curriculum", "seed", "precision", "batch", "tokens", "layers", "language"),
            *MEASURES,
        ),
        tuple(record for one in found for record in cost_records(one.costs)),
    )
