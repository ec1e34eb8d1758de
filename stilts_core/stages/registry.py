"""Which code does the work of which stage kind, imported on first use.

Another module with the same two names can stand in for this one (`stages.run.AttemptSpec.registry`).
"""

from __future__ import annotations

from importlib import import_module

from stilts_core.planning.plan import StageKind
from stilts_core.stages.context import StageFunction

PRELOAD = (
    "numpy",
    "pyarrow.parquet",
    "torch",
    "torch.distributed",
    "safetensors.torch",
    "tokenizers",
    "transformers",
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "deepspeed",
    "stilts_core.stages.run",
    "stilts_core.storage.commit",
    "stilts_core.stages.prepare",
    "stilts_core.stages.pretrain",
    "stilts_core.stages.train",
    "stilts_core.stages.evaluate",
    "stilts_core.stages.similarity",
    "stilts_core.stages.measure",
)
"""Modules that a server of stage processes imports once, before it forks; none of them may start a thread."""

_FUNCTIONS = {
    StageKind.PREPARE: ("stilts_core.stages.prepare", "prepare"),
    StageKind.PRETRAIN: ("stilts_core.stages.pretrain", "pretrain"),
    StageKind.TRAIN: ("stilts_core.stages.train", "train"),
    StageKind.EVALUATE: ("stilts_core.stages.evaluate", "evaluate"),
    StageKind.SIMILARITY: ("stilts_core.stages.similarity", "similarity"),
    StageKind.MEASURE: ("stilts_core.stages.measure", "measure"),
}


def stage_function(kind: StageKind) -> StageFunction:
    """The function that does the work of a kind."""
    module, name = _FUNCTIONS[kind]
    function: StageFunction = getattr(import_module(module), name)
    return function
