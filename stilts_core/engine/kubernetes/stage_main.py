"""The program of a stage's process in a pod; its supervisor starts it: ``stage_main SPEC-FILE REPORTS PARENT``."""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
from pathlib import Path

from stilts_core.engine.local.child import run_child

TELL_STACKS = signal.SIGUSR2
"""Asks for what every thread is doing, in the log; ranks that are forked later obey it too."""


def main(spec: str, reports: str, parent: str) -> int:
    document = json.loads(Path(spec).read_text(encoding="utf-8"))
    faulthandler.enable(file=2)
    faulthandler.register(TELL_STACKS, file=2, all_threads=True)
    return run_child(spec, document, devices=None, reports=int(reports), parent=int(parent))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
