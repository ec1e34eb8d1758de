"""The scores of an arm by language, as the tables of its model's card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from stilts_core.analysis.model.find import ArmModel
from stilts_core.analysis.model.markdown import table, text
from stilts_core.analysis.report import words
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.scores import Scores, TargetScores
from stilts_core.analysis.summary import Spread, baseline_of, independent
from stilts_core.analysis.tables import language_cells

AT_CHANCE, DEGENERATE = "‡", "§"


def score_sections(model: ArmModel, scores: Scores, names: Names) -> Iterator[str]:
    """Lines of Markdown: a table for each target of the arm, and what is not there yet."""
    wanted = dict.fromkeys(cell.target for cell in model.cells)
    if model.trained_on_target:
        trained = text(names.target(model.target))
        yield f"Percent, after the training on {trained}. This model is the one of seed {model.seed}."
    else:
        yield (
            "Percent. To be scored on a target, the encoder is first trained on that target's set, if it has "
            f"one; the column of seed {model.seed} is what became of this very model."
        )
    yield ""
    yield (
        f"{words.NOT_ZERO_SHOT}: not zero-shot, labelled data of the language were trained on. {AT_CHANCE}: in one run "
        f"or more it cannot be told from guessing. {DEGENERATE}: in one run or more nearly all answers are the same."
    )
    for target in scores.targets:
        if target.target in wanted:
            yield from _of_target(model, scores, target, names)


def _of_target(model: ArmModel, scores: Scores, target: TargetScores, names: Names) -> Iterator[str]:
    e, c = scores.encoders.index(model.encoder), scores.curricula.index(model.curriculum)
    place = scores.seeds.index(model.seed)
    yield ""
    yield f"### {text(names.target(target.target))}"
    yield ""
    values = target.score[e, c]
    if all(math.isnan(value) for value in values.ravel().tolist()):
        yield "Not evaluated yet."
        return
    base = baseline_of(scores)
    compared = base is not None and base != c
    runs = len({run for run in target.run[e, c].tolist() if run >= 0})
    done = len(independent(target.means()[e, c], target.run[e, c]).values)
    measure = names.measure(target.target)
    yield (
        f"{measure[0].upper()}{measure[1:]}; {words.counted(runs, 'run')} of "
        f"{words.counted(len(scores.seeds), 'seed')}"
        + (f", of which {done} {'has' if done == 1 else 'have'} all languages." if done < runs else ".")
    )
    yield ""
    rows = []
    for at, (language, cell) in enumerate(zip(target.languages, language_cells(scores, target, e, c), strict=True)):
        mark = ("" if cell.zero_shot else words.NOT_ZERO_SHOT) + (AT_CHANCE if cell.at_chance else "")
        mark += DEGENERATE if cell.degenerate else ""
        rows.append(
            [
                f"{text(names.language(language))} ({language}){mark}",
                _one(float(values[at, place])),
                *_spread(cell.score),
                *([words.signed(cell.gain.mean)] if compared else []),
            ]
        )
    if len(target.languages) > 1:
        means = target.means()
        gain = independent(means[e, c] - means[e, base], target.run[e, c], target.run[e, base]) if compared else None
        rows.append(
            [
                "**mean over the languages**",
                _one(float(means[e, c, place])),
                *_spread(independent(means[e, c], target.run[e, c])),
                *([words.signed(gain.mean)] if gain else []),
            ]
        )
    header = ["Language", f"Seed {model.seed}", "Mean over runs", "SD", "Runs"]
    header += ["Gain over the baseline"] if compared else []
    yield from table(header, rows, numeric=len(header) - 1)


def _one(value: float) -> str:
    return words.score(None if math.isnan(value) else value)


def _spread(spread: Spread) -> tuple[str, str, str]:
    return words.score(spread.mean), words.score(spread.sd), str(len(spread.values))
