"""What saving costs a training, and what going on from there takes: python benchmarks/saving.py [--hidden 256 …].

One rank on a processor trains an encoder on random tokens; a state is saved every few steps, far more often than
`training.cadence` would. Printed are the stall, what the upload takes of the processor, the bytes against the least
possible (weights and AdamW's two moments in fp32), the share of the time at the default interval, and the time from a
fresh engine to the first step after a resume.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="1000")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "training"))

import numpy as np
import torch
from synthetic import settings, write_dataset

from stilts_core.catalog.models import Head, Hyper
from stilts_core.data.dataset import Dataset
from stilts_core.errors import StoppedError
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.feed import Items
from stilts_core.modeling.model import new_task_model
from stilts_core.storage.attempts import new_attempt
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.resume import list_states, read_state
from stilts_core.training.cadence import LEAST_SECONDS, SHARE, Cadence
from stilts_core.training.checkpoint import Facts, Place, StoredCheckpoint
from stilts_core.training.engine import Engine
from stilts_core.training.loop import Schedule, train
from stilts_core.training.ranks import Rank, run_ranks
from stilts_core.training.streams import SupervisedStream

FINGERPRINT = "be" * 32


class Measured(Cadence):
    """Keeps what each save cost."""

    def __init__(self, steps: int) -> None:
        self.costs: list[float] = []
        super().__init__(steps=steps)

    def saved(self, step: int, cost: float) -> None:
        if step:
            self.costs.append(cost)
        super().saved(step, cost)


def one(options: argparse.Namespace, root: Path, number: int, stop_at: int) -> dict[str, Any]:
    """An attempt of so many steps."""
    times: list[float] = []
    stalls: list[float] = []

    def body(rank: Rank) -> dict[str, Any]:  # noqa: ARG001 (it is the only one)
        encoder = new_encoder(
            settings(hidden=options.hidden, layers=options.layers, heads=4, dropout=0.1), options.vocabulary, 1, 0, 2
        )
        model = new_task_model(encoder, [(Head.CLASSIFICATION, 3)], seed=0)
        model.train()
        hyper = Hyper(learning_rate=1e-4, batch_size=16, epochs=1)
        stream = SupervisedStream(Items.of(Dataset.open(root / "data"), "train"), 16, 0)
        device = torch.device("cpu")
        engine = Engine.start(model, hyper, zero_stage=0, device=device)
        cadence = Measured(options.every)
        place = Place(FolderStore(root / "store"), FINGERPRINT, new_attempt(number), root / "scratch")
        checkpoint = StoredCheckpoint(place, Facts(), cadence, device=device, grace=600)
        save = checkpoint.save

        def timed(engine: Engine, position: Any, *, last: bool = False) -> None:
            began = time.perf_counter()
            save(engine, position, last=last)
            if not last:
                stalls.append(time.perf_counter() - began)

        checkpoint.save = timed  # type: ignore[method-assign]
        began = time.perf_counter()
        try:
            train(
                engine,
                Schedule([stream], np.zeros(options.steps, dtype=np.int64), hyper, 0),
                device=device,
                precision="fp32",
                report=lambda at: times.append(time.perf_counter()),
                stop_requested=lambda: len(times) + 1 == stop_at,
                checkpoint=checkpoint,
            )
        except StoppedError:
            pass
        finally:
            engine.close()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return {"parameters": parameters, "costs": cadence.costs, "first": times[0] - began}

    found = run_ranks(body, ranks=1, device="cpu", threads=options.threads, stop_requested=lambda: False)
    return {**found, "stalls": stalls, "steps": np.diff(times).tolist()}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in {
        "hidden": 256,
        "layers": 4,
        "vocabulary": 60_000,
        "steps": 60,
        "every": 10,
        "threads": 1,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stilts-saving-") as folder:
        root = Path(folder)
        write_dataset(root / "data", Head.CLASSIFICATION, examples=256)
        first = one(options, root, 1, stop_at=options.steps - options.every)
        second = one(options, root, 2, stop_at=options.steps - options.every + 3)
        store = FolderStore(root / "store")
        state = read_state(store, FINGERPRINT, list_states(store, FINGERPRINT)[0])
        size = sum(record.size for record in state.files.values())
    least = first["parameters"] * 12
    cost, stall = statistics.median(first["costs"]), statistics.median(first["stalls"])
    interval = max(LEAST_SECONDS, cost / SHARE)
    print(
        json.dumps(
            {
                "parameters": first["parameters"],
                "step_ms": round(1000 * statistics.median(first["steps"]), 1),
                "stall_ms": round(1000 * stall, 1),
                "cost_ms": round(1000 * cost, 1),
                "bytes": size,
                "bytes_over_least": round(size / least, 5),
                "default_interval_s": round(interval, 1),
                "share_at_default_interval": round(cost / interval, 5),
                "seconds_to_resume": round(second["first"] - statistics.median(second["steps"]), 2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
