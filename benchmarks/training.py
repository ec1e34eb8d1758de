"""Training and evaluation beside the usual Trainer scripts: same encoder, files, batch size, limits and threads.

    python benchmarks/training.py [--reference FOLDER] [--data FOLDER] [--encoder FOLDER] [--tasks xnli qa pos]
        [--threads 2] [--repeats 2] [--share 1.0] [--out FILE]

Runs, one after another and in turn, the reference scripts ``hf_<task>.py`` with plain and with optimised settings, and
the stages of this project, each in a process of its own. Prints examples a second (QA: windows) as medians over the
repeats, and how many times the reference's they are. Training is the training loop alone; evaluation is tokenising,
forward passes and scoring of all languages, for ours with reading, loading and writing everything that is committed.
Needs the reference's packages (the ``bench`` group).

On a busy machine two threads wait for each other: use ``--threads 1`` there, and the ratios of examples per CPU second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from measured import TASKS, Meter, Stages, Task, existing_encoder, use_threads

from stilts_core.engine.environment import ENVIRONMENT

KINDS = ("plain", "optimised", "ours")
PARTS = {"train": "training", "eval": "evaluation"}
TARGETS = {"train": {"xnli": 4.0, "qa": 2.7, "pos": 2.0}, "eval": {"xnli": 3.0, "qa": 3.0, "pos": 3.0}}
"""How many times the plain settings' rate is wanted."""
OPTIMISED_TARGETS = {"train": 1.0, "eval": 2.0}


def ours(task: Task, data: Path, encoder: Path, threads: int) -> dict[str, Any]:
    """One training and its evaluations, as a study runs them; rates and seconds by section as the reference's."""
    import torch

    from stilts_core.stages import evaluate, prepare, train  # noqa: F401 (a server of stage processes has them loaded)
    from stilts_core.training.engine import preload

    preload(zero_stage=0)
    torch.set_num_threads(threads)
    meter = Meter()
    run_steps = vars(train)["run_steps"]

    def timed_steps(*arguments: Any, **more: Any) -> Any:
        with meter("train"):
            return run_steps(*arguments, **more)

    with (
        tempfile.TemporaryDirectory(prefix="bench-training-") as folder,
        mock.patch.object(train, "run_steps", timed_steps),
    ):
        stages = Stages(task, data, encoder, Path(folder), threads)
        with meter("train prepare"):
            prepared, _ = stages.prepare_training()
        with meter("train stage"):
            model, trained = stages.train(prepared)
        features = 0
        for target in stages.targets:
            with meter("eval prepare"):
                data_of_target, sizes = stages.prepare_evaluation(target)
            with meter("eval predict and score"):
                stages.evaluate(target, data_of_target, model)
            features += sizes["features"]
    return {
        "train": _rates(trained["examples"], meter, "train"),
        "eval": _rates(features, meter, "eval prepare", "eval predict and score"),
        "sections_wall_s": meter.wall,
        "sections_cpu_s": meter.cpu,
        "load": os.getloadavg()[0],
        "loss": [trained["loss_first"], trained["loss_last"]],
    }


def _rates(examples: int, meter: Meter, *sections: str) -> dict[str, float]:
    wall, cpu = (sum(seconds[section] for section in sections) for seconds in (meter.wall, meter.cpu))
    return {
        "examples": examples,
        "wall_s": wall,
        "cpu_s": cpu,
        "examples_per_s": examples / wall,
        "examples_per_cpu_s": examples / cpu,
    }


