"""Stages as processes of this machine, forked from one server that has loaded the heavy packages."""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_core.engine.backend import Observation
from stilts_core.engine.local.lines import LineReader
from stilts_core.engine.local.spawn import ServerProcess
from stilts_core.engine.local.stacks import note, tell_stacks
from stilts_core.errors import Budget, MissingInputError, StalledError, StoppedError
from stilts_core.planning.plan import Stage
from stilts_core.stages.run import AttemptSpec
from stilts_core.stages.snapshot import Phase, Snapshot

Specify = Callable[[Stage, Path], AttemptSpec]
"""Makes the spec of an attempt at a stage, given a folder of its own for log and scratch."""


@dataclass
class _Attempt:
    fingerprint: str
    number: int
    folder: Path
    since: float
    phase: Phase = Phase.STARTING
    pid: int | None = None
    exit_code: int | None = None
    lost: str = ""  # why nobody knows how it ended
    asked: bool = False
    devices: list[str] = field(default_factory=list)
    moved_at: float = field(default_factory=time.monotonic)
    stalled: bool = False
    snapshot: Snapshot = field(default_factory=Snapshot)

    @property
    def name(self) -> str:
        return f"{self.fingerprint}/{self.number}"

    @property
    def live(self) -> bool:
        return self.phase is not Phase.ENDED


