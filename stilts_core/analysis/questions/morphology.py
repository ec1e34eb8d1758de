"""Do agglutinative languages gain more or less from intermediate training, and does the size of the encoder matter?

The gain of a language at one size and target, meaned over the curricula, is modelled as

    gain ~ encoder × target + agglutinative + agglutinative : size + log text + log text : size + other script
           + fertility + (1 + size | language)

with the size in doublings of the parameters around their mean, and text the amount of the language in pretraining:
what the table says of an encoder (metric ``pretraining_tokens``), else the language's part of CC-100 in GiB. What is
the same for all languages is left out. Fertility is held constant where nine tenths of the languages have it; the
others are then left out. The effects of encoder × target take up what a run does to all languages, so that the
noise of seeds, common to them, is not in the comparison. Languages are the units of evidence, not rows: the model is
fitted by restricted maximum likelihood (statsmodels ``MixedLM``), and its intervals use t quantiles with the degrees of
freedom of the languages. Each family is left out in turn. Where the languages at hand can't answer, that is the answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import NO_LANGUAGE, Frame
from stilts_core.analysis.questions.answer import CsvTable, QuestionAnswer
from stilts_core.analysis.questions.gains_by_language import LanguageGains, language_gains
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, DotPlot, Fold, Table
from stilts_core.analysis.report.figures import Dots, Style, axis, dot_row, key_mark, scale_for
from stilts_core.analysis.scores import Floats, Ints, Scores
from stilts_core.analysis.statistics.crossed import languages_interval, t_interval
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.table import rounded
from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Language
from stilts_core.errors import MissingInputError

NAME, TITLE = "morphology", "Agglutinative languages and the size of the encoder"
AGGLUTINATIVE, TEXT = "agglutinative", "log2 text"
STATED = 0.9
"""The share of the languages that must have a fertility for it to be held constant."""
SIZES, LANGUAGES, FAMILIES = 3, 4, 3
"""The fewest sizes, languages on either side, and agglutinative families that can answer."""
FEW_DF = 10
"""Degrees of freedom below which it is said that there are few."""


def has_data(frame: Frame, scores: Scores) -> bool:
    """Several sizes, and languages on both sides."""
    known = _atlas(scores)
    sides = {known[code].morphology == AGGLUTINATIVE for code in known}
    return len(set(_sizes(frame, scores).values())) > 1 and len(sides) > 1


def _atlas(scores: Scores) -> dict[str, Language]:
    """What the catalogue knows of the results' languages; those whose morphology is debated are left out."""
    atlas = load_catalogue().languages
    codes = sorted({code for target in scores.targets for code in target.languages})
    return {code: atlas[code] for code in codes if code in atlas and atlas[code].morphology != "debated"}


def _sizes(frame: Frame, scores: Scores) -> dict[str, float]:
    """Encoder → parameters of its body: of the table, else of the catalogue's architecture."""
    found: dict[str, float] = {}
    rows = frame.rows(frame.texts["metric"].of("parameters"))
    for name in scores.encoders:
        stated = rows.value[rows.texts["encoder"].of(name)]
        known = load_catalogue().known_encoder(name)
        if stated.size:
            found[name] = float(stated.mean())
        elif known is not None:
            found[name] = 12.0 * known.layers * known.hidden**2
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """The fitted model.

    Attributes:
        effects: name of an effect → its interval, points (for one more doubling, twice the text, ...).
        languages, agglutinative, families: behind it.
        df: degrees of freedom of the intervals.
        covariates: of a language.
    """

    effects: dict[str, Interval]
    languages: int
    agglutinative: int
    families: tuple[str, ...]
    df: float = float("nan")
    covariates: int = 0


