"""The next round of a best-first search over sequences, as a study file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stilts_core.analysis.questions.sequences import next_sequences
from stilts_core.analysis.scores import Scores
from stilts_core.errors import SpecError
from stilts_core.spec.study import Study

KEEP = 2
"""Sequences that a round goes on from."""


def next_study(document: Mapping[str, Any], study: Study, scores: Scores, keep: int = KEEP) -> str:
    """The study that goes on from the best sequences of this one: each with one more task, and the reverse of these.

    The sequences are chosen by their observed gain on the mean of the targets. The largest of several is too large on
    average, so the gain that chose is written nowhere; the new study measures its sequences beside those of this one,
    whose stages it shares in one store.

    Args:
        document: the study's file as it was read.
        study: the same, typed.
        scores: what has been measured of it.
        keep: sequences to go on from.

    Raises:
        SpecError: the study has no `sequences`, nothing of them has been measured, or no task is left to add.
    """
    sequences = study.spec.sequences
    if sequences is None:
        raise SpecError(
            f"{study.metadata.name} has no `sequences` to go on from.",
            hint="List the tasks under `sequences: {tasks: [...]}` in its spec.",
        )
    tasks = {use.task for use in sequences.tasks}
    best = [found for found in next_sequences(scores, len(scores.curricula)) if tasks.issuperset(found)][:keep]
    if not best:
        raise SpecError(
            f"No sequence of {study.metadata.name} has a gain yet.", hint="Run the study first; it needs `baseline`."
        )
    if len(best[0]) == len(tasks):
        raise SpecError(f"The sequences of {study.metadata.name} have all {len(tasks)} tasks; there is none to add.")
    spec = _plain(document["spec"])
    spec["sequences"] = {
        **{key: value for key, value in spec["sequences"].items() if key not in ("length", "begin")},
        "begin": [list(one) for one in best],
    }
    name = _numbered(study.metadata.name)
    whole = {**_plain(document), "metadata": {**_plain(document["metadata"]), "name": name}, "spec": spec}
    return _HEAD.format(name=study.metadata.name, best="; ".join(" > ".join(one) for one in best)) + _yaml(whole)


_HEAD = """\
# The round after {name}, made by `stilts results --next`: its best sequences ({best}), each with
# one more task, and the reverse of these. Run it in the same store, and what both have in common is done once.
"""


def _numbered(name: str) -> str:
    """``order-2`` after ``order``, ``order-3`` after that."""
    match = re.fullmatch(r"(.*)-(\d+)", name)
    base, number = (match[1], int(match[2])) if match else (name, 1)
    return f"{base[: 39 - len(str(number + 1))]}-{number + 1}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
