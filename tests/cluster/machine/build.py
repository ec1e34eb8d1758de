"""Programs from their Go modules, built once for each set of pins and kept in the cache.

Where modules come from is for the environment to say (``GOPROXY``, ``GOFLAGS``); what they are is for go.sum.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from cluster.commands import ClusterError, run
from cluster.machine.pins import Module


def programs(module: Module, cache: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """The programs of a module; those that are not in the cache are built.

    Returns:
        Program name to its path, all in one folder.

    Raises:
        ClusterError: Go is missing, or a build failed.
    """
    folder = cache / "bin" / f"{module.name}-{module.key}"
    paths = {name: folder / name for name in module.packages}
    if folder.is_dir():
        return paths
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (cache / "bin" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(module, folder, say)
    return paths


def program(module: Module, cache: Path, say: Callable[[str], None]) -> Path:
    """The program of a module that has the name of its module."""
    return programs(module, cache, say)[module.name]


def _build(module: Module, folder: Path, say: Callable[[str], None]) -> None:
    if shutil.which("go") is None:
        raise ClusterError(f"Go is missing, and {module.name} is built with it: install Go 1.25 or newer")
    begun = time.monotonic()
    say(f"building {module.name} {module.version}; the first time takes minutes")
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    run(
        *("nice", "-n", "10", "go", "build", *module.flags, "-o", f"{unfinished}/", *module.packages.values()),
        environment={"CGO_ENABLED": "0"},  # images hold nothing else
        folder=module.folder,
    )
    for name in module.packages:
        if not (unfinished / name).is_file():
            raise ClusterError(f"building {module.name} made no {name} in {unfinished}")
    unfinished.replace(folder)
    say(f"built {module.name} in {time.monotonic() - begun:.0f} s")
