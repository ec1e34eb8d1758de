"""What became of an attempt, as an exit code and a sentence, from what its supervisor saw. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from signal import SIGABRT, Signals

from stilts_core.errors import (
    EXIT_CODES,
    UNKNOWN_EXIT,
    DeviceMemoryError,
    RendezvousError,
    StalledError,
    StiltsError,
    StoppedError,
    explain_exit,
)
from stilts_core.stages.snapshot import Snapshot
from stilts_core.storage.attempts import Outcome
from stilts_core.storage.manifest import Attempt

UNKNOWN_SECONDS, LOST_SECONDS = 5.0, 10.0
MESSAGE_BYTES = 4096
"""The kubelet cuts a longer termination message, and reads no more of it."""


class Killed(StrEnum):
    """Why the supervisor itself ended the stage's processes."""

    STALLED = "stalled"
    GRACE = "grace"  # they were asked to stop, and did not
    GROUP = "group"  # another pod of the group had ended


@dataclass(frozen=True, slots=True)
class Sight:
    """What the supervisor saw of the stage's process.

    Attributes:
        status: its exit status; a negative number is the signal that ended it.
        told: the last that it told of itself.
        asked: the pod was asked to stop.
        grouped: it is one of several that share the attempt.
        killed: why the supervisor ended it, if it did.
        out_of_memory: the kernel has killed a process of the container meanwhile.
        seconds: of the limit that ``killed`` speaks of.
    """

    status: int
    told: Snapshot
    asked: bool = False
    grouped: bool = False
    killed: Killed | None = None
    out_of_memory: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: a code of `errors.EXIT_CODES` (1: unknown), and what to tell a person."""

    code: int
    message: str


COMMITTED = Ending(0, "The stage's manifest is in the store.")
STOPPED_EARLY = Ending(StoppedError.exit_code, "It was stopped on request before it had begun.")


def judge(sight: Sight) -> Ending:
    """How an attempt ended that has left no manifest; never with code 0."""
    code, told = sight.status, sight.told.message
    where = _where(sight.told)
    if sight.killed is Killed.STALLED:
        return Ending(
            StalledError.exit_code,
            f"No progress for {sight.seconds:g} s{where}; the processes were ended.\n"
            "  The log ends with what each of them was doing.",
        )
    if sight.killed is Killed.GRACE:
        return Ending(
            StoppedError.exit_code,
            f"Asked to stop{where}, it had not ended after {sight.seconds:g} s and was killed.\n"
            "  A longer grace period lets it end by itself.",
        )
    if sight.killed is Killed.GROUP:
        return Ending(RendezvousError.exit_code, f"Another pod of the group ended{where}, so this one did.")
    unknown = code < 0 or code not in EXIT_CODES
    unexplained = unknown or code == RendezvousError.exit_code
    if sight.out_of_memory and unexplained:
        return Ending(
            DeviceMemoryError.exit_code,
            f"Memory ran out{where}: the kernel killed a process of the pod.\n"
            "  Raise the memory limit in the profile, or lower `training.micro_tokens`; the results stay the same.",
        )
    if sight.asked and unexplained:
        return Ending(StoppedError.exit_code, f"It was stopped on request{where}.")
    if code == -SIGABRT and sight.grouped:
        return Ending(
            RendezvousError.exit_code,
            f"SIGABRT ended the stage's process{where}: torch does so when its ranks lose the others.\n  See its log.",
        )
    if code == 0:
        return Ending(
            UNKNOWN_EXIT.code,
            "The stage's process ended with exit status 0 but left no manifest, so nothing is committed.\n"
            "  Run the same again; its log says more.",
        )
    if code < 0:
        return Ending(UNKNOWN_EXIT.code, f"{_signal_name(-code)} ended the stage's process{where}.\n  See its log.")
    if code not in EXIT_CODES:
        return Ending(UNKNOWN_EXIT.code, told or f"The stage's process ended with exit status {code}.\n  See its log.")
    return Ending(code, told or f"{_capitalised(explain_exit(code).meaning)}{where}.")


def judge_unanswered(sight: Sight) -> Ending:
    """How an attempt ended that was asked to stop, and whose manifest could not be looked for in time."""
    if sight.status == 0:
        return Ending(StoppedError.exit_code, "It was stopped on request; whether it had committed is not known.")
    return judge(replace(sight, asked=True))


def judge_error(error: StiltsError) -> Ending:
    """How an attempt ended that could not begin."""
    return Ending(error.exit_code, str(error))


def patience_with_others(ending: Ending) -> float | None:
    """Seconds for which a pod of a group waits for another one to say that it was the cause, before it says so itself.

    Who knows why it failed does not ask (None). Who was asked to stop looks once: that may be what became of the
    group. Who has only lost the others waits longest: the cause is not with it.
    """
    return {
        StoppedError.exit_code: 0.0,
        UNKNOWN_EXIT.code: UNKNOWN_SECONDS,
        RendezvousError.exit_code: LOST_SECONDS,
    }.get(ending.code)


def follow(other: Outcome) -> Ending:
    """The end of a pod whose group has ended because of another one: the same code, so that all pods agree."""
    code = other.exit_code if other.exit_code in EXIT_CODES and other.exit_code else UNKNOWN_EXIT.code
    return Ending(code, f"The group ended because of {other.host or 'another pod'}: {other.message}")


def termination_message(ending: Ending, told: Snapshot, attempt: Attempt | None, limit: int = MESSAGE_BYTES) -> bytes:
    """The sentence, then a line of JSON for programs; the sentence is cut where both are over the limit (bytes)."""
    document = {
        "code": ending.code,
        "name": explain_exit(ending.code).name,
        "step": told.progress.step,
        "total": told.progress.total,
        "attempt": attempt.folder if attempt else None,
    }
    line = f"\n{json.dumps(document)}\n".encode()
    sentence = ending.message.encode(errors="replace")
    # What is cut in the middle of a character loses the rest of it.
    return sentence[: max(0, limit - len(line))].decode(errors="ignore").encode() + line


def _where(told: Snapshot) -> str:
    progress = told.progress
    if not progress.step:
        return ""
    return f" at step {progress.step}" + (f" of {progress.total}" if progress.total else "")


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"Signal {number}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
