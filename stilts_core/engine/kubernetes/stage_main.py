"""The program of a stage's process in a pod; its supervisor starts it: ``stage_main SPEC-FILE REPORTS PARENT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stilts_core.engine.local.child import run_child


def main(spec: str, reports: str, parent: str) -> int:
    document = json.loads(Path(spec).read_text(encoding="utf-8"))
    return run_child(spec, document, devices=None, reports=int(reports), parent=int(parent))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
