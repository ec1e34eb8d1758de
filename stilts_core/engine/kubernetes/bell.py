"""What wakes a supervisor: signals, and what it has others do."""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Bell:
    """Ends a wait when a signal comes, a child ends, or a background call is over. Made in the main thread, once.

    Attributes:
        asked_at: when the pod was first asked to stop, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._ear, self._rope = os.pipe()
        for end in (self._ear, self._rope):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # The first process of a pod gets no signal that it has no handler for.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)

    def ring(self) -> None:
        """End a wait now, from any thread."""
        with suppress(OSError):
            os.write(self._rope, b"\0")

    def wait(self, seconds: float, others: Iterable[int] = ()) -> None:
        """Return when it rings, when one of the other descriptors can be read, or after the time."""
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._ear, *others):
                selector.register(descriptor, selectors.EVENT_READ)
            selector.select(max(0.0, seconds))
        with suppress(BlockingIOError):
            while os.read(self._ear, 1 << 12):
                pass

    def in_background(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call in a thread that nobody has to wait for; it rings when it is over."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 (whoever asks for the result gets it)
                future.set_exception(error)
            self.ring()

        threading.Thread(target=work, daemon=True).start()
        return future

    def _asked(self, *_: object) -> None:
        if self.asked_at is None:
            self.asked_at = time.monotonic()
