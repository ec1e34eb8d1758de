"""Judge of retrieval: translations found by the encoder alone, at every hidden state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.errors import DataError, SpecError
from stilts_core.evaluation.examples import texts
from stilts_core.evaluation.judgement import Judgement, is_degenerate
from stilts_core.evaluation.neighbours import Recall, make_now
from stilts_core.evaluation.outputs import RetrievalOutputs, require_finite
from stilts_core.evaluation.predictions import retrieval_file
from stilts_core.evaluation.scorers.retrieval import accuracy, nearest

_FOREIGN, _ENGLISH = 0, 1


def scored_state(layers: int, states: Mapping[int, int], share: float | None) -> int:
    """The hidden state that counts as the result: the table's for this depth, else a share of the layers, at least 1.

    Args:
        layers: of the encoder; hidden state 0 is the embedding output.
        states: layers → hidden state.
        share: 0 to 1; the product is rounded, halves to the even number.

    Raises:
        SpecError: neither says which state, or the encoder has no such state.
    """
    state = states.get(layers)
    if state is None and share is not None:
        state = max(1, round(share * layers))
    if state is None or not 0 <= state <= layers:
        raise SpecError(
            f"The protocol does not say which hidden state of an encoder of {layers} layers is scored for retrieval.",
            hint="Give `layers` or `layer_share` under the protocol's `retrieval`.",
        )
    return state


@dataclass(frozen=True, slots=True)
class RetrievalJudge:
    """Accuracy of the nearest foreign sentence to each English one; guessing takes any: 100 / n.

    The examples of a file are its foreign sentences and their English translations, each side in the file's order.
    """

    dataset: Dataset
    outputs: RetrievalOutputs
    state: int
    recall: Recall = make_now

    def judge(self, examples: Array) -> Judgement:
        foreign, english = self._sides(examples)
        measures: dict[str, float] = {}
        result = np.zeros(len(english), dtype=np.int64)
        for number, vectors in enumerate(self.outputs.states):
            if vectors is None:
                continue
            queries, index = vectors[english], vectors[foreign]
            require_finite(queries, index)
            (found,) = self.recall(lambda: [nearest(queries, index)])  # noqa: B023 (called at once)
            measures[f"accuracy@state{number:02d}"] = accuracy(found)
            if number == self.state:
                result = found
        right = np.arange(len(english))
        return Judgement(
            n=len(english),
            files={".tsv": retrieval_file(result.tolist(), texts(self.dataset, english))},
            score=accuracy(result),
            measures={"accuracy": accuracy(result), **measures},
            rows=english,
            outcomes={"correct": (result == right).astype(np.float64)},
            degenerate=is_degenerate(result.tolist(), right.tolist()),
        )

    def chance(self, examples: Array) -> float:
        return 100 / len(self._sides(examples)[1])

    def _sides(self, examples: Array) -> tuple[Array, Array]:
        side = self.dataset.columns["side"][examples]
        foreign, english = examples[side == _FOREIGN], examples[side == _ENGLISH]
        if len(foreign) != len(english):
            raise DataError(f"{len(foreign)} foreign sentences face {len(english)} English ones: pairs are needed.")
        return foreign, english