@dataclass(frozen=True, slots=True)
class _Data:
    gain: Floats
    cell: np.ndarray[tuple[int], np.dtype[np.int64]]
    size: Floats
    language: tuple[str, ...]
    covariates: dict[str, Floats]
    dropped: tuple[str, ...] = ()


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    known, sizes = _atlas(scores), _sizes(frame, scores)
    gains = language_gains(scores)
    blocks: list[Block] = []
    tables: list[CsvTable] = []
    lacking = _lacking(known, sizes, gains, scores)
    if len(gains.gain) and known:
        told = "pretraining_tokens" in frame.present("metric")
        groups = list(_groups(scores, known, gains, told=told))
        points = _points(known, gains)
        tables += [_groups_csv(scores, groups), _points_csv(scores, points)]
        order = sorted(range(len(scores.encoders)), key=lambda e: (sizes.get(scores.encoders[e], 0.0), e))
        groups_table = Fold(
            f"Gains by morphology, family{' and script' if told else ', script and pretraining'}",
            _groups_table(scores, groups, order),
        )
        blocks += [*_figure(scores, points, order), groups_table]
    if lacking:
        text = f"The results at hand can't answer this: {words.listed(lacking)}."
        return QuestionAnswer(NAME, TITLE, text, (), answered=False, blocks=tuple(blocks), tables=tuple(tables))
    data = _data(frame, scores, known, sizes, gains)
    model = fit(data, known)
    without = {family: fit(data, known, family) for family in _families(known)}
    blocks.insert(0, _model_table("all families", _model_rows(model, {})))
    left_out = _model_table("each family left out in turn", _model_rows(None, without))
    blocks.append(Fold("Each family left out in turn", left_out))
    tables.append(_model_csv(model, without))
    caveats = tuple(_caveats(model, data, _text(frame, scores, known), scores, known))
    return QuestionAnswer(NAME, TITLE, _words(model, without), caveats, True, tuple(blocks), tuple(tables))


def _lacking(known: dict[str, Language], sizes: dict[str, float], gains: LanguageGains, scores: Scores) -> list[str]:
    used = {scores.encoders[e] for e in gains.encoder.tolist()}
    different = {size for name, size in sizes.items() if name in used}
    mine = {code for code in gains.language if code in known}
    sides = [[code for code in mine if (known[code].morphology == AGGLUTINATIVE) is side] for side in (True, False)]
    families = {_family(known[code]) for code in sides[0]}
    lacking = []
    if len(different) < SIZES:
        lacking.append(f"{words.counted(len(different), 'size')} of encoder known, {SIZES} are needed")
    if min(map(len, sides)) < LANGUAGES:
        lacking.append(
            f"{len(sides[0])} agglutinative languages and {len(sides[1])} others, {LANGUAGES} of either are needed"
        )
    if len(families) < FAMILIES:
        lacking.append(
            f"the agglutinative languages are of {words.counted(len(families), 'family', 'families')}, {FAMILIES} are "
            "needed to tell morphology from family"
        )
    return lacking


def _family(language: Language) -> str:
    """The family without its branch; an isolate is a family of its own."""
    return f"isolate ({language.code})" if language.family == "isolate" else language.family.split()[0]


def _families(known: dict[str, Language]) -> tuple[str, ...]:
    return tuple(sorted({_family(language) for language in known.values()}))


def _data(
    frame: Frame, scores: Scores, known: dict[str, Language], sizes: dict[str, float], gains: LanguageGains
) -> _Data:
    text, fertility = _text(frame, scores, known), _fertility(frame)
    sums: dict[tuple[int, int, str], list[float]] = {}
    for place, code in enumerate(gains.language):
        encoder = scores.encoders[gains.encoder[place]]
        if code in known and encoder in sizes and (encoder, code) in text:
            key = int(gains.encoder[place]), int(gains.target[place]), code
            sums.setdefault(key, []).append(float(gains.gain[place]))
    dropped = tuple(sorted({code for e, _, code in sums if not _rate(fertility, scores.encoders[e], code)}))
    if len(dropped) > (1 - STATED) * len({code for _, _, code in sums}):
        dropped = ()
        fertility = {}
    keys = [key for key in sums if key[2] not in dropped]
    doublings = np.array([np.log2(sizes[scores.encoders[e]]) for e, _, _ in keys])
    codes = tuple(code for _, _, code in keys)
    covariates = {
        "agglutinative": np.array([float(known[code].morphology == AGGLUTINATIVE) for code in codes]),
        TEXT: np.array([np.log2(text[scores.encoders[e], code]) for e, _, code in keys]),
        "other script": np.array([float(known[code].script != "Latn") for code in codes]),
    }
    if keys and fertility:
        covariates["fertility"] = np.array([_rate(fertility, scores.encoders[e], code) for e, _, code in keys])
    cells = sorted({(e, t) for e, t, _ in keys})
    return _Data(
        gain=np.array([np.mean(sums[key]) for key in keys]),
        cell=np.array([cells.index((e, t)) for e, t, _ in keys], dtype=np.int64),
        size=doublings - doublings.mean(),
        language=codes,
        covariates={
            name: values - values.mean()
            for name, values in covariates.items()
            if name == AGGLUTINATIVE or _varies(values, np.array([e for e, _, _ in keys]))
        },
        dropped=dropped,
    )


