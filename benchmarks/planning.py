"""How long a study of about 10,000 stages takes to plan: ``python benchmarks/planning.py``.

The study is synthetic and its data files exist by name only, so that nothing but planning is measured: settings,
search of the files of each target, fingerprints, stages and cells.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import time

from stilts_core.catalog.load import load_catalogue
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import EncoderSource
from stilts_core.spec.study import Study

CURRICULUM_TASKS = ("mnli", "squad_v1", "squad_v2", "hellaswag")
TARGETS = ("xnli", "udpos", "xquad", "tydiqa", "tatoeba")


class NamedFiles:
    """A data root in which every file without a ``*`` is there."""

    def find(self, pattern: str) -> list[str]:
        return [] if "*" in pattern else [pattern]

    def digest(self, path: str) -> tuple[str, int]:
        return hashlib.sha256(path.encode()).hexdigest(), 1_000_000


def synthetic_study(encoders: int, seeds: int) -> Study:
    """All single tasks, all sequences of two and of three, and a mix, as curricula."""
    tasks = CURRICULUM_TASKS
    pairs = [(a, b) for a in tasks for b in tasks if a != b]
    sequences = [*[(a,) for a in tasks], *pairs, *[(a, b, c) for a, b in pairs for c in tasks if c not in (a, b)]]
    curricula: list[object] = ["baseline", {"name": "mixed", "steps": [{"mix": list(tasks)}]}]
    curricula += [{"name": "-".join(steps), "steps": list(steps)} for steps in sequences]
    return Study.model_validate(
        {
            "metadata": {"name": "synthetic"},
            "spec": {
                "encoders": [{"name": f"encoder-{i}", "source": f"made/encoder-{i}"} for i in range(encoders)],
                "curricula": curricula,
                "targets": list(TARGETS),
                "seeds": seeds,
                "overrides": [{"match": {"curriculum": "mixed"}, "set": {"epochs": 2}}],
            },
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    study = synthetic_study(arguments.encoders, arguments.seeds)
    catalogue = load_catalogue()
    sources = {
        encoder.name: EncoderSource(
            location=encoder.source or "", digest=hashlib.sha256(encoder.name.encode()).hexdigest()
        )
        for encoder in study.spec.encoders
    }
    seconds, processor = [], []
    for _ in range(arguments.repeat):
        gc.collect()
        started, used = time.perf_counter(), time.process_time()
        plan = make_plan(study, catalogue, NamedFiles(), sources)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    best, worst, count = min(seconds), max(seconds), len(plan.stages)
    if arguments.json:
        print(json.dumps({"stages": count, "cells": len(plan.cells), "seconds": seconds, "cpu_seconds": processor}))
        return
    print(f"{count:,} stages, {len(plan.cells):,} results")
    print(f"{best:.3f} s at best, {worst:.3f} s at worst of {len(seconds)}; {count / best:,.0f} stages/s")
    print(f"{min(processor):.3f} s of processor time at best")


if __name__ == "__main__":
    main()
