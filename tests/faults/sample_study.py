"""The sample study twice, on a folder and on an S3 server behind a proxy that misbehaves: the results are the same."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from servers import S3Server

from faults.remote import injected, s3_store

sys.path.insert(0, str(Path(__file__).parent.parent / "end_to_end"))
from whole_study import SLOTS, Place

STUDY = Path(__file__).parents[2] / "jobs" / "quickstart.yaml"
FILES = ("results.csv", "summary.csv")
_REPEATED = re.compile(r"([\d,]+) calls? that failed, repeated")


def repeated_calls(report: bytes) -> int:
    """How many calls to the store the report says that its stages repeated."""
    found = _REPEATED.search(report.decode())
    return int(found[1].replace(",", "")) if found else 0


def try_sample_study(folder: Path, seed: int) -> list[str]:
    """Run the study on both, print what the proxy did, and say what does not hold."""
    alone = Place(folder / "folder", "store")
    broken = _run(alone)
    remote = folder / "s3"
    remote.mkdir()
    with s3_store(remote, seed) as (faulty, _):
        assert faulty.s3 is not None
        there = Place(remote, faulty.uri or "", S3Server(faulty.s3.endpoint or "").environment)
        broken += _run(there)
    if broken:
        return broken
    broken = [f"{name} is not that of the folder" for name in FILES if _result(there, name) != _result(alone, name)]
    rows = _result(there, "results.csv").count(b"\n") - 1
    repeated = repeated_calls(_result(there, "report.html"))
    print(f"{injected(remote)}; the report counts {repeated} repeated calls; {rows:,} rows of results were compared")
    if not repeated:
        broken.append("the report counts no repeated call")
    if repeated_calls(_result(alone, "report.html")):
        broken.append("the report counts repeated calls on a folder")
    return broken


def _run(place: Place) -> list[str]:
    place.folder.mkdir(exist_ok=True)
    began = time.monotonic()
    process = place.start("run", str(STUDY), "--store", place.store, "--slots", SLOTS)
    said, wrong = process.communicate()
    print(f"{place.store}: {said.splitlines()[-2]}, {time.monotonic() - began:.0f} s", flush=True)
    return (
        [] if process.returncode == 0 else [f"{place.store}: exit {process.returncode}: {said[-2000:]}{wrong[-2000:]}"]
    )


def _result(place: Place, name: str) -> bytes:
    return (place.folder / "results" / "quickstart" / name).read_bytes()
