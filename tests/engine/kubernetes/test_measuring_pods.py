"""The pod of a stage that measures: one, as an evaluating one unless the profile says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stilts_core.engine.kubernetes.sizing import Sizing, stage_sizing
from stilts_core.planning.plan import StageKind
from stilts_core.spec.profile import Placement


def sizing(kind: StageKind = StageKind.MEASURE, **kubernetes: Any) -> Sizing:
    return stage_sizing(kind, Placement.model_validate({"kubernetes": {"nodes": 2, **kubernetes}}))


@pytest.mark.parametrize("gpus", [0, 4])
def test_it_has_what_an_evaluating_pod_has(gpus: int) -> None:
    own = sizing(gpus_per_node=gpus, pods={"evaluate": {"cpu": "6", "memory": "20Gi"}})
    assert own == sizing(StageKind.EVALUATE, gpus_per_node=gpus, pods={"evaluate": {"cpu": "6", "memory": "20Gi"}})
    assert (own.nodes, own.ranks_per_node, own.gpus) == (1, 1, min(gpus, 1))


def test_a_profile_may_give_it_another_size() -> None:
    assert sizing(pods={"measure": {"cpu": "8", "memory": "64Gi"}}).compute.cpu == "8"
    with pytest.raises(ValidationError, match=r"pods\.measure has 1Gi"):
        sizing(shared_memory="2Gi", pods={"measure": {"memory": "1Gi"}})
