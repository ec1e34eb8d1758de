from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (str(HERE), str(HERE.parents[1] / "training")):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from engine_plans import plan_of, stage  # noqa: E402
from pod_support import Cluster  # noqa: E402

from stilts_core.planning.plan import StageKind  # noqa: E402

MakeCluster = Callable[..., Cluster]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes a store with the plan of one fake stage, which does what the words say."""
    made: list[Cluster] = []

    def make(words: str = "", *, kind: StageKind = StageKind.PREPARE) -> Cluster:
        made.append(Cluster(tmp_path, str(tmp_path / "store"), plan_of([stage(f"only {words}", kind=kind)])))
        made[-1].put_plan()
        return made[-1]

    yield make
    for each in made:
        each.close()
