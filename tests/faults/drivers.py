"""Drivers of the small study as processes forked from this one, which has imported everything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import yaml

from faults import small_study
from faults.injection import install
from faults.schedule import Fault
from stilts_core.cli.main import main as stilts
from stilts_core.engine.backend import Observation
from stilts_core.engine.driver import Pace
from stilts_core.engine.environment import stage_environment
from stilts_core.engine.local import backend, server
from stilts_core.engine.local.launch import LocalRun, local_driver
from stilts_core.engine.local.lines import LineReader
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.local.spawn import ServerProcess
from stilts_core.engine.states import GOOD, Status
from stilts_core.spec.profile import Placement, Retries, StoreSettings, Training
from stilts_core.storage.open import open_store

GRACE_SECONDS = 10.0


class Child:
    """A forked process."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, 0
        self._over = False

    def poll(self) -> int | None:
        if not self._over:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return None
            self._over, self.returncode = True, os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (1e9 if timeout is None else timeout)
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("child", timeout or 0)
            time.sleep(0.01)
        return self.returncode

    def kill(self) -> None:
        if not self._over:
            os.kill(self.pid, signal.SIGKILL)


class ForkedServer(ServerProcess):
    """The stage server, without the seconds that its imports take."""

    def __init__(self, registry: str, reports: int, log: Path) -> None:
        ours, theirs = socket.socketpair()
        self._log, self._socket = log, ours
        self._lines = LineReader(ours.fileno())
        self.ready = False
        pid = os.fork()
        if not pid:
            ours.close()
            _as_server(["--control", str(theirs.fileno()), "--reports", str(reports), "--registry", registry], log)
        self._process = Child(pid)  # type: ignore[assignment]
        theirs.close()
        ours.setblocking(False)


def _as_server(arguments: list[str], log: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = server.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Quiet:
    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        pass

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def start_driver(
    folder: Path, store: StoreSettings, faults: tuple[Fault, ...], number: int, direct: StoreSettings
) -> Child:
    """A driver whose effects, and those of all that it starts, meet the faults; it ends with 0 when all is done.

    Args:
        direct: the store without faults of its own.
    """
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 1
    try:
        output = os.open(folder / f"driver-{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(stage_environment())
        install(folder, faults, direct, small_study.fingerprints())
        code = _drive(folder, store, number)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def start_doctor(folder: Path, store: StoreSettings, number: int) -> Child:
    """`stilts doctor --deep --repair` on the store; what it says is in ``doctor-<number>.log``."""
    profile = folder / "doctor.yaml"
    spec = {"store": store.model_dump(mode="json", exclude_none=True)}
    profile.write_text(yaml.safe_dump({"apiVersion": "stilts/v1alpha1", "kind": "Profile", "spec": spec}))
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 1
    try:
        output = os.open(folder / f"doctor-{number}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        install(folder, (), store, {})  # for the record alone
        code = stilts(["doctor", "--profile", str(profile), "--deep", "--repair"])
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _drive(folder: Path, store: StoreSettings, number: int) -> int:
    backend.ServerProcess = ForkedServer  # type: ignore[misc]
    training = Training(ranks=2, zero_stage=2, save_steps=small_study.SAVE_STEPS)
    placement = LocalPlacement(Placement(device="cpu", training=training), slots=2, cores=2, gpus=[])
    run = LocalRun(
        store=store,
        cache=folder / f"cache-{number}",
        placement=placement,
        retries=Retries(application=20, infrastructure=20),
        registry="faults.small_study",
        pace=Pace(sweep=0.5, grace=GRACE_SECONDS),
        backoff=0.01,
        stall=60.0,
    )
    with local_driver(small_study.plan(), open_store(store.uri or "", store.s3), run, Quiet()) as driver:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: driver.stop())
        statuses = driver.run()
    return 0 if all(status.state in GOOD for status in statuses.values()) else 1
