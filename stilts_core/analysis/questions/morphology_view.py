"""The question on morphology in words, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from stilts_core.analysis.questions.gains_by_language import LanguageGains
from stilts_core.analysis.questions.morphology_model import AGGLUTINATIVE, TEXT, Data, Model, family_of
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Cell, DotPlot, Table
from stilts_core.analysis.report.columns import (
    CsvTable,
    Field,
    csv_table,
    interval_cell,
    interval_columns,
    label,
    span,
    table,
)
from stilts_core.analysis.report.figures import Dots, Style, axis, dot_row, key_mark, scale_for
from stilts_core.analysis.scores import Scores
from stilts_core.analysis.statistics.crossed import languages_interval
from stilts_core.analysis.statistics.results import Interval
from stilts_core.catalog.models import Language

FEW_DF = 10
"""Degrees of freedom below which it is said that there are few."""


def in_words(model: Model | None, without: dict[str, Model | None]) -> str:
    """The answer."""
    if model is None:
        return "The covariates of these languages can't be told apart, so there is no answer."
    main, by_size = model.effects["agglutinative"], model.effects["agglutinative × size"]
    names = {TEXT: "amount of text in pretraining", "other script": "script", "fertility": "fertility"}
    held = [title for name, title in names.items() if name in model.effects]
    controls = words.listed(held) if held else "anything else"
    if main.excludes_zero:
        more = "more" if main.estimate > 0 else "less"
        text = (
            f"Agglutinative languages gain {words.score(abs(main.estimate))} points {more} than others of equal "
            f"{controls} (95 % interval {span(main)})."
        )
    else:
        text = (
            f"No difference between agglutinative languages and others of equal {controls} is shown: "
            f"{words.signed(main.estimate)} points, 95 % interval {span(main)}."
        )
    if by_size.excludes_zero:
        way = "grows" if by_size.estimate > 0 else "falls"
        text += (
            f" The difference {way} by {words.score(abs(by_size.estimate))} points with each doubling of the encoder "
            f"({span(by_size)})."
        )
    else:
        text += (
            f" That it changes with the size of the encoder is not shown: {words.signed(by_size.estimate)} points a "
            f"doubling ({span(by_size)})."
        )
    turned = [
        family
        for family, one in without.items()
        if one is not None and one.effects["agglutinative"].excludes_zero != main.excludes_zero
    ]
    if turned:
        text += f" The first answer changes when {words.listed(turned, 'or')} is left out."
    elif any(without.values()):
        text += " No single family carries the first answer."
    return text


def caveats(
    model: Model | None, data: Data, text: dict[tuple[str, str], float], scores: Scores, known: dict[str, Language]
) -> Iterator[str]:
    """What a reader must know of it."""
    if model is not None:
        yield (
            f"Evidence: {model.languages} languages, {model.agglutinative} of them agglutinative, of "
            f"{len(model.families)} families, on {words.counted(len(scores.targets), 'target')} with "
            f"{words.counted(len(scores.encoders), 'encoder')}."
        )
        if "fertility" not in model.effects:
            yield "The table has no fertility of the tokenizer in these languages, so it is not held constant."
        if TEXT not in model.effects:
            yield "The encoders had as much text of every language, so its amount can't explain a difference."
    absent = [code for code in known if not any((name, code) in text for name in scores.encoders)]
    if absent:
        yield f"Of unknown amount in the pretraining, and so not in the model: {', '.join(absent)}."
    if data.dropped:
        yield f"Without a fertility, and so not in the model: {', '.join(data.dropped)}."
    if model is not None and model.df < FEW_DF:
        yield (
            f"With {words.counted(model.languages, 'language')} and {words.counted(model.covariates, 'covariate')} "
            f"the intervals have {model.df:.0f} degrees of freedom: only a large difference could be shown."
        )
    yield (
        "Morphology is a label of textbooks, and languages were not assigned to it at random: related languages share "
        "more than their morphology."
    )


Group = tuple[str, str, int, Interval]
"""What divides, its value, place of the encoder, gain."""


def groups_of(scores: Scores, known: dict[str, Language], gains: LanguageGains, *, told: bool) -> Iterator[Group]:
    """The mean gain of each group.

    Args:
        scores: the cubes.
        known: of the languages.
        gains: of each language.
        told: the table says what the encoders were pretrained on, which CC-100 then does not.
    """
    divisions = {
        "morphology": {code: language.morphology for code, language in known.items()},
        "family": {code: family_of(language) for code, language in known.items()},
        "script": {code: language.script for code, language in known.items()},
    }
    if not told:
        divisions["pretraining"] = {code: _size_class(language) for code, language in known.items()}
    for division, values in divisions.items():
        for value in sorted(set(values.values())):
            for e in range(len(scores.encoders)):
                of_language: dict[str, list[float]] = {}
                for place, code in enumerate(gains.language):
                    if values.get(code) == value and gains.encoder[place] == e:
                        of_language.setdefault(code, []).append(float(gains.gain[place]))
                if of_language:
                    means = np.array([[np.mean(found)] for found in of_language.values()])
                    yield division, value, e, languages_interval(means)


def _size_class(language: Language) -> str:
    gib = language.cc100_gib
    if gib is None:
        return "absent"
    return "over 50 GiB" if gib > 50 else "10 to 50 GiB" if gib >= 10 else "under 10 GiB"


def groups_table(scores: Scores, groups: Sequence[Group], order: Sequence[int]) -> Table:
    """The groups down, the encoders across."""
    found = {(division, value, e): interval for division, value, e, interval in groups}

    def column(e: int) -> Field[tuple[str, str]]:
        return Field(scores.encoders[e], lambda group: interval_cell(found.get((*group, e))))

    return table(
        "Mean gain over curricula, targets and the languages of a group, points, with intervals of 95 % for "
        "languages in general.",
        dict.fromkeys((division, value) for division, value, _, _ in groups),
        label("Group", lambda group: Cell(group[1], sub=group[0])),
        *map(column, order),
        source="tables/morphology_groups.csv",
    )


def groups_csv(scores: Scores, groups: Sequence[Group]) -> CsvTable:
    """Each group with each encoder."""
    return csv_table(
        "morphology_groups",
        groups,
        {
            "division": lambda g: g[0],
            "group": lambda g: g[1],
            "encoder": lambda g: scores.encoders[g[2]],
            **interval_columns(lambda g: g[3], ("gain", "low", "high")),
        },
    )


Points = dict[str, dict[int, dict[str, float]]]
"""Morphology → place of the encoder → language → its gain, points."""


def points_of(known: dict[str, Language], gains: LanguageGains) -> Points:
    """The mean gain of each language, by morphology and encoder."""
    found: dict[str, dict[int, dict[str, list[float]]]] = {}
    for place, code in enumerate(gains.language):
        if code in known:
            of_group = found.setdefault(known[code].morphology, {}).setdefault(int(gains.encoder[place]), {})
            of_group.setdefault(code, []).append(float(gains.gain[place]))
    return {
        group: {e: {code: float(np.mean(v)) for code, v in codes.items()} for e, codes in of_encoder.items()}
        for group, of_encoder in sorted(found.items())
    }


def points_csv(scores: Scores, points: Points) -> CsvTable:
    """What the figure draws."""
    return csv_table(
        "morphology_points",
        [
            (group, scores.encoders[e], code, gain)
            for group, of_encoder in points.items()
            for e, codes in of_encoder.items()
            for code, gain in codes.items()
        ],
        {
            "morphology": lambda p: p[0],
            "encoder": lambda p: p[1],
            "language": lambda p: p[2],
            "gain": lambda p: p[3],
        },
    )


def points_figure(scores: Scores, points: Points, order: Sequence[int]) -> Iterator[DotPlot]:
    """The gains by morphology and encoder."""
    if not points:
        return
    gains = [gain for of_encoder in points.values() for codes in of_encoder.values() for gain in codes.values()]
    scale = scale_for([0.0, *gains])
    styles = {e: Style(place + 1) for place, e in enumerate(order)}
    yield DotPlot(
        caption="Gain by morphology and encoder, points: a tick for each language, a mark for their mean; encoders "
        "from small to large. The dashed line is no gain.",
        axis=axis(scale),
        rows=tuple(
            (
                group,
                group[:4],
                dot_row(
                    [Dots(scores.encoders[e], styles[e], tuple(of_encoder.get(e, {}).values())) for e in order],
                    scale,
                    0.0,
                ),
            )
            for group, of_encoder in points.items()
        ),
        key=tuple((key_mark(styles[e]), scores.encoders[e]) for e in order),
        source="tables/morphology_points.csv",
    )


Effect = tuple[str, str, Interval]
"""Of which families, name, interval."""


def effects_of(model: Model | None, without: dict[str, Model | None]) -> Iterator[Effect]:
    """The effects of the model, and those of morphology without each family."""
    for name, interval in model.effects.items() if model else ():
        yield "all families", name, interval
    for family, one in without.items():
        if one is None:
            continue
        for name in (AGGLUTINATIVE, f"{AGGLUTINATIVE} × size"):
            yield f"without {family}", name, one.effects[name]


def model_csv(effects: Iterable[Effect]) -> CsvTable:
    """Every effect."""
    return csv_table(
        "morphology_model",
        effects,
        {
            "families": lambda e: e[0],
            "effect": lambda e: e[1],
            **interval_columns(lambda e: e[2], ("points", "low", "high")),
            "se": lambda e: e[2].se,
            "df": lambda e: e[2].df,
            "p": lambda e: e[2].p,
        },
    )


def model_table(which: str, effects: Iterable[Effect]) -> Table:
    """The effects of some families, which need no name of their own in a row."""
    return table(
        "Effects on the gain, points: mixed model with a random level and slope for each language; "
        f"{which}. Size counts in doublings of the parameters.",
        effects,
        label("Effect", lambda e: Cell(e[1], sub="" if e[0] == which else e[0])),
        Field("Points", lambda e: words.signed(e[2].estimate, 2)),
        Field("95 % interval", lambda e: span(e[2])),
        Field("p", lambda e: words.p_value(e[2].p)),
        source="tables/morphology_model.csv",
    )
