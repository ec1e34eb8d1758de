"""The entrypoint of a stage's pod: one attempt, from its orders to an exit code of `errors.EXIT_CODES`.

It is the pod's first process. It starts the stage's process, keeps heartbeat, log and outcome in the store, passes a
stop on, ends what hangs, and says at the end what happened: by its exit code, in the termination message, and in the
store. It ends with 0 only when the stage's manifest is in the store.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stilts_core.engine.kubernetes.assignment import Assignment, take_assignment
from stilts_core.engine.kubernetes.bell import Bell
from stilts_core.engine.kubernetes.cgroup import oom_kills
from stilts_core.engine.kubernetes.conclusion import Conclusion
from stilts_core.engine.kubernetes.endings import (
    COMMITTED,
    STOPPED_EARLY,
    Ending,
    Sight,
    judge_error,
    judge_unanswered,
    termination_message,
)
from stilts_core.engine.kubernetes.group_records import GroupRecords
from stilts_core.engine.kubernetes.orders import Orders, parse_orders, termination_log_of
from stilts_core.engine.kubernetes.reaper import adopt_orphans
from stilts_core.engine.kubernetes.stage_process import StageProcess
from stilts_core.engine.kubernetes.tail import Tail
from stilts_core.engine.kubernetes.watch import Limits, watch
from stilts_core.errors import StiltsError
from stilts_core.stages.pulse import Pulse
from stilts_core.stages.run import explain_failure
from stilts_core.stages.snapshot import Snapshot
from stilts_core.storage.attempts import LOG, Claim, claim_attempt
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.open import open_store

_TAIL_SECONDS = 2.0
_LONG = 3600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one attempt, and return the exit code. To be called once in a process, in its main thread."""
    argv = sys.argv[1:] if argv is None else argv
    bell = Bell()
    adopt_orphans()
    supervisor: _Supervisor | None = None
    try:
        supervisor = _Supervisor(parse_orders(argv), bell)
        ending = supervisor.run()
    except StiltsError as error:
        ending = judge_error(error)
    except Exception as error:  # noqa: BLE001 (whatever it was becomes an exit code)
        traceback.print_exc()
        ending = Ending(*explain_failure(error))
    told = supervisor.told if supervisor else Snapshot()
    attempt = supervisor.attempt if supervisor else None
    # Before anything that takes time: the kubelet may end this process at any moment now.
    with suppress(OSError):
        termination_log_of(argv).write_bytes(termination_message(ending, told, attempt))
    if supervisor:
        supervisor.close(ending)
    print(f"supervisor: exit {ending.code}: {ending.message}", file=sys.stderr, flush=True)  # noqa: T201 (the pod's log)
    return ending.code


@dataclass(frozen=True, slots=True)
class _Begun:
    """What there is once the store has been read and written.

    Attributes:
        attempt: the name that this pod has claimed.
        folder: of the attempt alone.
        group: None where the pod is alone.
    """

    assignment: Assignment
    store: Store
    attempt: Attempt
    folder: Path
    group: GroupRecords | None
    pulse: Pulse


class _Supervisor:
    """One attempt."""

    def __init__(self, orders: Orders, bell: Bell) -> None:
        self._orders, self._bell = orders, bell
        self._kept = orders.kept
        self._started = datetime.now(UTC)
        self._begun: _Begun | None = None
        self._process: StageProcess | None = None
        self._tail: Tail | None = None

    @property
    def told(self) -> Snapshot:
        """The last that the stage's process told of itself."""
        return self._process.told if self._process else Snapshot()

    @property
    def attempt(self) -> Attempt | None:
        """The name under which things are kept in the store, once there is one."""
        return self._begun.attempt if self._begun else None

    def run(self) -> Ending:
        """How the attempt ended.

        Raises:
            StiltsError: it could not begin.
        """
        beginning = self._bell.in_background(self._begin)
        if not self._wait_for(beginning, 0.0):
            return STOPPED_EARLY
        begun = self._begun = beginning.result()
        if begun is None:
            return COMMITTED
        sight = self._watch(begun)
        concluding = self._bell.in_background(lambda: self._conclusion(begun).conclude(sight))
        if not self._wait_for(concluding, self._orders.grace - self._kept / 2):
            return judge_unanswered(sight)
        return concluding.result()

    def close(self, ending: Ending) -> None:
        """Keep how it ended, as far as the grace period allows."""
        begun = self._begun
        if begun is None:
            return

        def record() -> None:
            begun.pulse.stop()  # else it could put an older log over the last one
            self._conclusion(begun).record(ending, self.told.progress.step)

        self._wait_for(self._bell.in_background(record), self._orders.grace - self._kept / 4)
        if self._tail:
            self._tail.stop(_TAIL_SECONDS)

    def _begin(self) -> _Begun | None:
        """Everything that has to do with the store; None where the stage is done already."""
        orders = self._orders
        assignment = take_assignment(orders)
        store = open_store(orders.store, assignment.store.s3)
        fingerprint = assignment.stage.fingerprint
        if read_manifest(store, fingerprint) is not None:
            return None
        claim = Claim(host=socket.gethostname(), claimed=datetime.now(UTC))
        attempt = claim_attempt(store, fingerprint, orders.attempt, claim, orders.index)
        group = GroupRecords(store, fingerprint, orders.attempt) if orders.nodes > 1 else None
        folder = orders.work / attempt.folder
        folder.mkdir(parents=True, exist_ok=True)
        pulse = Pulse(store, fingerprint, attempt, folder / LOG, lambda: self.told.progress, node=orders.index)
        pulse.start()
        return _Begun(assignment, store, attempt, folder, group, pulse)

    def _watch(self, begun: _Begun) -> Sight:
        orders, bell = self._orders, self._bell
        kills = oom_kills(orders.cgroup)
        log = begun.folder / LOG
        spec = begun.assignment.spec(orders, begun.attempt, begun.folder)
        process = self._process = StageProcess(spec, log, begun.folder)
        self._tail = Tail(log)
        over = threading.Event()
        group = begun.group
        other = bell.in_background(lambda: group.await_failure(over)) if group else None
        end = watch(process, bell, Limits(stop=orders.grace - self._kept, stall=orders.stall), other)
        over.set()
        return Sight(
            status=end.status,
            told=process.told,
            asked=bell.asked_at is not None,
            grouped=orders.nodes > 1,
            killed=end.killed,
            out_of_memory=oom_kills(orders.cgroup) > kills,
            seconds=end.seconds,
        )

    def _conclusion(self, begun: _Begun) -> Conclusion:
        return Conclusion(
            store=begun.store,
            fingerprint=begun.assignment.stage.fingerprint,
            attempt=begun.attempt,
            node=self._orders.index,
            group=begun.group,
            submission=self._orders.submission,
            log=begun.folder / LOG,
            started=self._started,
        )

    def _wait_for(self, call: Future[Any], allowed: float) -> bool:
        """Whether a call in the background is over; it has ``allowed`` seconds once the pod is asked to stop."""
        while not call.done():
            asked = self._bell.asked_at
            left = _LONG if asked is None else asked + allowed - time.monotonic()
            if left <= 0:
                return False
            self._bell.wait(left)
        return True


def _leave(code: int) -> None:
    """End at once: a thread that still waits for the store must not keep the pod."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
