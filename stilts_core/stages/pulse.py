"""The signs of life of a running attempt in the store: its heartbeat, and its log as far as it got."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from stilts_core.errors import StiltsError
from stilts_core.stages.context import Progress
from stilts_core.storage.attempts import Heartbeat, put_log, write_heartbeat
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt

FOLDER_SECONDS, REMOTE_SECONDS = 2.0, 10.0
"""Between two heartbeats: a remote store charges for each, and others wait behind it."""


class Pulse:
    """Writes heartbeat and log beside the work, in a thread of its own, until the block ends.

    What goes wrong later is said in the log and harms nothing else: no decision rests on a heartbeat.
    """

    def __init__(
        self, store: Store, fingerprint: str, attempt: Attempt, log: Path | None, progress: Callable[[], Progress]
    ) -> None:
        self._store, self._fingerprint, self._attempt = store, fingerprint, attempt
        self._log, self._progress = log, progress
        self._logged = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        # The first one is waited for: it takes the attempt's number, and shows early whether the store can be written.
        self._once()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        seconds = FOLDER_SECONDS if self._store.local_path("probe") is not None else REMOTE_SECONDS
        while not self._over.wait(seconds):
            try:
                self._once()
            except (StiltsError, OSError) as error:
                print(f"heartbeat: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the stage's log)

    def _once(self) -> None:
        heartbeat = Heartbeat(updated=datetime.now(UTC), **asdict(self._progress()))
        write_heartbeat(self._store, self._fingerprint, self._attempt, heartbeat)
        if self._log is None:
            return
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._logged:
            put_log(self._store, self._fingerprint, self._attempt, self._log.read_bytes())
            self._logged = size
