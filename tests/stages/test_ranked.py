"""A training whose device runs out of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training packages are an extra")

from stilts_core.errors import DeviceMemoryError
from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.spec.profile import StoreSettings
from stilts_core.stages.context import Resources, StageContext
from stilts_core.stages.ranked import run_training
from stilts_core.stages.saving import Saving
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.retry import Backoff, tried_again
from stilts_core.training.ranks import Rank

pytestmark = pytest.mark.train
SMALL = Stage(
    fingerprint="ab" * 32,
    kind=StageKind.TRAIN,
    version=1,
    params=TokenizerParams(vocabulary=300, max_length=16),
    parents={},
)


def context(folder: Path, **resources: Any) -> StageContext:
    saving = Saving(StoreSettings(uri=str(folder)), Attempt(number=1, token="abc"), {}, folder, 1.0)
    return StageContext(SMALL, {}, {}, folder, Resources(**resources), saving=saving)


def test_it_is_tried_once_more_with_half_the_tokens(tmp_path: Path) -> None:
    tries: list[tuple[int, str]] = []

    def body(context: StageContext, rank: Rank) -> dict[str, Any]:
        assert context.saving is not None
        tries.append((context.resources.halvings, context.saving.attempt.token))
        if not context.resources.halvings:
            raise DeviceMemoryError("Too much.")
        return {"done": 1}

    assert run_training(context(tmp_path), body) == {"done": 1}
    assert tries == [(0, "abc"), (1, "abch")]


def test_a_second_time_is_the_end(tmp_path: Path) -> None:
    def body(context: StageContext, rank: Rank) -> dict[str, Any]:
        raise DeviceMemoryError("Too much.")

    with pytest.raises(DeviceMemoryError):
        run_training(context(tmp_path), body)


def test_several_ranks_are_tried_again_together(tmp_path: Path) -> None:
    def body(context: StageContext, rank: Rank) -> dict[str, Any]:
        if not context.resources.halvings and rank.rank == 1:
            raise DeviceMemoryError("Too much.")
        return {"halvings": context.resources.halvings}

    assert run_training(context(tmp_path, ranks=2), body) == {"halvings": 1}


def test_calls_to_the_store_that_ranks_repeat_are_counted(tmp_path: Path) -> None:
    quick = Backoff(attempts=5, first=0.0)

    def body(context: StageContext, rank: Rank) -> dict[str, Any]:
        failures = iter(range(rank.rank + 1))

        def call() -> None:
            for _ in failures:
                raise ConnectionError("away")

        quick.run(call, lambda error: True)
        if rank.rank and not context.resources.halvings:
            raise DeviceMemoryError("Too much.")
        return {}

    before = tried_again()
    run_training(context(tmp_path, ranks=2), body)
    # Two tries of both ranks; of the first try, rank 0 may be ended before it says so.
    assert tried_again() - before in (5, 6)
