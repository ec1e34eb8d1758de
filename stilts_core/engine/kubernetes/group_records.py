"""What the pods of one group tell each other, through the records of their attempt in the store."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from stilts_core.errors import StiltsError
from stilts_core.storage.attempts import Outcome, list_attempts, read_heartbeat, read_outcome
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt

POLL_SECONDS = 5.0


class GroupRecords:
    """The records that the pods of a group make from now on.

    Pods of a group that begins again take a new name each (`storage.attempts.claim_attempt`); not the same one, where
    some of them had never begun. So every name of the family counts, but for what an earlier group has left there.

    Args:
        attempt: as the orders name it.

    Raises:
        StorageError: the store cannot be read.
    """

    def __init__(self, store: Store, fingerprint: str, attempt: Attempt) -> None:
        self._store, self._fingerprint, self._attempt = store, fingerprint, attempt
        self._old = {own for own, _ in self._outcomes()}

    def failure(self) -> Outcome | None:
        """How the first pod failed that has said so.

        Raises:
            StorageError: the store cannot be read.
        """
        return next((outcome for own, outcome in self._outcomes() if own not in self._old and outcome.exit_code), None)

    def await_failure(self, over: threading.Event | None = None, patience: float = math.inf) -> Outcome | None:
        """How the first pod failed that says so before ``over``, or within ``patience`` (seconds); looks at least once.

        A store that cannot be read is asked again.
        """
        over = over or threading.Event()
        pause = min(POLL_SECONDS, patience / 5)
        deadline = time.monotonic() + patience
        while True:
            with suppress(StiltsError, OSError):
                found = self.failure()
                if found is not None:
                    return found
            left = min(pause, deadline - time.monotonic())
            if left <= 0 or over.wait(left):
                return None

    def sign_of_life(self) -> object:
        """Something that changes as long as the first pod lives.

        Raises:
            StorageError: the store cannot be read.
        """
        return [read_heartbeat(self._store, self._fingerprint, own) for own in self._family()]

    def _outcomes(self) -> Iterator[tuple[Attempt, Outcome]]:
        for own in self._family():
            outcome = read_outcome(self._store, self._fingerprint, own)
            if outcome is not None:
                yield own, outcome

    def _family(self) -> list[Attempt]:
        return attempts_of(self._store, self._fingerprint, self._attempt)


def attempts_of(store: Store, fingerprint: str, attempt: Attempt) -> list[Attempt]:
    """The names under which the pods of an attempt have kept things: the last one is the newest.

    Raises:
        StorageError: the store cannot be read.
    """
    return [
        own
        for own in list_attempts(store, fingerprint)
        if own.number == attempt.number and own.token.partition("r")[0] == attempt.token
    ]
