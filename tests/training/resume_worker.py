"""Run as a program: trainings that are interrupted and gone on with; writes what came out as JSON.

``FOLDER NAME:ZERO-RANKS@STOP,ZERO-RANKS@STOP,ZERO-RANKS...``: each NAME is one training in as many attempts as there
are layouts, each of which but the last is asked to stop while it does step STOP (with an ``e``: during the evaluation
after it). All attempts of a name share the store ``FOLDER/stores/NAME``. A layout with a ``d`` before it finds the
newest state damaged, one with an ``m`` its manifest.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
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
from stilts_core.errors import StiltsError, StoppedError
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.masking import Vocabulary
from stilts_core.modeling.model import new_task_model
from stilts_core.storage.attempts import Claim, claim_attempt, new_attempt
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.resume import list_states, resume_prefix
from stilts_core.training.cadence import Cadence
from stilts_core.training.checkpoint import Facts, Place, StoredCheckpoint
from stilts_core.training.engine import Engine, preload
from stilts_core.training.loop import Schedule, train
from stilts_core.training.ranks import Rank, run_ranks
from stilts_core.training.streams import MaskedStream, SupervisedStream

HEADS = (Head.CLASSIFICATION, Head.TAGGING, Head.MLM)
FINGERPRINT = "ab" * 32
STEPS = 14


def body(
    rank: Rank, folder: Path, store: Path, attempt: int, zero_stage: int, stop: str, examples: int
) -> dict[str, Any]:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    encoder = new_encoder(settings(dropout=0.1), VOCABULARY, 1, 0, 2)
    model = new_task_model(encoder, [(head, LABELS.get(head, 0)) for head in HEADS], seed=0)
    model.train()
    vocabulary = Vocabulary(VOCABULARY, 1, 3, (0, 1, 2, 3))
    streams = [
        MaskedStream(dataset, batch_size=12, vocabulary=vocabulary, probability=0.3, seed=at)
        if head is Head.MLM
        else SupervisedStream(Items.of(dataset, "train"), 12, at)
        for at, (head, dataset) in enumerate((head, Dataset.open(folder / head.value)) for head in HEADS)
    ]
    hyper = Hyper(learning_rate=1e-3, batch_size=12, epochs=1, evaluate_every=4, patience=3)
    order = np.array([0, 1, 2] * 5)[:STEPS]
    device = torch.device("cpu")
    engine = Engine.start(model, hyper, zero_stage=zero_stage, device=device)
    done: list[int] = []

    def score(step: int) -> dict[str, dict[str, float]]:
        """It follows from the weights and from the generators; of one rank the third is best, of two the first."""
        if stop == f"{step}e":
            raise StoppedError("in the evaluation")
        weights = next(tensor for _, tensor in engine.state())
        drawn = random.random() + np.random.random() + float(torch.rand(1))
        height = {4: 20, 12: 40 if rank.ranks == 1 else 10}.get(step, 0)
        return {"noise": {"score": drawn + height + float(weights.double().sum())}}

    place = Place(FolderStore(store), FINGERPRINT, new_attempt(attempt), store / f"scratch-{rank.rank}")
    place = Place(place.store, FINGERPRINT, place.attempt.model_copy(update={"token": f"t{attempt}"}), place.scratch)
    said: list[str] = []
    checkpoint = StoredCheckpoint(
        place, Facts({"examples": examples}, {}), Cadence(steps=3), device=device, say=said.append
    )

    def report(at: Any) -> None:
        done.append(at.step)

    try:
        weights, history = train(
            engine,
            Schedule(streams, order, hyper, seed=0),
            device=device,
            precision="fp32",
            score_dev=score,
            report=report,
            # One rank alone hears of it.
            stop_requested=lambda: rank.rank == rank.ranks - 1 and stop == str(done[-1] + 1 if done else 0),
            checkpoint=checkpoint,
        )
    except StoppedError as error:
        return {"stopped": str(error), "said": said, "steps": done}
    finally:
        engine.close()
    digest = hashlib.sha256(b"".join(weights[name].numpy().tobytes() for name in sorted(weights))).hexdigest()
    return {
        "weights": digest,
        "sums": {name: float(weight.double().sum()) for name, weight in weights.items()},
        "loss": history.loss,
        "dev": history.dev,
        "best_step": history.best_step,
        "stopped_early": history.stopped_early,
        "said": said,
        "steps": done,
    }


def damage(store: Path, name: str) -> None:
    path = store / resume_prefix(FINGERPRINT) / list_states(FolderStore(store), FINGERPRINT)[0] / name
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:] if name != "manifest.json" else data[:-9])


def one(folder: Path, name: str, attempt: int, layout: str) -> None:
    store = folder / "stores" / name
    if layout[0] in "dm":
        damage(store, "manifest.json" if layout[0] == "m" else "rank-00001.safetensors")
    layout, _, stop = layout.lstrip("dm").partition("@")
    zero_stage, ranks, *examples = map(int, layout.split("-"))
    claim = Claim(host="here", claimed="2030-01-01T00:00:00Z")
    claim_attempt(FolderStore(store), FINGERPRINT, new_attempt(attempt), claim)
    try:
        result = run_ranks(
            lambda rank: body(rank, folder, store, attempt, zero_stage, stop, examples[0] if examples else 0),
            ranks=ranks,
            device="cpu",
            threads=1,
            stop_requested=lambda: False,
        )
    except StiltsError as error:
        result = {"error": error.exit_code, "message": str(error)}
    (folder / f"{name}.{attempt}.json").write_text(json.dumps(result), encoding="utf-8")


def main() -> None:
    preload(zero_stage=3)
    context = multiprocessing.get_context("fork")
    folder = Path(sys.argv[1])
    for training in sys.argv[2:]:
        name, _, layouts = training.partition(":")
        for attempt, layout in enumerate(layouts.split(","), 1):
            child = context.Process(target=one, args=(folder, name, attempt, layout))
            child.start()
            child.join()
            if child.exitcode:
                sys.exit(f"attempt {attempt} of {training} ended with {child.exitcode}")


if __name__ == "__main__":
    main()
