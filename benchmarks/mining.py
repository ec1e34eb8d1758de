"""Nearest neighbours in both directions, beside an exact flat index of FAISS on the same vectors in the same run.

    python benchmarks/mining.py [--rows 20000] [--width 768] [--repeats 3] [--threads N] [--programs faiss numpy torch]

Half of the rows have a translation: the same vector with noise. Every search runs in a process of its own, the programs
take turns, and the table gives the median seconds of the search alone (vectors read, packages loaded), its processor
seconds, the peak memory of the whole process, and how many neighbours differ from FAISS's. ``numpy`` needs no torch;
``torch`` proposes in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

K = 4
PROGRAMS = ("faiss", "numpy", "torch")


def make(folder: Path, rows: int, width: int) -> None:
    """Two sides of unit vectors, written in blocks so that memory stays that of one block."""
    from numpy.lib.format import open_memmap

    sides = [
        open_memmap(folder / name, mode="w+", dtype=np.float32, shape=(rows, width))
        for name in ("left.npy", "right.npy")
    ]
    rng = np.random.default_rng(0)
    for top in range(0, rows, 10_000):
        end = min(top + 10_000, rows)
        left = rng.standard_normal((end - top, width), dtype=np.float32)
        right = rng.standard_normal((end - top, width), dtype=np.float32)
        right[::2] = left[::2] + 0.5 * right[::2]
        for side, block in zip(sides, (left, right), strict=True):
            side[top:end] = block / np.linalg.norm(block, axis=1, keepdims=True)


def search(program: str, folder: Path, threads: int) -> dict[str, Any]:
    """One search in this process; writes the neighbours beside the vectors."""
    left, right = (np.load(folder / f"{side}.npy") for side in ("left", "right"))
    if program == "faiss":
        import faiss

        faiss.omp_set_num_threads(threads)
        began, cpu = time.perf_counter(), _cpu()
        found = []
        for queries, keys in ((left, right), (right, left)):
            index = faiss.IndexFlatIP(keys.shape[1])
            index.add(keys)
            found.append(index.search(queries, K)[1])
    else:
        from stilts_core.evaluation.neighbours import nearest_both

        if program == "torch":
            import torch

            torch.set_num_threads(threads)
            torch.mm(torch.ones(64, 64).bfloat16(), torch.ones(64, 64).bfloat16())
        began, cpu = time.perf_counter(), _cpu()
        found = [part.rows for part in nearest_both(left, right, K, engine="torch" if program == "torch" else "numpy")]
    seconds, cpu = time.perf_counter() - began, _cpu() - cpu
    np.save(folder / f"{program}.npy", np.concatenate(found))
    return {"seconds": seconds, "cpu": cpu, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(program: str, folder: Path, threads: int) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--search", program, "--folder", str(folder), "--threads", str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{program} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--programs", nargs="*", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--search", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.search:
        print(json.dumps(search(given.search, given.folder, given.threads)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, given.rows, given.width)
        runs: dict[str, list[dict[str, Any]]] = {program: [] for program in given.programs}
        for _ in range(given.repeats):
            for program in given.programs:
                runs[program].append(measure(program, folder, given.threads))
        reference = np.load(folder / f"{given.programs[0]}.npy")
        print(f"{given.rows} x {given.rows} x {given.width}, both directions, k = {K}, {given.threads} threads")
        print(f"{'program':<8} {'seconds':>9} {'range':>17} {'CPU s':>8} {'peak GiB':>9}  unlike {given.programs[0]}'s")
        for program, results in runs.items():
            seconds = [result["seconds"] for result in results]
            unlike = int((np.load(folder / f"{program}.npy") != reference).sum())
            print(
                f"{program:<8} {statistics.median(seconds):>9.2f} {min(seconds):>8.2f}-{max(seconds):<8.2f} "
                f"{statistics.median(result['cpu'] for result in results):>8.1f} "
                f"{max(result['gib'] for result in results):>9.2f}  {unlike} of {reference.size}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
