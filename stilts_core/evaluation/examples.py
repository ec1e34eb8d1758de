"""What scoring reads of a dataset's examples: the only place that knows the keys of their records.

every head    id
span          context; answers: the gold answers as texts, none for a question without an answer; null or no
such key where the file holds no gold
tagging       words; tags: as many tags; null or no such key where the file holds no gold
retrieval     text; of a search keys: what a text and its right answers have in common, null where they are
not known
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.squad import Question

Record = dict[str, Any]


def records(dataset: Dataset, examples: Array) -> list[Record]:
    """The records of some examples, in the order asked for.

    A small part of a large set is read line by line, without holding the rest.
    """
    loaded = vars(dataset).get("examples")
    if loaded is None and 2 * len(examples) > int(dataset.meta["examples"]):
        loaded = dataset.examples
    if loaded is not None:
        return [loaded[index] for index in examples]
    wanted = dict.fromkeys(int(index) for index in examples)
    found: dict[int, Record] = {}
    with (dataset.folder / "examples.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number in wanted:
                found[number] = json.loads(line)
    return [found[int(index)] for index in examples]


def identifiers(dataset: Dataset, examples: Array) -> list[str]:
    return [str(record["id"]) for record in records(dataset, examples)]


def languages_of(dataset: Dataset, examples: Array) -> list[str]:
    """The language of the file that each example is from."""
    starts = np.array([segment.start for segment in dataset.segments])
    places = np.searchsorted(starts, examples, side="right") - 1
    return [dataset.segments[place].language for place in places]


def contexts(dataset: Dataset, examples: Array) -> list[str]:
    return [record["context"] for record in records(dataset, examples)]


def word_counts(dataset: Dataset, examples: Array) -> Array:
    """Words of each sentence, (n,)."""
    return np.array([len(record["words"]) for record in records(dataset, examples)], dtype=np.int64)


def texts(dataset: Dataset, examples: Array) -> list[str]:
    return [record["text"] for record in records(dataset, examples)]


def questions(dataset: Dataset, examples: Array) -> list[Question | None]:
    """The questions with their gold answers; None where the gold is not known."""
    return [
        None if record.get("answers") is None else Question(str(record["id"]), tuple(record["answers"]))
        for record in records(dataset, examples)
    ]


def gold_tags(dataset: Dataset, examples: Array) -> list[Sequence[str] | None]:
    """The gold tags of each sentence; None where they are not known.

    Raises:
        DataError: a sentence has another number of tags than of words.
    """
    found: list[Sequence[str] | None] = []
    for record in records(dataset, examples):
        tags = record.get("tags")
        if tags is not None and len(tags) != len(record["words"]):
            raise DataError(f"Sentence {record['id']} has {len(record['words'])} words and {len(tags)} tags.")
        found.append(tags)
    return found
