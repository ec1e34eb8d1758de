"""Calls that nobody waits for, at the end of the process least of all."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable


class Calls:
    """A few threads that work off calls in their order. Unlike those of an executor, none delays the process's end."""

    def __init__(self, threads: int) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._over = False
        self._threads = [threading.Thread(target=self._work, name=f"call-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[[], None]) -> None:
        """Have it called; it must not raise."""
        self._queue.put(call)

    def close(self, patience: float = 5.0) -> None:
        """Take no other call, and wait a little (seconds) for those that were taken: a stop may be among them."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._over = True

    def _work(self) -> None:
        while (call := self._queue.get()) is not None and not self._over:
            call()