def _varies(values: Floats, encoder: Ints) -> bool:
    """Between languages; a difference between encoders alone is no covariate."""
    return any(float(np.ptp(values[encoder == e])) > 1e-9 for e in set(encoder.tolist()))


def _text(frame: Frame, scores: Scores, known: dict[str, Language]) -> dict[tuple[str, str], float]:
    """How much text of a language an encoder was pretrained on: tokens that the table says, else GiB of CC-100."""
    rows = frame.rows(frame.texts["metric"].of("pretraining_tokens"))
    found: dict[tuple[str, str], float] = {}
    for name in scores.encoders:
        mine = rows.texts["encoder"].of(name)
        codes = rows.texts["language"].codes[mine]
        if len(codes):
            languages = [rows.texts["language"].names[code] for code in codes]
            found |= {(name, code): float(v) for code, v in zip(languages, rows.value[mine], strict=True) if v > 0}
        else:
            found |= {(name, code): one.cc100_gib for code, one in known.items() if one.cc100_gib}
    return found


def _rate(fertility: dict[tuple[str, str], float], encoder: str, language: str) -> float:
    """0 where it is not known."""
    return fertility.get((encoder, language), fertility.get(("", language), 0.0))


def _fertility(frame: Frame) -> dict[tuple[str, str], float]:
    rows = frame.rows(frame.texts["metric"].of("fertility") & ~frame.texts["language"].of(NO_LANGUAGE))
    encoder, language = rows.texts["encoder"], rows.texts["language"]
    return {
        (encoder.names[e], language.names[code]): float(value)
        for e, code, value in zip(encoder.codes, language.codes, rows.value, strict=True)
    }