def reference(folder: Path, name: str, task: Task, encoder: Path, threads: int, *, optimised: bool) -> dict[str, Any]:
    """One run of a reference script."""
    command = [
        *(sys.executable, f"bench/hf_{name}.py", "--encoder", str(encoder), "--out", "result.json"),
        *("--threads", str(threads), "--batch", str(task.hyper.batch_size), "--lr", str(task.hyper.learning_rate)),
        *("--train-limit", str(task.train_limit), "--eval-limit", str(task.eval_limit)),
    ]
    _call([*command, "--optimised"] if optimised else command, use_threads(threads), folder)
    return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def _call(command: Sequence[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def reference_copy(scripts: Path, data: Path, folder: Path) -> None:
    """The reference beside the data, where its scripts look for them and can write their own files."""
    if not (scripts / "hf_xnli.py").is_file():
        raise SystemExit(f"{scripts} has no reference scripts (hf_xnli.py and others); --reference names their folder.")
    (folder / "bench").mkdir()
    for path in scripts.glob("*.py"):
        shutil.copyfile(path, folder / "bench" / path.name)
    (folder / "data").symlink_to(data)


def table(runs: dict[tuple[str, str], list[dict[str, Any]]], tasks: Sequence[str]) -> tuple[str, bool]:
    """The results for people, and whether every target is met."""

    def middle(task: str, kind: str, part: str, figure: str) -> float:
        return statistics.median(float(run[part][figure]) for run in runs[task, kind])

    head = (
        "task",
        "part",
        "n",
        *(f"{kind}/s" for kind in KINDS),
        "x plain",
        "x optimised",
        "CPU: x plain",
        "x optimised",
        "wanted",
    )
    rows, met = [head], True
    for task in tasks:
        for part, words in PARTS.items():
            rates = [middle(task, kind, part, "examples_per_s") for kind in KINDS]
            processor = [middle(task, kind, part, "examples_per_cpu_s") for kind in KINDS]
            plain, optimised = rates[2] / rates[0], rates[2] / rates[1]
            wanted, wanted_optimised = TARGETS[part][task], OPTIMISED_TARGETS[part]
            reached = plain >= wanted and optimised >= wanted_optimised
            met &= reached
            rows.append(
                (
                    task,
                    words,
                    f"{middle(task, 'ours', part, 'examples'):.0f}",
                    *(f"{rate:.1f}" for rate in rates),
                    f"{plain:.2f}",
                    f"{optimised:.2f}",
                    f"{processor[2] / processor[0]:.2f}",
                    f"{processor[2] / processor[1]:.2f}",
                    f"{wanted:g}, {wanted_optimised:g}: {'met' if reached else 'MISSED'}",
                )
            )
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines), met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--reference", type=Path, default=Path("../shared/bench"), help="folder of the Trainer scripts")
    parser.add_argument("--data", type=Path, help="folder of the data slices; the reference's own where not given")
    parser.add_argument("--encoder", type=Path, default=Path("out/enc"))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the records of each file, to try it out")
    parser.add_argument("--out", type=Path, help="also write all figures, as JSON")
    parser.add_argument("--ours", choices=list(TASKS), help="run one task of ours in this process and print JSON")
    arguments = parser.parse_args()
    encoder = existing_encoder(arguments.encoder)
    data = (arguments.data or arguments.reference.parent / "data").resolve()
    tasks = {
        name: dataclasses.replace(
            task,
            train_limit=max(1, round(task.train_limit * arguments.share)),
            eval_limit=max(1, round(task.eval_limit * arguments.share)),
        )
        for name, task in TASKS.items()
    }
    if arguments.ours:
        print(json.dumps(ours(tasks[arguments.ours], data, encoder, arguments.threads)))
        return 0
    again = [*(sys.executable, str(Path(__file__).resolve()), "--data", str(data), "--encoder", str(encoder))]
    again += ["--threads", str(arguments.threads), "--share", str(arguments.share)]
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-reference-") as name_of_folder:
        folder = Path(name_of_folder)
        reference_copy(arguments.reference.resolve(), data, folder)
        for repeat in range(arguments.repeats):
            for name in arguments.tasks:
                for kind in KINDS:
                    load = os.getloadavg()[0]
                    if kind == "ours":
                        environment = {**use_threads(arguments.threads), **ENVIRONMENT, "DS_ACCELERATOR": "cpu"}
                        lines = _call([*again, "--ours", name], environment, folder).splitlines()
                        run = json.loads(lines[-1])
                    else:
                        run = reference(
                            folder, name, tasks[name], encoder, arguments.threads, optimised=kind == "optimised"
                        )
                    runs.setdefault((name, kind), []).append(run)
                    rates = ", ".join(f"{words} {run[part]['examples_per_s']:.1f}/s" for part, words in PARTS.items())
                    print(f"{repeat + 1} {name} {kind}: {rates} (load {load:.1f})", file=sys.stderr, flush=True)
    if arguments.out:
        document = {f"{name} {kind}": results for (name, kind), results in runs.items()}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text, met = table(runs, arguments.tasks)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
