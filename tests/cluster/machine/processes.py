"""The processes of the cluster: started once, known by process id and start time, and only those are ever signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import ClusterError, wait_until

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Processes:
    """Processes by name.

    Attributes:
        records: a file for each name: process id, start time, boot.
        logs: a file for each name: what it printed.
    """

    records: Path
    logs: Path

    def pid(self, name: str) -> int | None:
        """The process id, if it is still the very process that was started."""
        try:
            pid, started, boot = (self.records / name).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if boot == _boot() and _start_time(int(pid)) == started else None

    def names(self) -> list[str]:
        """Every name that has a record, alive or not."""
        return sorted(path.name for path in self.records.iterdir()) if self.records.is_dir() else []

    def start(self, name: str, command: Sequence[str | Path], *, child: bool = False) -> int:
        """Start a program in a session of its own, unless it runs already.

        Args:
            child: the process that counts is the child of the one that is started (``nsenter``, ``unshare``).

        Returns:
            Its process id.
        """
        running = self.pid(name)
        if running is not None:
            return running
        for folder in (self.records, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pid = self._child_of(started, name) if child else started.pid
        self._record(name, pid)
        return pid

    def stop(self, name: str, *, with_signal: int = signal.SIGTERM) -> None:
        """End a process and forget it; after some seconds with SIGKILL."""
        pid = self.pid(name)
        if pid is not None:
            for number, seconds in ((with_signal, _STOP_SECONDS), (signal.SIGKILL, _STOP_SECONDS)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                with contextlib.suppress(ClusterError):
                    wait_until(lambda: self.pid(name) is None, f"the end of {name}", seconds, pause=0.02)
                    break
        (self.records / name).unlink(missing_ok=True)

    def signal(self, name: str, number: int) -> None:
        """Signal a process that must be there."""
        pid = self.pid(name)
        if pid is None:
            raise ClusterError(f"{name} does not run")
        os.kill(pid, number)

    def forget(self, prefix: str) -> None:
        """Drop the records of processes that ended with the node they ran on."""
        for path in self.records.glob(f"{prefix}*"):
            path.unlink(missing_ok=True)

    def last_words(self, name: str) -> str:
        """The end of what a process printed."""
        try:
            lines = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-8:])

    def _record(self, name: str, pid: int) -> None:
        started = _start_time(pid)
        if started is None:
            raise ClusterError(f"{name} ended at once: {self.last_words(name)}")
        unfinished = self.records / f".{name}"
        unfinished.write_text(f"{pid} {started} {_boot()}\n")
        unfinished.replace(self.records / name)

    def _child_of(self, parent: subprocess.Popen[bytes], name: str) -> int:
        deadline = time.monotonic() + _STOP_SECONDS
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while parent.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                found = children.read_text().split()
                if found:
                    return int(found[0])
            time.sleep(0.01)
        raise ClusterError(f"{name} did not start: {self.last_words(name)}")


def _boot() -> str:
    return _BOOT.read_text().strip()


def _start_time(pid: int) -> str | None:
    """Clock ticks from boot to the start of a process; nothing for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]
