"""Tries with growing, jittered waits between them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")

_RANDOM = random.SystemRandom()
_LOCK = threading.Lock()
_again = 0


def tried_again() -> int:
    """How many calls this process, and those whose number it was told, have repeated after a failure that may pass."""
    return _again


def count_retries(number: int = 1) -> None:
    """Add to `tried_again`, for other processes."""
    global _again
    with _LOCK:
        _again += number


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, each shortened by up to a half at random so that many callers do not return at once.

    Attributes:
        attempts: tries in all.
        first: seconds of the first wait at most.
        longest: seconds of any wait at most.
    """

    attempts: int
    first: float = 0.1
    longest: float = 10.0

    def waits(self) -> Iterator[float]:
        """Seconds between the tries: one fewer than there are tries."""
        for number in range(self.attempts - 1):
            yield min(self.longest, self.first * 2**number) * _RANDOM.uniform(0.5, 1.0)

    def run(self, operation: Callable[[], Result], transient: Callable[[Exception], bool]) -> Result:
        """The result of the first try that succeeds.

        Raises:
            Exception: that of the last try, or the first one that is not ``transient``.
        """
        for wait in self.waits():
            try:
                return operation()
            except Exception as error:
                if not transient(error):
                    raise
            count_retries()
            time.sleep(wait)
        return operation()
