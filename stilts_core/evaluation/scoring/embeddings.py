"""Retrieval from vectors instead of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from stilts_core.data.dataset import Array
from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.evaluation.mining import mine
from stilts_core.evaluation.scorers.accuracy import accuracy, read_labels
from stilts_core.evaluation.scorers.bitext import Pair, collect_candidates, last_copies, unambiguous
from stilts_core.evaluation.scorers.ranking import CUT, mean_average_precision, mean_reciprocal_rank
from stilts_core.evaluation.scorers.retrieval import nearest, normalised
from stilts_core.evaluation.scorers.squad import read_json
from stilts_core.evaluation.scoring.request import Ids, Request
from stilts_core.evaluation.scoring.score import Scored, read_lists, read_rankings, score_candidates


def score_vectors(request: Request, metric: str) -> Scored:
    """Scores a retrieval task from the vectors of both of its sides.

    Raises:
        DataError: the vectors, the ids and the gold file do not belong together, or a vector is not finite.
        MissingInputError: a file is not there.
        SpecError: an option is missing.
    """
    options = request.options
    if options.source_embeddings is None or options.target_embeddings is None:
        raise SpecError("`source_embeddings` and `target_embeddings` are needed, both of them.")
    source, target = _vectors(options.source_embeddings), _vectors(options.target_embeddings)
    if source.shape[1] != target.shape[1]:
        raise DataError(
            f"{options.source_embeddings} holds vectors of {source.shape[1]} numbers, {options.target_embeddings} of "
            f"{target.shape[1]}: they cannot be compared."
        )
    if metric == "retrieval-accuracy":
        return _translations(request, source, target)
    if metric == "bitext-f1":
        return score_candidates(request, mined_candidates(request, source, target))
    gold = read_lists(request.gold) if metric == "map-20" else read_rankings(request.gold)
    if metric == "mewsli":  # its program compares by cosine
        source, target = normalised(source), normalised(target)
    questions, _ = _ids(options.source_ids, "source_ids", len(source))
    entries, _ = _ids(options.target_ids, "target_ids", len(target))
    rankings = _rankings(dict(zip(questions, source, strict=True)), entries, target, list(gold))
    value = (mean_average_precision if metric == "map-20" else mean_reciprocal_rank)(gold, rankings)
    return Scored({"score": value, "map@20": value})


def _translations(request: Request, foreign: Array, english: Array) -> Scored:
    """Tatoeba: each English sentence looks for its nearest foreign one.

    The gold file names the row of that, from 0, or its id where all of its lines are ids; or it holds pairs of ids.
    """
    gold = read_labels(request.gold)
    if request.options.target_ids is not None and gold and all("\t" in line for line in gold):
        gold = _paired(request, gold, len(english))
    if len(gold) != len(english):
        raise DataError(f"{len(english)} English vectors for {len(gold)} gold lines: the numbers must be equal.")
    found = nearest(english, foreign).tolist()
    ids = None
    if request.options.source_ids is not None:
        ids, _ = _ids(request.options.source_ids, "source_ids", len(foreign))
    if ids is not None and set(gold) <= set(ids):
        predicted = [ids[row] for row in found]
    else:
        predicted = [str(row) for row in found]
    value = accuracy(gold, predicted)
    return Scored({"score": value, "accuracy": value})


def _paired(request: Request, gold: Sequence[str], rows: int) -> list[str]:
    """The source id of each target row, from lines of pairs."""
    sources = {target: source for source, target in (line.split("\t")[:2] for line in gold)}
    ids, _ = _ids(request.options.target_ids, "target_ids", rows)
    missing = [id_ for id_ in ids if id_ not in sources]
    if missing:
        raise DataError(f"{request.gold} has no pair for the target id {missing[0]}.")
    return [sources[id_] for id_ in ids]


def mined_candidates(request: Request, source: Array, target: Array) -> dict[Pair, float]:
    """BUCC: the pairs that are mined from the vectors, as pairs of ids.

    Where the id files hold the sentences too, equal ones are mined once. A sentence that stands twice on its side,
    white space around it aside, gives no pair; jiant gives the pairs of all of its ids.
    """
    options = request.options
    jiant = request.protocol == "jiant"
    sides = []
    for vectors, ids_given, name in (
        (source, options.source_ids, "source_ids"),
        (target, options.target_ids, "target_ids"),
    ):
        ids, texts = _ids(ids_given, name, len(vectors))
        if texts is None:
            sides.append((vectors, [[id_] for id_ in ids]))
            continue
        keys = [text.strip() for text in texts] if jiant else texts
        rows = last_copies(keys)
        if jiant:
            copies: dict[str, list[str]] = {}
            for key, id_ in zip(keys, ids, strict=True):
                copies.setdefault(key, []).append(id_)
            sides.append((vectors[rows], [copies[keys[row]] for row in rows]))
        else:
            known = unambiguous(texts, ids)
            named = [known.get(texts[row].strip()) for row in rows]
            sides.append((vectors[rows], [[] if id_ is None else [id_] for id_ in named]))
    (left, left_ids), (right, right_ids) = sides
    mined = mine(left, right, neighbours=options.neighbours, margin=options.margin)
    return collect_candidates(
        (one, other, score)
        for row, column, score in zip(mined.source.tolist(), mined.target.tolist(), mined.scores.tolist(), strict=True)
        for one, other in product(left_ids[row], right_ids[column])
    )


def _rankings(
    questions: Mapping[str, Array], entries: Sequence[str], vectors: Array, wanted: Sequence[str]
) -> dict[str, list[str]]:
    """Question id → the ids of the entries with the highest inner product, of equal ones the last, as LAReQA sorts."""
    missing = [id_ for id_ in wanted if id_ not in questions]
    if missing:
        raise DataError(f"No source vector has the id {missing[0]}, which the gold file asks for.")
    found: dict[str, list[str]] = {}
    for id_ in wanted:
        order = np.argsort(vectors @ questions[id_], kind="stable")[::-1][:CUT]
        found[id_] = [entries[row] for row in order.tolist()]
    return found


def _vectors(path: Path) -> Array:
    try:
        vectors = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array of numbers (.npy).") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise DataError(f"{path} must hold one array of numbers with two dimensions: sentences and their vectors.")
    if not len(vectors) or not vectors.shape[1]:
        raise DataError(f"{path} holds no vector.")
    vectors = vectors.astype(np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{path}: the vector of row {int(np.argmin(finite))} (from 0) holds a number that is not finite."
        )
    return vectors


def _ids(given: Ids | None, name: str, rows: int) -> tuple[list[str], list[str] | None]:
    """The ids, and the sentences where a file holds them in a second column of every line."""
    if given is None:
        raise SpecError(f"`{name}` is missing: the ids of the rows of the vectors.")
    texts: list[str] | None = None
    if isinstance(given, Path) and given.suffix == ".json":
        content = read_json(given)
        if not isinstance(content, list):
            raise DataError(f"{given} must hold a list of ids.")
        ids = [str(id_) for id_ in content]
    elif isinstance(given, Path):
        lines = _raw_lines(given)
        if lines and all("\t" in line for line in lines):
            texts = [line.partition("\t")[2] for line in lines]
        ids = [line.partition("\t")[0].strip() for line in lines]
    else:
        ids = list(given)
    if len(ids) != rows:
        raise DataError(f"`{name}` holds {len(ids)} ids for {rows} vectors: the numbers must be equal.")
    return ids, texts


def _raw_lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            return [line.removesuffix("\n") for line in lines]
    except FileNotFoundError as error:
        raise MissingInputError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from error
