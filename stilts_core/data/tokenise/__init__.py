"""Records as token ids: flat arrays, one module a kind of example."""

from __future__ import annotations

from stilts_core.data.tokenise.encoder import TextEncoder
from stilts_core.data.tokenise.pairs import choices, pairs
from stilts_core.data.tokenise.part import Part, join
from stilts_core.data.tokenise.sentences import answer_distances, searched, translations, with_answers
from stilts_core.data.tokenise.spans import spans
from stilts_core.data.tokenise.tagging import tagged
from stilts_core.data.tokenise.text import blocks, parallel

__all__ = [
    "Part",
    "TextEncoder",
    "answer_distances",
    "blocks",
    "choices",
    "join",
    "pairs",
    "parallel",
    "searched",
    "spans",
    "tagged",
    "translations",
    "with_answers",
]
