"""Exact nearest neighbours by inner product, both directions in one pass, in bounded memory.

The product of a block of queries with a block of keys is computed once, in float32 by NumPy or in bf16 by torch on a
processor or a GPU, and serves both directions. These products only propose: every one is known to lie within a bound
of the true one, so whatever could be among the k best is kept, scored again in float64 and rounded to float32. The
result therefore depends neither on the device nor on the cut into blocks.
"""

from __future__ import annotations

from stilts_core.evaluation.neighbours.products import Engine
from stilts_core.evaluation.neighbours.recall import Recall, make_now
from stilts_core.evaluation.neighbours.search import Neighbours, nearest, nearest_both

__all__ = ["Engine", "Neighbours", "Recall", "make_now", "nearest", "nearest_both"]
