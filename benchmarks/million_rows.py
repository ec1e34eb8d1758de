"""How long a million result rows take: ``make bench-rows``.

A results table is written as CSV and as Parquet, then read, analysed and rendered; and a study of as many rows is
collected from its manifests and every file of it is made. Each is a process of its own that states its peak of memory.
Of the study the statistics (intervals, tests, correlations) are timed apart from all else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

METRICS = ("score", "accuracy", "f1", "chance", "at_chance", "degenerate")


def write_table(rows: int, folder: Path) -> list[Path]:
    """A table of at least so many rows: 3 encoders, 11 curricula, 9 targets, 36 languages, as many seeds as needed."""
    encoders, curricula, targets, languages = 3, 11, 9, 36
    seeds = -(-rows // (encoders * curricula * targets * languages * len(METRICS)))
    shape = (encoders, curricula, targets, languages, seeds, len(METRICS))
    places = np.unravel_index(np.arange(np.prod(shape)), shape)
    random = np.random.default_rng(0)
    value = 60 + random.normal(0, 1, shape)
    value += np.linspace(0, 4, curricula)[None, :, None, None, None, None]
    value[..., 3], value[..., 4], value[..., 5] = 33.3, 0, 0

    def column(axis: int, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(places[axis].astype(np.int32)), names)

    tasks = ["xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba"]
    curriculum = ["baseline", *(f"task{place}" for place in range(1, curricula))]
    run = np.ravel_multi_index([places[0], places[1], places[2], places[4]], (encoders, curricula, targets, seeds))
    runs = [f"{number:064x}" for number in range(encoders * curricula * targets * seeds)]
    table = pa.table(
        {
            "study": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(run), dtype=np.int32)), ["large"]),
            "encoder": column(0, [f"encoder{place}" for place in range(encoders)]),
            "curriculum": column(1, curriculum),
            "target": column(2, tasks),
            "language": column(3, ["en", *(f"l{chr(97 + p % 26)}{chr(97 + p // 26)}" for p in range(languages - 1))]),
            "seed": pa.array(places[4]),
            "protocol": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(run), dtype=np.int32)), ["corrected"]),
            "split": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(run), dtype=np.int32)), ["test"]),
            "metric": column(5, list(METRICS)),
            "value": pa.array(value.ravel()),
            "n": pa.array(np.full(len(run), 5010)),
            "fingerprint": pa.DictionaryArray.from_arrays(pa.array(run.astype(np.int32)), runs),
        }
    )
    paths = [folder / "large.csv", folder / "large.parquet"]
    plain = pa.table(
        {
            name: table[name].cast(pa.string()) if i != 5 and pa.types.is_dictionary(table[name].type) else table[name]
            for i, name in enumerate(table.column_names)
        }
    )
    pyarrow.csv.write_csv(plain, paths[0])
    pq.write_table(table, paths[1])
    return paths


def measure(path: Path) -> dict[str, float]:
    """One analysis in this process."""
    from stilts_core.analysis.analyse import analyse, files
    from stilts_core.analysis.frame import read_frame

    began, used = time.perf_counter(), time.process_time()
    frame = read_frame(path)
    read = time.perf_counter()
    found = analyse(frame)
    analysed = time.perf_counter()
    made = files(found)
    rendered = time.perf_counter()
    return {
        "rows": len(frame),
        "read_s": read - began,
        "analyse_s": analysed - read,
        "render_s": rendered - analysed,
        "total_s": rendered - began,
        "processor_s": time.process_time() - used,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "report_mib": len(made["report.html"]) / 2**20,
    }


def measure_study(rows: int) -> dict[str, float]:
    """One study in this process: 3 encoders, 11 curricula, 5 targets, 36 languages, as many seeds as needed."""
    from fake_study import entry, make_manifests, make_plan

    from stilts_core.analysis import collected as gathering
    from stilts_core.analysis.collect import files
    from stilts_core.catalog.load import load_catalogue

    codes = tuple(sorted(load_catalogue().languages))[:36]
    targets = dict.fromkeys(("xnli", "udpos", "xquad", "tydiqa", "tatoeba"), codes)
    seeds = -(-rows // (3 * 11 * len(targets) * len(codes) * 5))
    curricula = ("baseline", *(f"task{place}" for place in range(1, 11)))
    plan = make_plan(encoders=("a", "b", "c"), curricula=curricula, targets=targets, seeds=range(seeds))
    values = iter(np.random.default_rng(0).normal(60, 3, len(plan.cells) * len(codes)).tolist())
    manifests = make_manifests(plan, lambda cell, code: entry(next(values)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    statistics = 0.0
    find = gathering.find_evidence

    def timed(*given: object, **more: object) -> object:
        nonlocal statistics
        start = time.perf_counter()
        found = find(*given, **more)  # type: ignore[arg-type]
        statistics += time.perf_counter() - start
        return found

    gathering.find_evidence = timed  # type: ignore[assignment]
    began, used = time.perf_counter(), time.process_time()
    found = gathering.gather(plan, manifests)
    gathered = time.perf_counter()
    made = files(found)
    ended = time.perf_counter()
    return {
        "rows": len(found.frame),
        "gather_s": gathered - began - statistics,
        "statistics_s": statistics,
        "files_s": ended - gathered,
        "processor_s": time.process_time() - used,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "manifests_mib": before,
        "report_mib": len(made["report.html"]) / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--study", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.study:
        print(json.dumps(measure_study(options.rows)))
        return
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    records = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in write_table(options.rows, Path(folder)):
            command = [sys.executable, __file__, "--measure", str(path)]
            record = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            records[path.suffix] = record
            if not options.json:
                print(
                    f"{path.suffix[1:]}: {record['rows']:,} rows read in {record['read_s']:.1f} s, analysed in "
                    f"{record['analyse_s']:.1f} s, rendered in {record['render_s']:.1f} s, together "
                    f"{record['total_s']:.1f} s ({record['processor_s']:.1f} s of a processor); peak "
                    f"{record['peak_mib']:.0f} MiB"
                )
    command = [sys.executable, __file__, "--study", "--rows", str(options.rows)]
    record = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    records["study"] = record
    if options.json:
        print(json.dumps(records, indent=1))
        return
    beyond = record["gather_s"] + record["files_s"]
    print(
        f"study: {record['rows']:,} rows collected in {record['gather_s']:.1f} s and made into files in "
        f"{record['files_s']:.1f} s, together {beyond:.1f} s beyond {record['statistics_s']:.1f} s of statistics "
        f"({record['processor_s']:.1f} s of a processor in all); peak {record['peak_mib']:.0f} MiB, "
        f"{record['manifests_mib']:.0f} MiB of it manifests"
    )


if __name__ == "__main__":
    main()
