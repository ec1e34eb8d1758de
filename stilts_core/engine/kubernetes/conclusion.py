"""How an attempt has ended by the store, and the records that say so."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stilts_core.engine.kubernetes.endings import (
    COMMITTED,
    Ending,
    Sight,
    follow,
    judge,
    judge_error,
    patience_with_others,
)
from stilts_core.engine.kubernetes.group_records import GroupRecords
from stilts_core.errors import RendezvousError, StiltsError, StorageError
from stilts_core.stages.pulse import read_bounded
from stilts_core.storage.attempts import Outcome, put_log, record_outcome
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import Attempt

SILENCE_SECONDS = 180.0
"""A first pod that gives no sign of life for so long is gone, and will commit nothing."""

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Conclusion:
    """The end of this pod's part in an attempt.

    Attributes:
        attempt: the name that this pod has claimed.
        node: its index in the group.
        group: None where it is alone.
    """

    store: Store
    fingerprint: str
    attempt: Attempt
    node: int
    group: GroupRecords | None
    submission: str
    log: Path
    started: datetime

    def conclude(self, sight: Sight) -> Ending:
        """How it ended: only a manifest in the store makes it a success, and any manifest does.

        In a group the first pod commits, so the others wait for it; and where it failed, they wait a little for the
        one that knows why.
        """
        own = judge(sight)
        try:
            if read_manifest(self.store, self.fingerprint) is not None:
                return COMMITTED
            if self.group is None:
                return own
            if self.node and sight.status == 0 and sight.killed is None:
                return self._await_commit(self.group)
        except StorageError as error:
            return judge_error(error) if sight.status == 0 else own
        patience = patience_with_others(own)
        other = None if patience is None else self.group.await_failure(patience=patience)
        return own if other is None else follow(other)

    def record(self, ending: Ending, last_step: int) -> None:
        """Keep how it ended, and the log; a store that fails here changes nothing."""
        outcome = Outcome(
            exit_code=ending.code,
            message=ending.message if ending.code else "",
            started=self.started,
            finished=datetime.now(UTC),
            host=socket.gethostname(),
            submission=self.submission,
            last_step=last_step,
        )
        with suppress(StiltsError, OSError):
            if ending.code or not self.node:
                record_outcome(self.store, self.fingerprint, self.attempt, outcome)
            put_log(self.store, self.fingerprint, self.attempt, read_bounded(self.log), self.node)

    def _await_commit(self, group: GroupRecords) -> Ending:
        sign, heard = group.sign_of_life(), time.monotonic()
        while time.monotonic() - heard < SILENCE_SECONDS:
            failure = group.await_failure(patience=_POLL_SECONDS)
            if read_manifest(self.store, self.fingerprint) is not None:
                return COMMITTED
            if failure is not None:
                return follow(failure)
            now = group.sign_of_life()
            if now != sign:
                sign, heard = now, time.monotonic()
        return Ending(
            RendezvousError.exit_code,
            f"This pod has done its part, but the first pod of the group, which commits, has not been heard of for "
            f"{SILENCE_SECONDS:g} s.",
        )
