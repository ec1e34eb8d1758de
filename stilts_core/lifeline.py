"""Processes that do not outlive the one that made them, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, also when the parent is killed.

    To be called first thing in a forked process. It does not pass on to processes that this one forks. Where the system
    is not Linux nothing of the kind exists, and nothing is done.

    Args:
        parent: the process id of the parent, taken before the fork; if it has gone already, this process ends here.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
