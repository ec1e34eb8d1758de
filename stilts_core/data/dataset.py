"""A tokenised task on disk: flat arrays that are memory-mapped, and the examples they came from.

One folder holds one dataset of all its files (splits and languages), so that a training or an evaluation of many
languages is one stream:

    meta.json         head, segments, special tokens, counts; the labels, where they come from the data
    ids.npy           token ids of all features, one after another
    offsets.npy       feature i is ids[offsets[i]:offsets[i + 1]]
    example_of.npy    the example that a feature belongs to
    <column>.npy      by head, see below
    examples.jsonl    one line an example: what decoding and scoring need (ids, contexts, gold answers …)

Columns by head, with T tokens, F features and E examples:

    classification    label (E)
    choice            label (E); the features of an example are its choices, in order
    span              start, end (F): token positions within the feature, 0 (the first token) for none;
                      char_start, char_end (T): characters of the context, -1 outside of it
    tagging           label (T): label index at a word's first token, else -1;
                      word (T): the word's index there, else -1;
                      a sentence over the length limit has several features
    pairs of texts    second (F), where the tokenizer tells the segments of a pair apart: the first position of the
                      second one; beside the columns of classification, choice and span
    mlm               none; a parallel dataset has group (E): equal for translations of each other
    retrieval         side (E): 0 for the foreign sentence, 1 for the English one; or 0 for what looks for others, 1 for
                      what is looked for; of a training set also answer (E): what an example looks for stands so many
                      examples after it, 0 where there is nothing
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stilts_core.catalog.models import Head
from stilts_core.errors import DataError

FORMAT = 1
EVERY_LANGUAGE = "*"
"""The language of a segment that belongs to all of them: candidates that a search has in common."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """The examples ``[start, stop)`` of one file: a split in a language."""

    split: str
    language: str
    start: int
    stop: int


@dataclass(frozen=True)
class Dataset:
    """A tokenised dataset, see the module.

    Attributes:
        folder: where it lies.
        head: the kind of its examples.
        segments: in the order of the files.
        pad_id: fills batches.
    """

    folder: Path
    head: Head
    segments: tuple[Segment, ...]
    pad_id: int
    ids: Array
    offsets: Array
    example_of: Array
    columns: Mapping[str, Array]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Map a dataset that `write` made.

        Raises:
            DataError: the folder holds no dataset, or one of another format.
        """
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise DataError(f"{folder} holds a dataset of format {meta['format']}; this version reads {FORMAT}.")
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("ids", "offsets", "example_of", *meta["columns"])
            }
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder} holds no readable dataset: {error}.") from error
        return cls(
            folder=folder,
            head=Head(meta["head"]),
            segments=tuple(Segment(**segment) for segment in meta["segments"]),
            pad_id=meta["pad_id"],
            ids=arrays.pop("ids"),
            offsets=arrays.pop("offsets"),
            example_of=arrays.pop("example_of"),
            columns=arrays,
            meta=meta,
        )

    @staticmethod
    def write(
        folder: Path,
        *,
        head: Head,
        segments: Sequence[Segment],
        pad_id: int,
        ids: Array,
        offsets: Array,
        example_of: Array,
        columns: Mapping[str, Array],
        examples: Sequence[Mapping[str, Any]],
        **meta: Any,
    ) -> None:
        """Write a dataset; the same content gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in {"ids": ids, "offsets": offsets, "example_of": example_of, **columns}.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        with (folder / "examples.jsonl").open("w", encoding="utf-8", newline="\n") as out:
            for example in examples:
                out.write(json.dumps(example, ensure_ascii=False, separators=(",", ":")) + "\n")
        document = {
            "format": FORMAT,
            "head": head.value,
            "pad_id": int(pad_id),
            "columns": sorted(columns),
            "segments": [
                {"split": s.split, "language": s.language, "start": s.start, "stop": s.stop} for s in segments
            ],
            "examples": len(examples),
            "features": len(offsets) - 1,
            "tokens": len(ids),
            **meta,
        }
        text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1)
        (folder / "meta.json").write_text(text + "\n", encoding="utf-8")

    def labels(self, known: Sequence[str]) -> tuple[str, ...]:
        """A task's closed list of labels, or the one that came with the data where it has none."""
        return tuple(known or self.meta.get("labels", ()))

    @property
    def lengths(self) -> Array:
        """Tokens of each feature, (F,)."""
        return np.diff(self.offsets)

    @cached_property
    def feature_ranges(self) -> Array:
        """First feature of each example, and the number of features at the end: (E + 1,)."""
        count = int(self.meta["examples"])
        return np.searchsorted(self.example_of, np.arange(count + 1))

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        """The examples, read on first use."""
        with (self.folder / "examples.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def select(self, split: str, language: str | None = None) -> Iterator[Segment]:
        """The segments of a split, in order."""
        return (s for s in self.segments if s.split == split and language in (None, s.language))
