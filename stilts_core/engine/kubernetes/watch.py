"""Watching a stage's process until it has ended, by itself or because a deadline has passed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from signal import SIGKILL

from stilts_core.engine.kubernetes.bell import Bell
from stilts_core.engine.kubernetes.endings import Killed
from stilts_core.engine.kubernetes.stage_process import StageProcess
from stilts_core.storage.attempts import Outcome

LINGER_SECONDS = 10.0
"""The processes of a pod have so long to stop when another pod of their group has ended."""

_DYING_SECONDS = 10.0  # a process that the kernel cannot end in this time waits for a device
_LONG = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which the processes are ended.

    Attributes:
        stop: since they were asked to stop.
        stall: without progress; 0: never.
    """

    stop: float
    stall: float


@dataclass(frozen=True, slots=True)
class End:
    """How the watch ended.

    Attributes:
        status: the exit status; a negative number is the signal that ended it.
        killed: why the processes were ended, if they were.
        seconds: of the limit that had passed.
    """

    status: int
    killed: Killed | None = None
    seconds: float = 0.0


def watch(process: StageProcess, bell: Bell, limits: Limits, other: Future[Outcome | None] | None = None) -> End:
    """Return once the process has ended; no process of its group is left then.

    Args:
        other: is done when another pod of the group has ended.
    """
    asked, other_at = False, None
    while not process.ended:
        if other_at is None and other is not None and other.done():
            other_at = time.monotonic()
            process.note("another pod of the group has ended")
        if not asked and (bell.asked_at is not None or other_at is not None):
            asked = True
            process.stop()
        deadline, why, seconds = min(_deadlines(process, bell, limits, other_at))
        if time.monotonic() >= deadline:
            _end(process, bell, why, seconds)
            status = -SIGKILL if process.status is None else process.status
            return End(status, why, seconds)
        bell.wait(min(deadline - time.monotonic(), _LONG), process.descriptors)
        process.listen()
    process.kill()  # ranks that it left behind
    process.listen()
    return End(process.status or 0)


def _deadlines(
    process: StageProcess, bell: Bell, limits: Limits, other_at: float | None
) -> Iterator[tuple[float, Killed, float]]:
    if bell.asked_at is not None:
        yield bell.asked_at + limits.stop, Killed.GRACE, limits.stop
    else:
        yield process.moved_at + (limits.stall or math.inf), Killed.STALLED, limits.stall
    if other_at is not None:
        yield other_at + LINGER_SECONDS, Killed.GROUP, LINGER_SECONDS


def _end(process: StageProcess, bell: Bell, why: Killed, seconds: float) -> None:
    if why is Killed.STALLED:
        process.note(f"no progress for {seconds:g} s; the processes are ended")
        process.tell_stacks()
    else:
        process.note(f"the processes are ended: {_REASONS[why]}")
    process.kill()
    deadline = time.monotonic() + _DYING_SECONDS
    while not process.ended and time.monotonic() < deadline:
        bell.wait(deadline - time.monotonic(), process.descriptors)
        process.listen()


_REASONS = {
    Killed.GRACE: "they did not stop in time",
    Killed.GROUP: "another pod of the group has ended",
}
