"""Stage kinds for tests of the engine: they say in their parameters what they do, and need no heavy package.

A stage's behaviour is its label: words separated by blanks, see `act`.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

from stilts_core import errors
from stilts_core.planning.plan import StageKind
from stilts_core.stages.context import Progress, StageContext, StageFunction
from stilts_core.storage.open import open_store
from stilts_core.storage.resume import ResumeManifest, furthest_step, publish_state

PRELOAD: tuple[str, ...] = ("stilts_core.storage.commit",)


def stage_function(kind: StageKind) -> StageFunction:
    return act


def act(context: StageContext) -> dict[str, object]:
    """Do what the label says, then write a file that depends on the parents alone."""
    words = context.stage.label.split()[1:]
    for word in words:
        name, _, value = word.partition("=")
        if name == "once":  # the rest only on the first attempt, seen by a file beside the runs
            marker = Path(value) / context.stage.fingerprint
            if marker.exists():
                break
            marker.touch()
        elif name == "node":  # the rest only there
            if context.resources.group.node != int(value):
                break
        elif name == "mark":
            with (Path(value) / "starts.jsonl").open("a") as out:
                line = {"stage": context.stage.fingerprint, "pid": os.getpid(), "at": time.monotonic()}
                out.write(json.dumps(line) + "\n")
        else:
            _DEEDS[name](context, value)
    parents = {role: (folder / "result.txt").read_text() for role, folder in sorted(context.inputs.items())}
    (context.out / "result.txt").write_text(json.dumps([context.stage.fingerprint, parents]))
    sys.stdout.write("fake stage did its work\n")
    return {"threads": context.resources.threads, "parents": len(parents)}


def _until_stopped(context: StageContext, value: str) -> None:
    deadline = time.monotonic() + float(value or 60)
    step = 0
    while time.monotonic() < deadline:
        step += 1
        context.report(Progress(step=step, total=1000, activity="waiting", loss=1 / step, examples_per_second=10.0))
        if context.stop_requested():
            raise errors.StoppedError("The stage was asked to stop.")
        time.sleep(0.01)


def _deaf(context: StageContext, value: str) -> None:
    context.report(Progress(step=1, total=2, activity="deaf"))
    time.sleep(float(value))


def _rank(context: StageContext, value: str) -> None:
    """Leave a process of the group behind, as a trainer whose rank hangs would."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
        os._exit(0)
    Path(value).write_text(str(pid))


def _orphan(context: StageContext, value: str) -> None:
    """Leave a process behind that has left the group, and has ended."""
    child = os.fork()
    if child == 0:
        os.setsid()
        orphan = os.fork()
        if orphan == 0:
            os._exit(0)
        Path(value).write_text(str(orphan))
        os._exit(0)
    os.waitpid(child, 0)


def _out_of_memory(context: StageContext, value: str) -> None:
    """End as the kernel would have it that has killed this process, and counts that in the folder."""
    (Path(value) / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _await(context: StageContext, value: str) -> None:
    while not Path(value).exists() and not context.stop_requested():
        time.sleep(0.01)


def _advance(context: StageContext, value: str) -> None:
    """Save a state one step further than the last one, up to so many steps."""
    assert context.saving is not None
    store = open_store(context.saving.store.uri or "", context.saving.store.s3)
    step = furthest_step(store, context.stage.fingerprint)
    if step < int(value):
        manifest = ResumeManifest(
            fingerprint=context.stage.fingerprint,
            attempt=context.saving.attempt,
            step=step + 1,
            ranks=1,
            zero_stage=0,
            files={},
            state={},
            identity={},
            versions={},
        )
        publish_state(store, manifest)


_DEEDS = {
    "advance": _advance,
    "orphan": _orphan,
    "oom": _out_of_memory,
    "await": _await,
    "wait": _until_stopped,
    "deaf": _deaf,
    "sleep": lambda context, value: time.sleep(float(value)),
    "raise": lambda context, value: _raise(getattr(errors, value)("This fake stage fails.", hint="Do not use it.")),
    "crash": lambda context, value: _raise(ZeroDivisionError("division by zero")),
    "full": lambda context, value: _raise(OSError(errno.ENOSPC, "No space left on device", "/full/disk")),
    "memory": lambda context, value: _raise(MemoryError()),
    "leave": lambda context, value: os._exit(int(value)),
    "signal": lambda context, value: os.kill(os.getpid(), int(value)),
    "rank": _rank,
    "nan": lambda context, value: _raise(errors.DivergedError("The loss became NaN.")),
}


def _raise(error: BaseException) -> None:
    raise error
