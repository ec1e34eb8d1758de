"""The control groups below which each kubelet keeps its pods, so that kubelets do not share one tree."""

from __future__ import annotations

import contextlib
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = "cgroup.controllers"


def make_group(name: str) -> None:
    """Make a group in every hierarchy, with the processors and memory that its parent has."""
    if (_ROOT / _UNIFIED).exists():
        controllers = " ".join(f"+{controller}" for controller in (_ROOT / _UNIFIED).read_text().split())
        (_ROOT / "cgroup.subtree_control").write_text(controllers)
        (_ROOT / name).mkdir(exist_ok=True)
        return
    for parent in _hierarchies():
        group = parent / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists():
                (group / file).write_text((parent / file).read_text())


def remove_group(name: str) -> None:
    """Remove a group and all below it; they must have no process any more."""
    for group in groups(name):
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()


def groups(pattern: str) -> list[Path]:
    """The groups of that name, one a hierarchy."""
    parents = [_ROOT] if (_ROOT / _UNIFIED).exists() else _hierarchies()
    return [group for parent in parents for group in parent.glob(pattern)]


def _hierarchies() -> list[Path]:
    return [path for path in _ROOT.iterdir() if (path / "cgroup.procs").exists()]
