"""Whether the kernel has killed a process of this container because memory ran out."""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_FILES = ("memory.events", "memory/memory.oom_control")  # of version 2, of version 1


def oom_kills(folder: Path = CGROUP) -> int:
    """Processes of the control group that the kernel has killed for want of memory; 0 where nobody counts.

    Args:
        folder: where the control group's files are mounted, of either version.
    """
    for name in _FILES:
        try:
            lines = (folder / name).read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.strip().isdecimal():
                return int(value)
    return 0
