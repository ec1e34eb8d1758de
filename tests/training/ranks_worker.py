"""Run as a program, for what can be seen of ranks only from outside.

`ranks_worker.py sleep FOLDER`: two ranks that leave their process ids in the folder and then work for ever.
`ranks_worker.py again FOLDER`: the same training twice in this process, as zero_worker writes it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
sys.path.insert(0, str(Path(__file__).parent))

from stilts_core.training.ranks import Rank, run_ranks


def sleep(folder: Path) -> None:
    def body(rank: Rank) -> dict[str, Any]:
        (folder / f"{rank.rank}.part").write_text(str(os.getpid()))
        (folder / f"{rank.rank}.part").rename(folder / f"{rank.rank}.pid")
        while True:
            time.sleep(60)

    run_ranks(body, ranks=2, device="cpu", threads=1, stop_requested=lambda: False)


def again(folder: Path) -> None:
    from zero_worker import one

    for zero_stage in (0, 2, 0):
        one(folder, zero_stage, 1, 100_000)
        (folder / f"{zero_stage}-1-100000.json").rename(folder / f"{len(list(folder.glob('*.loss')))}.loss")


if __name__ == "__main__":
    {"sleep": sleep, "again": again}[sys.argv[1]](Path(sys.argv[2]))
