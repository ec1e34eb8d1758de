"""Run as a program: a training of all heads under ZeRO stages and numbers of ranks; writes what came out as JSON."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from synthetic import LABELS, VOCABULARY, settings

from stilts_core.catalog.models import Head, Hyper
from stilts_core.data.dataset import Dataset
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.masking import Vocabulary
from stilts_core.modeling.model import new_task_model
from stilts_core.training.dual import DualStream
from stilts_core.training.engine import Engine, preload
from stilts_core.training.loop import Schedule, train
from stilts_core.training.ranks import Rank, run_ranks
from stilts_core.training.streams import MaskedStream, Stream, SupervisedStream

HEADS = (Head.CLASSIFICATION, Head.CHOICE, Head.SPAN, Head.TAGGING, Head.MLM, Head.RETRIEVAL)


class Recorded:
    """A stream that notes which examples every batch holds."""

    def __init__(self, stream: Stream, seen: list[list[int]]) -> None:
        self.stream, self.seen = stream, seen
        self.size, self.batches_per_epoch = stream.size, stream.batches_per_epoch

    def batch(self, number: int) -> Any:
        batch = self.stream.batch(number)
        self.seen.append([int(row) for row in getattr(batch, "rows", ())])
        return batch


def stream_of(dataset: Dataset, vocabulary: Vocabulary, seed: int) -> Stream:
    if dataset.head is Head.MLM:
        return MaskedStream(dataset, batch_size=12, vocabulary=vocabulary, probability=0.3, seed=seed)
    items = Items.of(dataset, "train")
    if dataset.head is Head.RETRIEVAL:
        return DualStream(items, 12, seed, pool=7, scale=20.0)  # the last pool is smaller
    return SupervisedStream(items, 12, seed)


def body(rank: Rank, folder: Path, zero_stage: int, micro_tokens: int) -> dict[str, Any]:
    torch.manual_seed(0)
    encoder = new_encoder(settings(), VOCABULARY, 1, 0, 2)
    model = new_task_model(encoder, [(head, LABELS.get(head, 0)) for head in HEADS], seed=0)
    model.train()
    seen: list[list[int]] = []
    vocabulary = Vocabulary(VOCABULARY, 1, 3, (0, 1, 2, 3))
    streams = [
        Recorded(stream_of(Dataset.open(folder / head.value), vocabulary, at), seen) for at, head in enumerate(HEADS)
    ]
    hyper = Hyper(learning_rate=1e-3, batch_size=12, epochs=1)
    order = np.array([0, 1, 2, 3, 4, 5] * 3)
    device = torch.device("cpu")
    engine = Engine.start(model, hyper, zero_stage=zero_stage, device=device)
    weights, history = train(
        engine,
        Schedule(streams, order, hyper, seed=0),
        device=device,
        micro_tokens=micro_tokens,
        precision="fp32",
    )
    engine.close()
    return {"loss": history.loss, "seen": seen, "weights": {n: float(w.double().sum()) for n, w in weights.items()}}


def one(folder: Path, zero_stage: int, ranks: int, micro_tokens: int) -> None:
    result = run_ranks(
        lambda rank: body(rank, folder, zero_stage, micro_tokens),
        ranks=ranks,
        device="cpu",
        threads=1,
        stop_requested=lambda: False,
    )
    (folder / f"{zero_stage}-{ranks}-{micro_tokens}.json").write_text(json.dumps(result), encoding="utf-8")


def main() -> None:
    """``FOLDER ZERO-RANKS-TOKENS...``: each layout in a process forked from this one, which has imported everything."""
    preload(zero_stage=3)
    context = multiprocessing.get_context("fork")
    for layout in sys.argv[2:]:
        child = context.Process(target=one, args=(Path(sys.argv[1]), *map(int, layout.split("-"))))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f"layout {layout} ended with {child.exitcode}")


if __name__ == "__main__":
    main()
