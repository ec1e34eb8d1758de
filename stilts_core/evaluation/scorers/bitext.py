"""F1 of mined sentence pairs, and the threshold over their scores: BUCC.

A pair is a line of a file: source id, tab, target id. Candidates come with a score each, in the order in which they
were mined, which decides between equal scores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from stilts_core.errors import DataError

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PairScore:
    """Counts of different pairs, and what follows from them in percent; all 0 without a right pair."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return _ratio(self.correct, self.predicted) * 100

    @property
    def recall(self) -> float:
        return _ratio(self.correct, self.gold) * 100

    @property
    def f1(self) -> float:
        return _f1(self.correct, self.predicted, self.gold) * 100


def pair_score(gold: Iterable[str], predicted: Iterable[str]) -> PairScore:
    """Compares two sets of lines: duplicates collapse, and a line with something else in it is another pair.

    Args:
        gold: lines without white space around them; a blank one is a pair like any other.
        predicted: likewise.
    """
    right, found = set(gold), set(predicted)
    return PairScore(len(right & found), len(found), len(right))


def best_threshold(
    candidates: Mapping[Pair, float],
    gold: Collection[str],
    *,
    gold_count: int | None = None,
    after_last: bool = False,
) -> float:
    """The threshold that the best F1 of a walk down the candidates stands for.

    The candidates are taken by falling score, equal ones in their order. Where the F1 of those taken so far is better
    than ever before, the threshold becomes the mean of this score and the next one. It is 0 if none is right.

    Args:
        candidates: pair → score.
        gold: the gold pairs as lines.
        gold_count: what recall is divided by; default: the number of different gold pairs.
        after_last: give the last score as the threshold where the walk is best at its end. The reference programs
            fail there: they look for a next score.

    Raises:
        DataError: the walk is best at its end, and ``after_last`` is not set; or a score is not a number.
    """
    right = set(gold)
    total = len(right) if gold_count is None else gold_count
    if any(score != score for score in candidates.values()):
        raise DataError("A candidate's score is not a number (NaN): there is no order to walk through.")
    ordered = sorted(candidates.items(), key=lambda item: -item[1])
    threshold, best, correct = 0.0, 0.0, 0
    for number, (pair, score) in enumerate(ordered):
        correct += "\t".join(pair) in right
        if correct == 0:
            continue
        f1 = _f1(correct, number + 1, total)
        if f1 <= best:
            continue
        best = f1
        if number + 1 < len(ordered):
            threshold = (score + ordered[number + 1][1]) / 2
        elif after_last:
            threshold = score
        else:
            raise DataError(
                "The best F1 is reached with all candidates, and the official program has no threshold for that: it "
                "fails looking for the score after the last one.",
                hint="The protocol `corrected` takes the last score; or give a threshold.",
            )
    return threshold


def above(candidates: Mapping[Pair, float], threshold: float) -> list[str]:
    """The lines of the candidates that score the threshold or more, in their order."""
    return ["\t".join(pair) for pair, score in candidates.items() if score >= threshold]


def last_copies(texts: Sequence[str]) -> list[int]:
    """The rows that are mined: one for each different raw text, in the order of the first copies, and the last copy."""
    rows: dict[str, int] = {}
    for row, text in enumerate(texts):
        rows[text] = row
    return list(rows.values())


def unambiguous(texts: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
    """Stripped text → id, without the texts that stand twice on their side."""
    found: dict[str, str] = {}
    repeated: set[str] = set()
    for text, id_ in zip(texts, ids, strict=True):
        key = text.strip()
        if key in found:
            repeated.add(key)
        else:
            found[key] = id_
    return {text: id_ for text, id_ in found.items() if text not in repeated}


def collect_candidates(found: Iterable[tuple[str, str, float]]) -> dict[Pair, float]:
    """Pairs with scores as a mapping; a pair that is met again keeps its place and the higher score."""
    candidates: dict[Pair, float] = {}
    for source, target, score in found:
        pair = (source, target)
        candidates[pair] = max(score, candidates.get(pair, score))
    return candidates


def _ratio(part: int, whole: int) -> float:
    return part / whole if part else 0.0


def _f1(correct: int, predicted: int, gold: int) -> float:
    if not correct:
        return 0.0
    precision, recall = correct / predicted, correct / gold
    return 2 * precision * recall / (precision + recall)
