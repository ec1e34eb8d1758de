"""Programs run with argument lists; one that fails is told in a sentence."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class ClusterError(Exception):
    """Something that a person can act on: what, where, what to do."""


def run(
    *command: str | Path,
    text: str = "",
    check: bool = True,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Args:
        text: what it reads from its standard input.
        environment: what its environment has beside ours.

    Raises:
        ClusterError: it failed (unless ``check`` is false) or is not there.
    """
    arguments = [str(part) for part in command]
    try:
        done = subprocess.run(
            arguments,
            input=text,
            text=True,
            capture_output=True,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError(f"{arguments[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(arguments)} did not end in {timeout:.0f} s") from None
    if check and done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise ClusterError(f"{' '.join(arguments)} ended with {done.returncode}: {said}")
    return done


def wait_until(holds: Callable[[], bool], what: str, seconds: float, *, pause: float = 0.1) -> None:
    """Ask until something holds.

    Raises:
        ClusterError: it did not hold within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(pause)
