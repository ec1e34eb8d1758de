"""The process of a stage with everything that it forks, as its supervisor holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stilts_core.engine.environment import stage_environment
from stilts_core.engine.kubernetes.reaper import reap
from stilts_core.engine.local.lines import LineReader
from stilts_core.engine.local.stacks import note, tell_stacks
from stilts_core.stages.run import AttemptSpec
from stilts_core.stages.snapshot import Snapshot

_WHO = "supervisor"


class StageProcess:
    """A started stage, in a session of its own. To be made in the main thread: the kernel ends it with that thread.

    Args:
        spec: with the name of the attempt and the log.
        folder: takes the file that tells the process what to do.

    Attributes:
        told: the last that it told.
        moved_at: when it last told of progress, by the monotonic clock.
        status: its exit status once it has ended; a negative number is the signal that ended it.
    """

    def __init__(self, spec: AttemptSpec, log: Path, folder: Path) -> None:
        self._log = log
        self.told = Snapshot()
        self.moved_at = time.monotonic()
        self.status: int | None = None
        self._reports, ours = os.pipe()
        for end in (self._reports, ours):
            os.set_blocking(end, False)
        self._lines = LineReader(self._reports)
        file = folder / "spec.json"
        file.write_text(spec.model_dump_json(), encoding="utf-8")
        command = [
            sys.executable,
            "-P",  # nothing in the working directory can stand in for a package
            "-m",
            "stilts_core.engine.kubernetes.stage_main",
            str(file),
            str(ours),
            str(os.getpid()),
        ]
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    env=stage_environment(),
                    pass_fds=(ours,),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        finally:
            os.close(ours)

    @property
    def ended(self) -> bool:
        return self.status is not None

    @property
    def descriptors(self) -> list[int]:
        """Can be read when it has told something."""
        return [] if self._lines.ended else [self._reports]

    def listen(self) -> None:
        """Take in what it has told, and collect it if it has ended."""
        if not self.ended:
            self.status = reap().get(self._process.pid)
            self._process.returncode = self.status
        for document in self._lines.read():
            self._hear(Snapshot.parse(document))

    def stop(self) -> None:
        """Ask it to stop; it passes that on to its ranks."""
        self.note("asked to stop")
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it, and all that it has forked and not moved to a session of their own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def tell_stacks(self) -> None:
        """Have each process write what it is doing into the log; one after the other, so that they do not mix."""
        tell_stacks(self._process.pid, self._log, _WHO)

    def note(self, text: str) -> None:
        """Add a line of the supervisor's own to the log."""
        note(self._log, _WHO, text)

    def _hear(self, new: Snapshot) -> None:
        old = self.told
        if not (new.progress.step or new.progress.activity):
            # Ranks report for themselves; what the process that forked them tells later has no progress.
            new = replace(new, progress=old.progress)
        if old.moves != new.moves:
            self.moved_at = time.monotonic()
        self.told = new
