"""Tiny datasets and encoders for the tests of the training parts: random tokens, no tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stilts_core.catalog.models import Head
from stilts_core.data.dataset import Dataset, Segment
from stilts_core.spec.study import Pretraining

VOCABULARY = 120
LABELS = {Head.CLASSIFICATION: 3, Head.TAGGING: 5}


def settings(**changes: object) -> Pretraining:
    """An encoder of two small layers without dropout, so that only the arithmetic decides."""
    fields = {
        "layers": 2,
        "hidden": 32,
        "heads": 2,
        "max_length": 64,
        "sequence_length": 32,
        "vocabulary": 300,
        "dropout": 0.0,
        "objectives": {"mlm": 1.0},
        "text": [{"path": "text.txt", "format": "text-lines"}],
    }
    return Pretraining.model_validate({**fields, **changes})


def write_dataset(folder: Path, head: Head, examples: int = 48, choices: int = 3) -> Dataset:
    """Random features; for mlm every two examples of two languages are a group."""
    rng = np.random.default_rng(7)
    features = examples * choices if head is Head.CHOICE else examples
    lengths = rng.integers(4, 24, features)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ids = rng.integers(5, VOCABULARY, offsets[-1]).astype(np.int32)
    ids[offsets[:-1]], ids[offsets[1:] - 1] = 0, 2
    columns: dict[str, np.ndarray] = {}
    if head in (Head.CLASSIFICATION, Head.CHOICE):
        columns["label"] = rng.integers(0, 3, examples)
    elif head is Head.SPAN:
        columns["start"] = rng.integers(0, 3, features)
        columns["end"] = columns["start"] + 1
    elif head is Head.TAGGING:
        columns["label"] = np.where(rng.random(len(ids)) < 0.5, rng.integers(0, 5, len(ids)), -1)
    elif head is Head.RETRIEVAL:  # in each language what looks for something stands before it, some for the same thing
        half = examples // 2
        place = np.arange(examples) % half
        columns["side"] = (place >= half // 2).astype(np.int8)
        target = half // 2 + place % (half // 2 - 2)
        columns["answer"] = np.where(columns["side"], 0, target - place).astype(np.int32)
    elif head is Head.MLM:
        columns["group"] = np.arange(examples) % (examples // 2)
    segments = [Segment("train", "en", 0, examples // 2), Segment("train", "de", examples // 2, examples)]
    Dataset.write(
        folder,
        head=head,
        segments=segments,
        pad_id=1,
        ids=ids,
        offsets=offsets,
        example_of=np.repeat(np.arange(examples), choices) if head is Head.CHOICE else np.arange(examples),
        columns=columns,
        examples=[{} for _ in range(examples)],
    )
    return Dataset.open(folder)
