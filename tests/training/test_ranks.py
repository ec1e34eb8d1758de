"""Ranks end with their supervisor, and a process can train more than once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("deepspeed", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent))
from synthetic import write_dataset

from stilts_core.catalog.models import Head

pytestmark = pytest.mark.train
WORKER = Path(__file__).parent / "ranks_worker.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_ranks_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, str(WORKER), "sleep", str(tmp_path)])
    _until(lambda: supervisor.poll() is not None or len(list(tmp_path.glob("*.pid"))) == 2)
    ranks = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    supervisor.kill()
    supervisor.wait()
    assert len(ranks) == 2
    _until(lambda: all(map(_gone, ranks)))


def test_one_process_trains_again_and_again(tmp_path: Path) -> None:
    for head in Head:
        write_dataset(tmp_path / head.value, head)
    command = [sys.executable, str(WORKER), "again", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    first, sharded, last = (json.loads((tmp_path / f"{at}.loss").read_text())["loss"] for at in range(3))
    assert first == last
    np.testing.assert_allclose(sharded, first, rtol=2e-5)


def _gone(pid: int) -> bool:
    """No such process, or one that nobody has collected yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def _until(condition: Callable[[], bool], patience: float = 90) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
