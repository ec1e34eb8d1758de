"""Small datasets on disk, one builder a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset, Segment

Build = Callable[..., Dataset]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Writes and opens a dataset.

    ``features`` gives for each example the lengths of its features, ``segments`` (split, language, number of examples).
    """

    def make(
        head: Head,
        segments: Sequence[tuple[str, str, int]],
        features: Sequence[Sequence[int]],
        columns: dict[str, Any],
        examples: Sequence[dict[str, Any]],
    ) -> Dataset:
        folder: Path = tmp_path_factory.mktemp(head.value)
        bounds = np.cumsum([0, *(count for _, _, count in segments)])
        lengths = [length for example in features for length in example]
        Dataset.write(
            folder,
            head=head,
            segments=[
                Segment(split, language, int(start), int(stop))
                for (split, language, _), start, stop in zip(segments, bounds, bounds[1:], strict=False)
            ],
            pad_id=1,
            ids=np.zeros(sum(lengths), dtype=np.int32),
            offsets=np.cumsum([0, *lengths]),
            example_of=np.repeat(np.arange(len(features)), [len(example) for example in features]),
            columns={name: np.asarray(values, dtype=np.int32) for name, values in columns.items()},
            examples=examples,
        )
        return Dataset.open(folder)

    return make


@pytest.fixture(scope="session")
def build_spans(build: Build) -> Build:
    """A span dataset from (split, language, examples); an example is (id, context, windows, answers).

    A window is the list of its context tokens as (first character, last character + 1); a first token and a question
    token come before them and a last one after, outside of the context.
    """

    def make(files: Sequence[tuple[str, str, Sequence[tuple[str, str, Any, Any]]]]) -> Dataset:
        examples = [example for _, _, part in files for example in part]
        rows = [[(-1, -1), (-1, -1), *window, (-1, -1)] for _, _, windows, _ in examples for window in windows]
        places = np.array([place for row in rows for place in row], dtype=np.int32).reshape(-1, 2)
        zeros = np.zeros(len(rows), dtype=np.int32)
        return build(
            Head.SPAN,
            [(split, language, len(part)) for split, language, part in files],
            [[len(window) + 3 for window in windows] for _, _, windows, _ in examples],
            {"start": zeros, "end": zeros, "char_start": places[:, 0], "char_end": places[:, 1]},
            [
                {"id": id_, "context": context, "answers": None if answers is None else list(answers)}
                for id_, context, _, answers in examples
            ],
        )

    return make


@pytest.fixture(scope="session")
def build_tags(build: Build) -> Build:
    """A tagging dataset from (split, language, sentences); a sentence is (words, tags, features).

    A feature is a list of word numbers, -1 for a token that begins no word.
    """

    def make(files: Sequence[tuple[str, str, Sequence[tuple[Any, Any, Any]]]], labels: Sequence[str]) -> Dataset:
        sentences = [sentence for _, _, part in files for sentence in part]
        word, label = [], []
        for _, tags, features in sentences:
            for number in (number for feature in features for number in feature):
                word.append(number)
                label.append(-1 if number < 0 or tags is None else list(labels).index(tags[number]))
        return build(
            Head.TAGGING,
            [(split, language, len(part)) for split, language, part in files],
            [[len(feature) for feature in features] for _, _, features in sentences],
            {"label": label, "word": word},
            [
                {"id": f"s{number}", "words": list(words), "tags": None if tags is None else list(tags)}
                for number, (words, tags, _) in enumerate(sentences)
            ],
        )

    return make
