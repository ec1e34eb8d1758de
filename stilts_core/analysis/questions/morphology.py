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

import numpy as np

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import NO_LANGUAGE, Frame
from stilts_core.analysis.questions.answer import QuestionAnswer
from stilts_core.analysis.questions.gains_by_language import LanguageGains, language_gains
from stilts_core.analysis.questions.morphology_model import AGGLUTINATIVE, TEXT, Data, families_of, family_of, fit
from stilts_core.analysis.questions.morphology_view import (
    caveats,
    effects_of,
    groups_csv,
    groups_of,
    groups_table,
    in_words,
    model_csv,
    model_table,
    points_csv,
    points_figure,
    points_of,
)
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Fold
from stilts_core.analysis.report.columns import CsvTable
from stilts_core.analysis.scores import Floats, Ints, Scores
from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Language

NAME, TITLE = "morphology", "Agglutinative languages and the size of the encoder"
STATED = 0.9
"""The share of the languages that must have a fertility for it to be held constant."""
SIZES, LANGUAGES, FAMILIES = 3, 4, 3
"""The fewest sizes, languages on either side, and agglutinative families that can answer."""


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


def answer(frame: Frame, scores: Scores, evidence: Evidence) -> QuestionAnswer:  # noqa: ARG001 (as every question)
    """The answer, or why there is none."""
    known, sizes = _atlas(scores), _sizes(frame, scores)
    gains = language_gains(scores)
    blocks: list[Block] = []
    tables: list[CsvTable] = []
    lacking = _lacking(known, sizes, gains, scores)
    if len(gains.gain) and known:
        told = "pretraining_tokens" in frame.present("metric")
        groups = list(groups_of(scores, known, gains, told=told))
        points = points_of(known, gains)
        tables += [groups_csv(scores, groups), points_csv(scores, points)]
        order = sorted(range(len(scores.encoders)), key=lambda e: (sizes.get(scores.encoders[e], 0.0), e))
        shown = Fold(
            f"Gains by morphology, family{' and script' if told else ', script and pretraining'}",
            groups_table(scores, groups, order),
        )
        blocks += [*points_figure(scores, points, order), shown]
    if lacking:
        text = f"The results at hand can't answer this: {words.listed(lacking)}."
        return QuestionAnswer(NAME, TITLE, text, (), answered=False, blocks=tuple(blocks), tables=tuple(tables))
    data = _data(frame, scores, known, sizes, gains)
    model = fit(data, known)
    without = {family: fit(data, known, family) for family in families_of(known)}
    blocks.insert(0, model_table("all families", effects_of(model, {})))
    left_out = model_table("each family left out in turn", effects_of(None, without))
    blocks.append(Fold("Each family left out in turn", left_out))
    tables.append(model_csv(effects_of(model, without)))
    said = tuple(caveats(model, data, _text(frame, scores, known), scores, known))
    return QuestionAnswer(NAME, TITLE, in_words(model, without), said, True, tuple(blocks), tuple(tables))


def _lacking(known: dict[str, Language], sizes: dict[str, float], gains: LanguageGains, scores: Scores) -> list[str]:
    used = {scores.encoders[e] for e in gains.encoder.tolist()}
    different = {size for name, size in sizes.items() if name in used}
    mine = {code for code in gains.language if code in known}
    sides = [[code for code in mine if (known[code].morphology == AGGLUTINATIVE) is side] for side in (True, False)]
    families = {family_of(known[code]) for code in sides[0]}
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


def _data(
    frame: Frame, scores: Scores, known: dict[str, Language], sizes: dict[str, float], gains: LanguageGains
) -> Data:
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
    return Data(
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