def fit(data: _Data, known: dict[str, Language], without: str | None = None) -> Model | None:
    """The mixed model, of all families or without one of them; None where it can't be told apart without it.

    Raises:
        MissingInputError: statsmodels is not installed.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError as error:
        raise MissingInputError(
            "The question on morphology needs statsmodels, which is not installed.",
            hint="Install it: pip install 'stilts[report]'.",
        ) from error
    kept = np.array([without is None or _family(known[code]) != without for code in data.language], dtype=bool)
    names = [code for code, keep in zip(data.language, kept, strict=True) if keep]
    columns: dict[str, Floats] = {}
    for name, values in data.covariates.items():
        columns[name] = values[kept]
        if name in (AGGLUTINATIVE, TEXT):
            columns[f"{name} × size"] = (values * data.size)[kept]
    cells = np.eye(data.cell.max() + 1)[data.cell[kept]]
    design = np.column_stack([cells[:, cells.any(axis=0)], *columns.values()])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    slope = data.size[kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance at its boundary, 0, is an estimate as any other
        fitted = MixedLM(
            data.gain[kept], design, groups=np.array(names), exog_re=np.column_stack([np.ones(len(slope)), slope])
        ).fit(reml=True, method=["lbfgs", "powell"])
    codes = sorted(set(names))
    df = float(len(codes) - 1 - len(data.covariates))
    first = design.shape[1] - len(columns)
    effects = {
        name: t_interval(float(fitted.fe_params[first + place]), float(fitted.bse_fe[first + place]), df, "languages")
        for place, name in enumerate(columns)
    }
    agglutinative = sum(known[code].morphology == AGGLUTINATIVE for code in codes)
    families = tuple(sorted({_family(known[code]) for code in codes}))
    return Model(effects, len(codes), agglutinative, families, df, len(data.covariates))


def _words(model: Model | None, without: dict[str, Model | None]) -> str:
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
            f"{controls} (95 % interval {_span(main)})."
        )
    else:
        text = (
            f"No difference between agglutinative languages and others of equal {controls} is shown: "
            f"{words.signed(main.estimate)} points, 95 % interval {_span(main)}."
        )
    if by_size.excludes_zero:
        way = "grows" if by_size.estimate > 0 else "falls"
        text += (
            f" The difference {way} by {words.score(abs(by_size.estimate))} points with each doubling of the encoder "
            f"({_span(by_size)})."
        )
    else:
        text += (
            f" That it changes with the size of the encoder is not shown: {words.signed(by_size.estimate)} points a "
            f"doubling ({_span(by_size)})."
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


def _span(interval: Interval) -> str:
    return f"{words.signed(interval.low)} to {words.signed(interval.high)}"


def _caveats(
    model: Model | None, data: _Data, text: dict[tuple[str, str], float], scores: Scores, known: dict[str, Language]
) -> Iterator[str]:
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


def _groups(scores: Scores, known: dict[str, Language], gains: LanguageGains, *, told: bool) -> Iterator[Group]:
    """Args: told: the table says what the encoders were pretrained on, which CC-100 then does not."""
    divisions = {
        "morphology": {code: language.morphology for code, language in known.items()},
        "family": {code: _family(language) for code, language in known.items()},
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


def _groups_table(scores: Scores, groups: Sequence[Group], order: Sequence[int]) -> Table:
    keys = dict.fromkeys((division, value) for division, value, _, _ in groups)
    found = {(division, value, e): interval for division, value, e, interval in groups}
    rows = []
    for division, value in keys:
        cells = []
        for e in order:
            one = found.get((division, value, e))
            if one is None:
                cells.append(Cell(words.NOTHING, css="none"))
                continue
            sub = "one language" if not np.isfinite(one.low) else _span(one)
            cells.append(Cell(words.signed(one.estimate), sub=sub))
        rows.append((Cell(value, sub=division), *cells))
    return Table(
        caption="Mean gain over curricula, targets and the languages of a group, points, with intervals of 95 % for "
        "languages in general.",
        columns=(Column("Group", numeric=False), *(Column(scores.encoders[e]) for e in order)),
        rows=tuple(rows),
        source="tables/morphology_groups.csv",
    )


def _groups_csv(scores: Scores, groups: Sequence[Group]) -> CsvTable:
    return CsvTable(
        "morphology_groups",
        ("division", "group", "encoder", "gain", "low", "high"),
        tuple(
            (division, value, scores.encoders[e], rounded(one.estimate), rounded(one.low), rounded(one.high))
            for division, value, e, one in groups
        ),
    )


Points = dict[str, dict[int, dict[str, float]]]
"""Morphology → place of the encoder → language → its gain, points."""


def _points(known: dict[str, Language], gains: LanguageGains) -> Points:
    found: dict[str, dict[int, dict[str, list[float]]]] = {}
    for place, code in enumerate(gains.language):
        if code in known:
            of_group = found.setdefault(known[code].morphology, {}).setdefault(int(gains.encoder[place]), {})
            of_group.setdefault(code, []).append(float(gains.gain[place]))
    return {
        group: {e: {code: float(np.mean(v)) for code, v in codes.items()} for e, codes in of_encoder.items()}
        for group, of_encoder in sorted(found.items())
    }


def _points_csv(scores: Scores, points: Points) -> CsvTable:
    return CsvTable(
        "morphology_points",
        ("morphology", "encoder", "language", "gain"),
        tuple(
            (group, scores.encoders[e], code, rounded(gain))
            for group, of_encoder in points.items()
            for e, codes in of_encoder.items()
            for code, gain in codes.items()
        ),
    )


def _figure(scores: Scores, points: Points, order: Sequence[int]) -> Iterator[DotPlot]:
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


def _model_rows(model: Model | None, without: dict[str, Model | None]) -> Iterator[tuple[str, str, Interval]]:
    for name, interval in model.effects.items() if model else ():
        yield "all families", name, interval
    for family, one in without.items():
        for name in ("agglutinative", "agglutinative × size") if one else ():
            yield f"without {family}", name, one.effects[name]  # type: ignore[union-attr]


def _model_csv(model: Model | None, without: dict[str, Model | None]) -> CsvTable:
    return CsvTable(
        "morphology_model",
        ("families", "effect", "points", "low", "high", "se", "df", "p"),
        tuple(
            (which, name, *(rounded(v) for v in (one.estimate, one.low, one.high, one.se, one.df, one.p)))
            for which, name, one in _model_rows(model, without)
        ),
    )


def _model_table(which: str, effects: Iterator[tuple[str, str, Interval]]) -> Table:
    rows = tuple(
        (
            Cell(name, sub="" if sub == which else sub),
            Cell(words.signed(one.estimate, 2)),
            Cell(_span(one)),
            Cell(words.p_value(one.p)),
        )
        for sub, name, one in effects
    )
    return Table(
        caption="Effects on the gain, points: mixed model with a random level and slope for each language; "
        f"{which}. Size counts in doublings of the parameters.",
        columns=(Column("Effect", numeric=False), Column("Points"), Column("95 % interval"), Column("p")),
        rows=rows,
        source="tables/morphology_model.csv",
    )