class LocalBackend:
    """The `engine.backend.Backend` of one machine. The server starts with the first stage, and again if it dies.

    Args:
        specify: makes the spec of an attempt.
        folder: for logs and scratch of this run; not removed here.
        registry: as in `stages.run.AttemptSpec`.
        devices: the GPUs to share out, as CUDA_VISIBLE_DEVICES names them; None where stages run on cores.
        stall: seconds without progress after which an attempt is ended; 0: never.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        specify: Specify,
        folder: Path,
        *,
        registry: str,
        devices: list[str] | None = None,
        stall: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._specify, self._folder, self._registry, self._clock = specify, folder, registry, clock
        self._free_devices, self._stall = devices, stall
        self._attempts: dict[str, _Attempt] = {}
        self._server: ServerProcess | None = None
        self._reports, self._report_end = _pipe()
        self._woken, self._wake_end = _pipe()
        self._report_lines = LineReader(self._reports)

    def observe(self) -> list[Observation]:
        """Every attempt of this run.

        Raises:
            MissingInputError: the stages cannot be loaded, because a package is missing, say.
        """
        for document in self._report_lines.read():
            self._report(document)
        if self._server is not None:
            for document in self._server.read():
                self._event(document)
            if self._server.ended:
                self._server_died(self._server)
        self._end_stalled()
        return [self._observation(attempt) for attempt in self._attempts.values()]

    def start(self, stage: Stage, attempt: int) -> None:
        folder = self._folder / f"{stage.fingerprint[:16]}-{attempt}"
        new = _Attempt(stage.fingerprint, attempt, folder, self._clock())
        spec = self._specify(stage, folder)
        devices: list[str] | None = None
        if self._free_devices is not None:
            count = spec.resources.ranks if spec.resources.device == "cuda" else 0
            devices, self._free_devices = self._free_devices[:count], self._free_devices[count:]
            new.devices = devices
        self._attempts[new.name] = new
        if self._server is None:
            self._server = ServerProcess(self._registry, self._report_end, self._folder / "server.log")
        self._server.send({"start": new.name, "spec": spec.model_dump(mode="json"), "devices": devices})

    def stop(self, fingerprint: str, attempt: int, *, kill: bool = False) -> None:
        found = self._attempts.get(f"{fingerprint}/{attempt}")
        if found is None or not found.live or self._server is None:
            return
        if kill and not self._server.ready:
            self._server.kill()  # the request waits behind the imports, and would be heard only after them
        if kill or not found.asked:
            found.asked = True
            number = signal.SIGKILL if kill else signal.SIGTERM
            self._server.send({"signal": found.name, "number": int(number)})

    def log(self, fingerprint: str, attempt: int) -> bytes | None:
        found = self._attempts.get(f"{fingerprint}/{attempt}")
        with suppress(OSError):
            return log_file(found.folder).read_bytes() if found else None
        return None

    def wait(self, timeout: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._reports, self._woken, *([self._server.descriptor] if self._server else [])):
                selector.register(descriptor, selectors.EVENT_READ)
            selector.select(timeout)
        with suppress(BlockingIOError):
            os.read(self._woken, 1 << 12)

    def wake(self) -> None:
        with suppress(OSError):
            os.write(self._wake_end, b"\0")

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for descriptor in (self._reports, self._report_end, self._woken, self._wake_end):
            with suppress(OSError):
                os.close(descriptor)

    def _event(self, document: dict[str, Any]) -> None:
        if "unusable" in document:
            raise MissingInputError(
                str(document["unusable"]), hint="Install the training packages: pip install 'stilts[train]'"
            )
        attempt = self._attempts.get(document.get("started") or document.get("ended") or "")
        if attempt is None or not attempt.live:
            return
        if "started" in document:
            attempt.pid, attempt.moved_at = document["pid"], time.monotonic()
        elif document["code"] is None:
            self._end(attempt, None, "no process could be forked: memory or the limit on processes is exhausted")
        else:
            self._end(attempt, document["code"])

    def _report(self, document: dict[str, Any]) -> None:
        attempt = self._attempts.get(document["name"])
        if attempt is None:
            return
        before, attempt.snapshot = attempt.snapshot, Snapshot.parse(document)
        if before.moves != attempt.snapshot.moves:
            attempt.moved_at = time.monotonic()
        if attempt.live and attempt.snapshot.phase is not attempt.phase:
            attempt.phase, attempt.since = attempt.snapshot.phase, self._clock()

    def _end_stalled(self) -> None:
        """End what has not got on for too long, once its log says what it was doing."""
        for attempt in self._attempts.values():
            still = time.monotonic() - attempt.moved_at
            if attempt.live and attempt.pid and not attempt.stalled and 0 < self._stall < still:
                attempt.stalled = True
                # Not here: a process has a second to answer, and the driver has other things to do.
                threading.Thread(
                    target=_kill_with_stacks, args=(attempt.pid, log_file(attempt.folder), self._stall), daemon=True
                ).start()

    def _end(self, attempt: _Attempt, code: int | None, lost: str = "") -> None:
        attempt.phase, attempt.since = Phase.ENDED, self._clock()
        attempt.exit_code, attempt.lost = code, lost
        if self._free_devices is not None:
            self._free_devices = sorted([*self._free_devices, *attempt.devices])
            attempt.devices = []

    def _server_died(self, server: ServerProcess) -> None:
        how = server.close()
        self._server = None
        for attempt in self._attempts.values():
            if attempt.live:
                if attempt.pid is not None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(attempt.pid, signal.SIGKILL)
                self._end(attempt, None, f"the server of the stage processes ended ({how})")

    def _observation(self, attempt: _Attempt) -> Observation:
        code, budget, reason = attempt.exit_code, None, attempt.snapshot.message
        if attempt.live:
            reason = ""
            if attempt.phase is Phase.STARTING and (self._server is None or not self._server.ready):
                reason = "the packages are being loaded"
        elif attempt.stalled and (code is None or code < 0):
            code = StalledError.exit_code
            reason = f"no progress for {self._stall:g} s; its log ends with what each of its processes was doing"
        elif attempt.asked and (code is None or code < 0):
            # We ended it ourselves, whatever the signal was.
            code, reason = StoppedError.exit_code, "it was stopped on request"
        elif attempt.lost:
            budget, reason = Budget.INFRASTRUCTURE, attempt.lost
        return Observation(
            fingerprint=attempt.fingerprint,
            attempt=attempt.number,
            phase=attempt.phase,
            since=attempt.since,
            exit_code=code,
            budget=budget,
            reason=reason,
            progress=attempt.snapshot.progress,
            stored=attempt.snapshot.stored,
        )


def log_file(folder: Path) -> Path:
    """Where an attempt's log lies in its folder."""
    return folder / "log.txt"


def _kill_with_stacks(pid: int, log: Path, seconds: float) -> None:
    note(log, "driver", f"no progress for {seconds:g} s")
    tell_stacks(pid, log, "driver")
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends
