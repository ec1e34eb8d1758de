"""The stage server as the driver holds it: one process, one socket."""

from __future__ import annotations

import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stilts_core.engine.environment import stage_environment
from stilts_core.engine.local.lines import LineReader, encode

_CLOSING_SECONDS = 5.0
_TAIL_BYTES = 2000


class ServerProcess:
    """A started server. Requests may be sent at once; they wait until its imports are done.

    Attributes:
        ready: its imports are done.
    """

    def __init__(self, registry: str, reports: int, log: Path) -> None:
        ours, theirs = socket.socketpair()
        self._log = log
        self._socket = ours
        self._lines = LineReader(ours.fileno())
        self.ready = False
        command = [
            sys.executable,
            "-P",  # nothing in the working directory can stand in for a package
            "-m",
            "stilts_core.engine.local.server",
            f"--control={theirs.fileno()}",
            f"--reports={reports}",
            f"--registry={registry}",
        ]
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=stage_environment(),
                pass_fds=(theirs.fileno(), reports),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is the driver's to handle
            )
        ours.setblocking(False)

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    @property
    def ended(self) -> bool:
        """The server has gone, and all that it said was read."""
        return self._lines.ended

    def read(self) -> list[dict[str, Any]]:
        """What it has said since the last call."""
        documents = self._lines.read()
        self.ready = self.ready or any("ready" in document for document in documents)
        return documents

    def send(self, document: dict[str, Any]) -> None:
        """Ask for something; a server that has gone hears nothing, and `ended` will say so."""
        line = encode(document)
        while line:
            try:
                line = line[self._socket.send(line) :]
            except BlockingIOError:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._socket, selectors.EVENT_WRITE)
                    selector.select()
            except OSError:
                return

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> str:
        """End it with everything that it has forked, and say how it ended."""
        if not self.ready:
            self._process.kill()  # it has forked nothing yet, and would notice only after its imports
        self._socket.close()
        deadline = time.monotonic() + _CLOSING_SECONDS
        try:
            self._process.wait(timeout=deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        code = self._process.returncode
        if code < 0:
            return signal.Signals(-code).name
        return f"exit {code}: {self._tail()}" if code else "exit 0"

    def _tail(self) -> str:
        try:
            lines = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else "it said nothing"
