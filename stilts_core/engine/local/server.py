"""The stage server: a process that has imported the heavy packages once, and forks a process for each attempt.

It talks to the driver in lines of JSON over a socket. When the driver goes away, however that comes about, the socket
ends, and with it everything that runs here. When the server itself is killed, the kernel kills its stage processes.

    driver → server   {"start": NAME, "spec": {…}, "devices": ["0"] | null}    {"signal": NAME, "number": 15}
    server → driver   {"ready": SECONDS, "threads": N}    {"unusable": SENTENCE}
                      {"started": NAME, "pid": PID}       {"ended": NAME, "code": CODE}
"""

from __future__ import annotations

import argparse
import gc
import os
import selectors
import signal
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from stilts_core.engine.local.lines import LineReader, encode


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="stilts-stage-server")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--reports", type=int, required=True)
    parser.add_argument("--registry", required=True)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = _Server(arguments.control, arguments.reports)
    try:
        seconds = _preload(arguments.registry)
    except ImportError as error:
        server.send({"unusable": f"The stages cannot be loaded: {error}."})
        return 1
    server.send({"ready": round(seconds, 3), "threads": os_threads()})
    server.serve()
    return 0


def _preload(registry: str) -> float:
    began = time.monotonic()
    for name in import_module(registry).PRELOAD:
        import_module(name)
    import_module("stilts_core.engine.local.child")
    # What is here now is never collected, so that no child copies its pages for the collector's marks.
    gc.collect()
    gc.freeze()
    return time.monotonic() - began


def os_threads() -> int:
    """Threads of this process as the system counts them: a fork copies only one."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1


class _Server:
    def __init__(self, control: int, reports: int) -> None:
        self._control, self._reports = control, reports
        self._lines = LineReader(control)
        self._names: dict[int, str] = {}  # process id → attempt
        os.set_blocking(control, False)

    def send(self, document: dict[str, Any]) -> None:
        line = encode(document)
        while line:
            try:
                line = line[os.write(self._control, line) :]
            except BlockingIOError:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._control, selectors.EVENT_WRITE)
                    selector.select()
            except OSError:  # the driver has gone; the next read says so
                return

    def serve(self) -> None:
        children, wakeup = os.pipe()
        for end in (children, wakeup):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(children, selectors.EVENT_READ)
            while not self._lines.ended:
                selector.select()
                with suppress(BlockingIOError):
                    os.read(children, 1 << 12)
                self._reap()
                for request in self._lines.read():
                    self._obey(request)
        for pid in self._names:
            _kill_group(pid)

    def _obey(self, request: dict[str, Any]) -> None:
        if "start" in request:
            self._start(request)
            return
        for pid, name in self._names.items():
            if name != request["signal"]:
                continue
            if request["number"] == signal.SIGKILL:
                _kill_group(pid)
            else:
                with suppress(ProcessLookupError):
                    os.kill(pid, request["number"])

    def _start(self, request: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            print(f"cannot fork: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the server's log)
            self.send({"ended": request["start"], "code": None})
            return
        if pid == 0:
            self._become_child(request, server)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self._names[pid] = request["start"]
        self.send({"started": request["start"], "pid": pid})

    def _become_child(self, request: dict[str, Any], server: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.close(self._control)
            from stilts_core.engine.local.child import run_child

            code = run_child(
                request["start"], request["spec"], devices=request["devices"], reports=self._reports, parent=server
            )
        except BaseException:  # noqa: BLE001 (nothing may climb into the server's own loop)
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            name = self._names.pop(pid, None)
            if name is not None:
                _kill_group(pid)  # ranks that it left behind
                self.send({"ended": name, "code": os.waitstatus_to_exitcode(status)})


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
