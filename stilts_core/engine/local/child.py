"""What a forked process does: become a stage's own process, and run one attempt."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from stilts_core.engine.local.stacks import answer_stacks
from stilts_core.lifeline import die_with_parent
from stilts_core.stages.run import AttemptSpec, run_attempt
from stilts_core.stages.snapshot import Snapshot

_SECONDS_BETWEEN_REPORTS = 0.2


_CHATTY = ("boto3", "botocore", "s3transfer", "urllib3")
"""Loggers that tell of every connection, where a stage's log is to tell of the stage."""


def run_child(name: str, document: dict[str, Any], *, devices: list[str] | None, reports: int, parent: int) -> int:
    """Run the attempt that a request asks for, and return its exit code.

    Args:
        name: of the attempt, for its reports.
        document: the `stages.run.AttemptSpec`, JSON.
        devices: the GPUs that it may use, as CUDA_VISIBLE_DEVICES names them; None: no GPUs are shared out.
        reports: a pipe that does not block, for snapshots.
        parent: the process id of the server.
    """
    die_with_parent(parent)
    stop = _StopFlag()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = AttemptSpec.model_validate(document)
    _redirect(spec.log)
    answer_stacks()
    _limit(spec.resources.threads, devices)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return run_attempt(spec, tell=_Reporter(name, reports), stop_requested=lambda: stop.requested)


class _StopFlag:
    requested = False

    def __call__(self, *_: object) -> None:
        self.requested = True


class _Reporter:
    """Sends snapshots: at once where something other than the progress is new, and now and then otherwise."""

    def __init__(self, name: str, pipe: int) -> None:
        self._name, self._pipe = name, pipe
        self._last = Snapshot()
        self._sent = 0.0

    def __call__(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        last, self._last = self._last, snapshot
        same = (last.phase, last.stored, last.message) == (snapshot.phase, snapshot.stored, snapshot.message)
        if same and now - self._sent < _SECONDS_BETWEEN_REPORTS:
            return
        self._sent = now
        try:
            os.write(self._pipe, snapshot.line(self._name))
        except OSError:
            # Nobody reads, or not fast enough: a later snapshot says the same, and no decision waits for one.
            return


def _redirect(log: Path | None) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    target = null
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)


def _limit(threads: int, devices: list[str] | None) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
