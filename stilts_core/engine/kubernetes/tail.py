"""A log that grows, copied to where the pod's own log is taken from."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

_SECONDS = 0.5
_CHUNK = 1 << 16


class Tail:
    """Copies what is added to a file to a descriptor, in a thread of its own: nobody waits for a slow reader.

    Args:
        log: need not exist yet.
    """

    def __init__(self, log: Path, target: int = 1) -> None:
        self._log, self._target = log, target
        self._copied = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tail", daemon=True)
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Copy the rest, for ``patience`` seconds at most."""
        self._over.set()
        self._thread.join(patience)

    def _follow(self) -> None:
        with suppress(OSError):  # nobody reads any more
            over = False
            while not over:
                over = self._over.wait(_SECONDS)
                self._copy()

    def _copy(self) -> None:
        with suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(self._copied)
            while piece := file.read(_CHUNK):
                self._copied += len(piece)
                while piece:
                    piece = piece[os.write(self._target, piece) :]
