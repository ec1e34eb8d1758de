"""Run as a program: what a hand-off costs in memory. Prints JSON.

``gather``: two ranks under ZeRO 3; at each weight that the engine gives, the elements of sharded parameters that are
whole on this rank. ``write``: bytes by which writing an encoder raises the peak of this process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")

import torch

from stilts_core.catalog.models import Head, Hyper
from stilts_core.modeling.encoder import new_encoder
from stilts_core.modeling.model import new_task_model
from stilts_core.spec.study import Pretraining
from stilts_core.stages.handoff import write_encoder


def settings(vocabulary: int, hidden: int) -> Pretraining:
    text = [{"path": "text.txt", "format": "text-lines"}]
    return Pretraining.model_validate(
        {"layers": 2, "hidden": hidden, "heads": 2, "vocabulary": 300, "objectives": {"mlm": 1.0}, "text": text}
    ).model_copy(update={"vocabulary": vocabulary})


def gather(rank: Any) -> dict[str, Any]:
    from deepspeed.runtime.zero.partition_parameters import ZeroParamStatus

    from stilts_core.training.engine import Engine

    torch.manual_seed(0)
    model = new_task_model(new_encoder(settings(2000, 128), 2000, 1, 0, 2), [(Head.CLASSIFICATION, 3)], seed=0)
    wanted = {name: float(parameter.detach().double().sum()) for name, parameter in model.named_parameters()}
    engine = Engine.start(model, Hyper(), zero_stage=3, device=torch.device("cpu"))
    sharded = {name: parameter for name, parameter in model.named_parameters() if not parameter.ds_persist}
    seen, sums = [], {}
    for name, weight in engine.state():
        whole = [one for one, each in sharded.items() if each.ds_status == ZeroParamStatus.AVAILABLE]
        seen.append([name, whole])
        sums[name] = float(weight.double().sum())
    left = [one for one, each in sharded.items() if each.ds_status == ZeroParamStatus.AVAILABLE]
    engine.close()
    return {"seen": seen, "sharded": list(sharded), "left": left, "right": sums == wanted}


def write(folder: Path, tokenizer: Path) -> dict[str, int]:
    encoder = new_encoder(settings(100_000, 256), 100_000, 1, 0, 2)
    weights = {name: tensor.detach() for name, tensor in encoder.named_parameters()}
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    write_encoder(folder / "warm", encoder, {"embeddings.word": torch.zeros(8)}, tokenizer)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is counted from here
    before = _peak()
    write_encoder(folder / "encoder", encoder, weights, tokenizer)
    return {"size": size, "raised": _peak() - before}


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    out, tokenizer = Path(sys.argv[2]), Path(sys.argv[3])
    if sys.argv[1] == "write":
        result: dict[str, Any] = write(out, tokenizer)
    else:
        from stilts_core.training.engine import preload
        from stilts_core.training.ranks import run_ranks

        preload(zero_stage=3)
        result = run_ranks(gather, ranks=2, device="cpu", threads=1, stop_requested=lambda: False)
    (out / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
