"""What is scored: two files of a task in a language, or the vectors that retrieval begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_core.catalog.models import SeqevalVersion
from stilts_core.catalog.nearest import unknown
from stilts_core.errors import SpecError

if TYPE_CHECKING:
    from stilts_core.evaluation.mining import Margin
    from stilts_core.evaluation.scorers.tagging import Version

Ids = Path | tuple[str, ...]
VERSIONS = tuple(version.value for version in SeqevalVersion)
MARGINS = ("absolute", "distance", "ratio")


@dataclass(frozen=True, slots=True)
class Options:
    """What else decides a score.

    Attributes:
        seqeval: the release whose tagging behaviour is followed; None: the protocol's.
        null_scores: SQuAD 2.0: a file of question id → probability that there is no answer.
        candidates: BUCC: a file of mined pairs, score, source id and target id in columns, instead of predictions.
        source_embeddings: retrieval: vectors (n, hidden) as ``.npy``: the foreign side, for LAReQA and Mewsli-X the
            questions.
        target_embeddings: likewise: the English side, the candidates.
        source_ids: the ids of the rows: a file with one a line, in BUCC's own layout with the sentence in a second
            column; a file ``.json`` with a list; or the ids themselves.
        target_ids: likewise.
        margin: of BUCC's mining.
        neighbours: k of BUCC's mining.
        threshold: BUCC: the threshold over the scores; None: the one that is best for the gold file.
    """

    seqeval: Version | None = None
    null_scores: Path | None = None
    candidates: Path | None = None
    source_embeddings: Path | None = None
    target_embeddings: Path | None = None
    source_ids: Ids | None = None
    target_ids: Ids | None = None
    margin: Margin = "ratio"
    neighbours: int = 4
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to score.

    Attributes:
        task: a task of the catalogue, or the name that the official programs give it.
        language: its code; MLQA's normalisation depends on it. Empty: not said.
        gold: the gold file.
        predictions: the file of predictions; None where the options name vectors or candidates instead.
        protocol: of the catalogue, whose rules are followed.
    """

    task: str
    language: str
    gold: Path
    predictions: Path | None = None
    protocol: str = "xtreme-2020"
    options: Options = Options()


def read_request(document: Mapping[str, Any], folder: Path) -> Request:
    """A request from a line of a batch.

    Args:
        document: with the keys of `Request`; further keys are not looked at.
        folder: what relative paths are relative to.

    Raises:
        SpecError: a key is missing, or a value is none of those that are known.
    """
    options = document.get("options") or {}
    if not isinstance(options, Mapping):
        raise SpecError("`options` must be an object.")
    known = [field.name for field in fields(Options)]
    for name in options:
        if name not in known:
            raise SpecError(_sentence(unknown("option", str(name), known)))
    given = {name: _option(name, value, folder) for name, value in options.items() if value is not None}
    predictions = document.get("predictions")
    return Request(
        task=_text(document, "task"),
        language="" if document.get("language") is None else _text(document, "language"),
        gold=folder / _text(document, "gold"),
        predictions=None if predictions is None else folder / _text(document, "predictions"),
        protocol=_text(document, "protocol") if document.get("protocol") is not None else "xtreme-2020",
        options=Options(**given),
    )


def one_of(what: str, value: Any, known: tuple[str, ...]) -> Any:
    """The value, if it is one of those that are known.

    Raises:
        SpecError: it is not; the sentence names the nearest one.
    """
    if value not in known:
        raise SpecError(_sentence(unknown(what, str(value), list(known))))
    return value


def _option(name: str, value: Any, folder: Path) -> Any:
    match name:
        case "seqeval":
            return one_of("behaviour of seqeval", value, VERSIONS)
        case "margin":
            return one_of("margin", value, MARGINS)
        case "neighbours":
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpecError(f"`neighbours` must be a whole number, 1 or more, not {value!r}.")
            return value
        case "threshold":
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
                raise SpecError(f"`threshold` must be a number, not {value!r}.")
            return float(value)
        case "source_ids" | "target_ids" if isinstance(value, list):
            return tuple(str(id_) for id_ in value)
    if not isinstance(value, str) or "\0" in value:
        raise SpecError(f"`{name}` must be the path of a file, not {value!r}.")
    return folder / value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise SpecError(f"`{name}` is missing." if value is None else f"`{name}` must be a text, not {value!r}.")
    return value


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
