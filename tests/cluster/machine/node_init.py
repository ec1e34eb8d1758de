"""The first process of a node: makes its mounts, then reaps what its other processes leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

READY = "stilts-ready"
LAYERS = "layers.json"


def main(folder: Path, targets: list[str]) -> None:
    """Mount the layers of images, and the node's own folders over those that are named in its programs; wait.

    Args:
        folder: the node's folder; it has a folder for each target, named by the target's last part.
    """
    for layer, target in json.loads((folder / LAYERS).read_text()):
        _mount("-o", "bind,ro", layer, target)
    _mount("-t", "proc", "proc", "/proc")
    _mount("-t", "tmpfs", "tmpfs", "/run")
    for target in targets:
        source = folder / "mounts" / Path(target).name
        source.mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(source), target)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    (Path("/run") / READY).touch()
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.pause()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
