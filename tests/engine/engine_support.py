"""What tests of the engine ask of a store and of the system."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stilts_core.planning.plan import Stage
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifests
from stilts_core.storage.manifest import attempt_prefix


def results(store: Store, stages: Sequence[Stage]) -> dict[str, bytes]:
    """What the fake stages committed, by fingerprint."""
    manifests = read_manifests(store, [stage.fingerprint for stage in stages])
    return {
        name: store.read(attempt_prefix(name, manifest.attempt) + "result.txt") for name, manifest in manifests.items()
    }


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come about")
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """The process ends, or has ended, within seconds."""
    try:
        until(lambda: _state(pid) in (None, "Z"))
    except AssertionError:
        return False
    return True


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
