"""Measures of ranked lists: mean average precision of LAReQA, and the measure of Mewsli-X."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.arithmetic import running_sum

CUT = 20


def average_precision(targets: Collection[Hashable], ranking: Sequence[Hashable], k: int = CUT) -> float:
    """Average precision of the first k of a ranking, 0 to 1.

    The first hit on each target adds hits / rank; the sum is divided by the number of targets, k at most. What is
    ranked twice keeps both ranks and counts once.

    Args:
        targets: what should be found.
        ranking: best first.
        k: where the ranking is cut; 0: nowhere.

    Raises:
        DataError: there is no target.
    """
    if not targets:
        raise DataError("There is nothing to find: the question has no target.")
    wanted = set(targets)
    hits, total = 0.0, 0.0
    for rank, item in enumerate(ranking[:k] if k else ranking, start=1):
        if item in wanted:
            wanted.remove(item)
            hits += 1.0
            total += hits / rank
    return total / (min(len(targets), k) if k else len(targets))


def mean_average_precision(
    gold: Mapping[str, Collection[str]], rankings: Mapping[str, Sequence[str]], k: int = CUT
) -> float:
    """Mean of `average_precision` over the questions of the gold file, percent; a question without a ranking counts 0.

    Raises:
        DataError: there is no question, or one without target.
    """
    import numpy as np

    if not gold:
        raise DataError("There is nothing to score: no question.")
    values = [average_precision(targets, rankings.get(id_, ()), k) for id_, targets in gold.items()]
    return float(np.mean(values)) * 100


def reciprocal_rank(gold: object, ranking: Sequence[object], k: int = CUT) -> float:
    """1 / rank of the first entry that equals the gold one, 0 where the first k have none."""
    for rank, item in enumerate(ranking[:k], start=1):
        if item == gold:
            return 1.0 / rank
    return 0.0


def mean_reciprocal_rank(gold: Mapping[str, Sequence[Any]], rankings: Mapping[str, Any], k: int = CUT) -> float:
    """The measure of Mewsli-X, percent: its program calls it mAP@20, with one gold entity it is the reciprocal rank.

    A missing ranking counts 0, further ones are ignored; the first gold entity of an example counts, without white
    space around it. No example at all: 0.

    Args:
        gold: example → its gold entities.
        rankings: example → entities, best first.

    Raises:
        DataError: an example has no gold entity, or a ranking is no list.
    """
    if not gold:
        return 0.0
    values = []
    for id_, entities in gold.items():
        ranking = rankings.get(id_, [])
        if not isinstance(ranking, list | str):
            raise DataError(f"The prediction for {id_} is no list of entities.")
        try:
            entity = entities[0].strip()
        except (AttributeError, IndexError, KeyError, TypeError):
            raise DataError(f"The gold file holds no entity for {id_}: a list with one text is expected.") from None
        values.append(reciprocal_rank(entity, ranking, k))
    return running_sum(values) / len(values) * 100
