"""The signs of life of a running attempt in the store: its heartbeat, and its log as far as it got."""

from __future__ import annotations

import os
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

LOG_BYTES = 8 << 20
"""Of a log, at most this much is kept: its beginning and its end."""


class Pulse:
    """Writes heartbeat and log beside the work, in a thread of its own, until the block ends.

    What goes wrong later is said in the log and harms nothing else: no decision rests on a heartbeat.

    Args:
        node: of those that share the attempt; the heartbeat is the first one's.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        attempt: Attempt,
        log: Path | None,
        progress: Callable[[], Progress],
        *,
        node: int = 0,
    ) -> None:
        self._store, self._fingerprint, self._attempt, self._node = store, fingerprint, attempt, node
        self._log, self._progress = log, progress
        self._since = datetime.now(UTC)
        self._logged = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """The first one is waited for: it takes the attempt's number, and shows whether the store can be written.

        Raises:
            StorageError: it cannot.
        """
        self._once()
        self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """End the beating; what is being written is waited for, for ``patience`` seconds at most."""
        self._over.set()
        self._thread.join(patience)

    def _beat(self) -> None:
        seconds = FOLDER_SECONDS if self._store.local_path("probe") is not None else REMOTE_SECONDS
        while not self._over.wait(seconds):
            try:
                self._once()
            except (StiltsError, OSError) as error:
                print(f"heartbeat: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the stage's log)

    def _once(self) -> None:
        if self._node == 0:
            heartbeat = Heartbeat(updated=datetime.now(UTC), since=self._since, **asdict(self._progress()))
            write_heartbeat(self._store, self._fingerprint, self._attempt, heartbeat)
        if self._log is None:
            return
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._logged:
            put_log(self._store, self._fingerprint, self._attempt, read_bounded(self._log), self._node)
            self._logged = size


def read_bounded(log: Path, limit: int = LOG_BYTES) -> bytes:
    """A log; of one over the limit the beginning and the end, with a line that says how much is left out.

    Raises:
        OSError: it cannot be read.
    """
    with log.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= limit:
            return file.read(size)
        head = file.read(limit // 2)
        file.seek(size - limit // 2)
        tail = file.read(limit // 2)
    left_out = size - len(head) - len(tail)
    return b"%s\n[%d bytes are left out here]\n%s" % (head, left_out, tail)
