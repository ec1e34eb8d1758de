"""What the processes of a stage are doing, written into its log before they are ended."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

STACKS_SECONDS = 1.0
"""One process has so long to write down what it is doing."""

_TELL = signal.SIGUSR2
_LOOK_SECONDS = 0.05


def answer_stacks() -> None:
    """Have this process, and what it forks later, write the stacks of all threads to its standard error when asked."""
    faulthandler.enable(file=2)
    faulthandler.register(_TELL, file=2, all_threads=True)


def tell_stacks(group: int, log: Path, who: str) -> None:
    """Have each process of a group write what it is doing into the log; one after the other, so that they do not mix.

    Args:
        who: asks, for the log.
    """
    for pid in group_members(group):
        note(log, who, f"what process {pid} is doing:")
        before = _size(log)
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, _TELL)
        _settle(log, before)


def note(log: Path, who: str, text: str) -> None:
    """Add a line to a log that another process writes."""
    line = f"{datetime.now(UTC).strftime('%H:%M:%S')} {who}: {text}\n"
    with suppress(OSError), log.open("ab") as file:
        file.write(line.encode(errors="replace"))


def group_members(group: int) -> list[int]:
    """The processes of a process group that are alive; none where there is no ``/proc``."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program, in parentheses, may hold anything.
            state, _, its_group = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):  # it has just ended
            continue
        if int(its_group) == group and state != "Z":
            members.append(int(stat.parent.name))
    return sorted(members)


def _settle(log: Path, size: int) -> None:
    """Return once the log has grown and grows no more."""
    deadline, last = time.monotonic() + STACKS_SECONDS, size
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        now = _size(log)
        if now == last and now > size:
            return
        last = now


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0
