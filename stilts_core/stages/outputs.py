"""The forward pass's arrays in the words of the scorers."""

from __future__ import annotations

from typing import Any

from stilts_core.catalog.models import Head
from stilts_core.evaluation.outputs import (
    ChoiceOutputs,
    ClassificationOutputs,
    Outputs,
    RetrievalOutputs,
    SpanOutputs,
    TaggingOutputs,
)


def as_outputs(head: Head, raw: Any) -> Outputs:
    """What `modeling.inference` gives for a head, as `evaluation.outputs` has it."""
    match head:
        case Head.CLASSIFICATION:
            return ClassificationOutputs(logits=raw)
        case Head.CHOICE:
            return ChoiceOutputs(scores=raw[:, 0])
        case Head.SPAN:
            start, end = raw
            return SpanOutputs(start=start, end=end)
        case Head.TAGGING:
            if isinstance(raw, tuple):
                label, gold, top = raw
                return TaggingOutputs(label=label, gold=gold, top=top)
            return TaggingOutputs(label=raw)
        case Head.RETRIEVAL:
            return RetrievalOutputs(states=raw)
    raise ValueError(f"{head} is not evaluated")
