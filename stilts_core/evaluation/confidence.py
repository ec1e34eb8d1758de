"""What a model's probabilities say of a development sample: loss, calibration, entailment contrast.

``loss``
    Mean negative log-likelihood of the gold, nats: of the label, the choice, the label of each word, or, for answers,
    the mean of that of their first and of their last token in each window, as the heads are trained.
``calibration_error``
    Expected calibration error, percent: predictions are put into 15 bins of equal width by their confidence, which is
    the largest probability; ECE = Σ_b n_b / n · |accuracy_b - confidence_b| (Guo et al. 2017, equation 3, after Naeini
    et al. 2015). For answers the first and the last token of each window count as a prediction each.
``entailment_contrast``
    Of inference tasks, points: the mean probability of entailment that the pairs with the gold label entailment are
    given, less that of the pairs with contradiction (without such a label, of all others). 100 tells them apart with
    certainty, 0 not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.outputs import (
    ChoiceOutputs,
    ClassificationOutputs,
    Outputs,
    SpanOutputs,
    TaggingOutputs,
    require_finite,
)

LOSS, CALIBRATION, CONTRAST = "loss", "calibration_error", "entailment_contrast"
BINS = 15
ENTAILMENT, CONTRADICTION = "entailment", "contradiction"


@dataclass(frozen=True, slots=True)
class Guesses:
    """One entry for each prediction.

    Attributes:
        gold: log-probability of the gold, nats.
        top: the largest probability.
        right: the gold is the likeliest.
    """

    gold: Array
    top: Array
    right: Array


def confidence_measures(
    dataset: Dataset, outputs: Outputs, examples: Array, labels: Sequence[str] = ()
) -> dict[str, float]:
    """The measures by name; of tags only where their probabilities were kept, of retrieval none.

    Args:
        dataset: all of whose gold is known at the examples.
        outputs: of the whole dataset's shape; rows of other examples are not looked at.
        examples: (n,) numbers of examples.
        labels: of a classification.

    Raises:
        DivergedError: an output of these examples is not finite.
    """
    guesses = _guesses(dataset, outputs, examples)
    if guesses is None or not len(guesses.gold):
        return {}
    require_finite(guesses.gold)
    found = {LOSS: -float(guesses.gold.mean()), CALIBRATION: calibration_error(guesses.top, guesses.right)}
    if isinstance(outputs, ClassificationOutputs) and ENTAILMENT in labels:
        contrast = _contrast(_log_softmax(outputs.logits[examples]), dataset.columns["label"][examples], labels)
        if contrast is not None:
            found[CONTRAST] = contrast
    return found


def calibration_error(top: Array, right: Array) -> float:
    """Expected calibration error, percent, of (n,) confidences from 0 to 1 and whether each prediction was right."""
    place = np.clip(np.ceil(np.asarray(top) * BINS).astype(np.int64) - 1, 0, BINS - 1)  # bins are open on the left
    apart = np.bincount(place, weights=np.asarray(right, dtype=np.float64) - top, minlength=BINS)
    return 100 * float(np.abs(apart).sum()) / len(top)


def _contrast(log: Array, gold: Array, labels: Sequence[str]) -> float | None:
    entailed = labels.index(ENTAILMENT)
    given = np.exp(log[:, entailed])
    against = gold == labels.index(CONTRADICTION) if CONTRADICTION in labels else gold != entailed
    if not against.any() or not (gold == entailed).any():
        return None
    return 100 * float(given[gold == entailed].mean() - given[against].mean())


def _guesses(dataset: Dataset, outputs: Outputs, examples: Array) -> Guesses | None:
    match outputs:
        case ClassificationOutputs():
            return _of_rows(outputs.logits[examples], dataset.columns["label"][examples])
        case ChoiceOutputs():
            return _of_groups(outputs.scores, *_choices(dataset, examples))
        case SpanOutputs():
            features = _features(dataset, examples)
            starts, stops = dataset.offsets[features], dataset.offsets[features + 1]
            sides = [
                _of_groups(logits, starts, stops, starts + dataset.columns[name][features])
                for logits, name in ((outputs.start, "start"), (outputs.end, "end"))
            ]
            return Guesses(*(np.concatenate([getattr(side, name) for side in sides]) for name in Guesses.__slots__))
        case TaggingOutputs() if outputs.gold is not None and outputs.top is not None:
            tokens = _tokens(dataset, _features(dataset, examples))
            tokens = tokens[dataset.columns["label"][tokens] >= 0]
            right = outputs.label[tokens] == dataset.columns["label"][tokens]
            return Guesses(outputs.gold[tokens].astype(np.float64), outputs.top[tokens].astype(np.float64), right)
    return None


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _of_rows(logits: Array, gold: Array) -> Guesses:
    log = _log_softmax(logits)
    return Guesses(log[np.arange(len(log)), gold], np.exp(log.max(axis=1)), log.argmax(axis=1) == gold)


def _of_groups(logits: Array, starts: Array, stops: Array, gold: Array) -> Guesses:
    """Of runs ``[start, stop)`` of the logits, each a distribution; ``gold`` are places in the logits."""
    log = [_log_softmax(np.asarray(logits[start:stop])) for start, stop in zip(starts, stops, strict=True)]
    return Guesses(
        np.array([one[place] for one, place in zip(log, (gold - starts).tolist(), strict=True)]),
        np.array([np.exp(one.max()) for one in log]),
        np.array([one.argmax() for one in log]) == gold - starts,
    )


def _choices(dataset: Dataset, examples: Array) -> tuple[Array, Array, Array]:
    ranges = dataset.feature_ranges
    return ranges[examples], ranges[examples + 1], ranges[examples] + dataset.columns["label"][examples]


def _features(dataset: Dataset, examples: Array) -> Array:
    ranges = dataset.feature_ranges
    return np.concatenate([np.arange(ranges[i], ranges[i + 1]) for i in examples])


def _tokens(dataset: Dataset, features: Array) -> Array:
    return np.concatenate([np.arange(dataset.offsets[i], dataset.offsets[i + 1]) for i in features])
