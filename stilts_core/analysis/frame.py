"""A results table as columns: what `stilts analyse` reads, from anywhere, and what the questions are answered from.

The columns are those of `table`. Only ``curriculum``, ``target``, ``language``, ``seed`` and ``value`` must be there;
the others have defaults: no encoder's name, the file's name as study, ``test`` as split, ``score`` as metric, n 0,
every combination of encoder, curriculum, target and seed as a run of its own, and every language but English as
zero-shot. ``docs/results-table.md`` has the whole schema, with the further metrics that the questions look for.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stilts_core.analysis.scores import Floats, Ints, Scores, TargetScores
from stilts_core.analysis.table import AT_CHANCE, CHANCE, DEGENERATE, SCORE, ResultRow
from stilts_core.errors import DataError, MissingInputError
from stilts_core.spec.study import BASELINE

if TYPE_CHECKING:
    import pyarrow as pa

REQUIRED = ("curriculum", "target", "language", "seed", "value")
TEXTS = ("study", "encoder", "curriculum", "target", "language", "protocol", "split", "metric", "fingerprint")
NO_LANGUAGE = "-"


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of texts.

    Attributes:
        codes: place among the names of each row.
        names: different texts, sorted.
    """

    codes: Ints
    names: tuple[str, ...]

    def of(self, name: str) -> npt.NDArray[np.bool_]:
        """The rows that hold this text."""
        if name not in self.names:
            return np.zeros(len(self.codes), dtype=bool)
        return np.asarray(self.codes == self.names.index(name))


@dataclass(frozen=True, slots=True)
class Frame:
    """A results table by columns."""

    texts: Mapping[str, Coded]
    seed: Ints
    value: Floats
    n: Ints
    zero_shot: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.value)

    def rows(self, keep: npt.NDArray[np.bool_]) -> Frame:
        """Some of the rows."""
        texts = {name: Coded(column.codes[keep], column.names) for name, column in self.texts.items()}
        return Frame(texts, self.seed[keep], self.value[keep], self.n[keep], self.zero_shot[keep])

    def present(self, column: str) -> tuple[str, ...]:
        """The texts that the rows have, sorted."""
        found = self.texts[column]
        return tuple(found.names[code] for code in np.unique(found.codes))


def coded(texts: Sequence[str], repeats: Ints | None = None) -> Coded:
    """A column of these texts, each repeated so often, if that is said."""
    names = tuple(sorted(set(texts)))
    place = {text: code for code, text in enumerate(names)}
    codes = np.fromiter(map(place.__getitem__, texts), np.int64, len(texts))
    return Coded(codes if repeats is None else np.repeat(codes, repeats), names)


def rows_of(frame: Frame) -> Iterator[ResultRow]:
    """The rows one by one, for few of them."""
    columns = {name: [column.names[code] for code in column.codes.tolist()] for name, column in frame.texts.items()}
    arms = map("/".join, zip(columns["encoder"], columns["curriculum"], strict=True))
    numbers = {name: getattr(frame, name).tolist() for name in ("seed", "value", "n", "zero_shot")}
    found = {**columns, **numbers, "arm": arms}
    return map(ResultRow._make, zip(*(found[name] for name in ResultRow._fields), strict=True))


def frame_of(rows: Iterable[ResultRow]) -> Frame:
    """The long table of a study; an arm is its encoder and curriculum."""
    columns = list(zip(*rows, strict=True)) or [()] * len(ResultRow._fields)
    found = dict(zip(ResultRow._fields, columns, strict=True))
    texts = {name: coded(found[name]) for name in TEXTS}
    return Frame(
        texts,
        np.array(found["seed"], dtype=np.int64),
        np.array(found["value"], dtype=np.float64),
        np.array(found["n"], dtype=np.int64),
        np.array(found["zero_shot"], dtype=bool),
    )


def concatenated(frames: Sequence[Frame]) -> Frame:
    """The rows of all frames, one after another."""
    texts = {}
    for name in TEXTS:
        names = tuple(sorted({text for frame in frames for text in frame.texts[name].names}))
        place = {text: code for code, text in enumerate(names)}
        codes = [
            np.array([place[text] for text in frame.texts[name].names], dtype=np.int64)[frame.texts[name].codes]
            for frame in frames
            if len(frame)
        ]
        texts[name] = Coded(np.concatenate([np.zeros(0, dtype=np.int64), *codes]), names)
    return Frame(
        texts,
        np.concatenate([np.zeros(0, dtype=np.int64), *(frame.seed for frame in frames)]),
        np.concatenate([np.zeros(0), *(frame.value for frame in frames)]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(frame.n for frame in frames)]),
        np.concatenate([np.zeros(0, dtype=bool), *(frame.zero_shot for frame in frames)]),
    )


def read_frame(path: Path) -> Frame:
    """A table from a ``.csv`` or ``.parquet`` file; columns that are not known are left alone.

    Raises:
        MissingInputError: there is no such file.
        DataError: a column is missing, a field holds something else, or a value is not finite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"The results table {path} can't be read: {error.strerror}.") from error
    return frame_in(data, str(path))


def frame_in(data: bytes, name: str) -> Frame:
    """As `read_frame`, from the file's bytes; its name says what it is."""
    import pyarrow as pa

    path = Path(name)
    try:
        table = _parquet(data) if path.suffix == ".parquet" else _csv(data)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "in Parquet" if path.suffix == ".parquet" else "in CSV"
        raise DataError(f"{path} is no results table {kind}: {str(error).splitlines()[0]}") from error
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path} is no results table: it has no column {', '.join(missing)}.",
            hint=f"It needs {', '.join(REQUIRED)}; see docs/results-table.md for the others.",
        )
    return _frame(table, path)


def _types() -> dict[str, Any]:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    numbers = {"seed": pa.int64(), "n": pa.int64(), "value": pa.float64(), "zero_shot": pa.bool_()}
    return {**dict.fromkeys(TEXTS, text), **numbers}


def _csv(data: bytes) -> pa.Table:
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=_types(), strings_can_be_null=False)
    return csv.read_csv(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), convert_options=options)


def _parquet(data: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    types = _types()
    names = [name for name in table.column_names if name in types]
    return table.select(names).cast(pa.schema([(name, types[name]) for name in names]))


def _frame(table: pa.Table, path: Path) -> Frame:
    size = len(table)
    defaults = {"study": path.stem, "encoder": "", "protocol": "", "split": "test", "metric": SCORE, "fingerprint": ""}
    known = set(table.column_names)
    for name in (*TEXTS, "seed", "value", "n", "zero_shot"):
        if name in known and table[name].null_count:
            raise DataError(f"{path}: the column {name} has {table[name].null_count:,} empty fields.")
    texts = {}
    for name in TEXTS:
        if name not in known:
            texts[name] = Coded(np.zeros(size, dtype=np.int64), (defaults[name],))
            continue
        column = table[name].combine_chunks()
        found = column.dictionary.to_pylist()
        order = sorted(range(len(found)), key=lambda place: found[place])
        place = np.empty(len(found), dtype=np.int64)
        place[order] = np.arange(len(found))
        texts[name] = Coded(place[column.indices.to_numpy().astype(np.int64)], tuple(found[o] for o in order))
    value = table["value"].to_numpy().astype(np.float64)
    if not np.isfinite(value).all():
        row = int(np.flatnonzero(~np.isfinite(value))[0])
        raise DataError(f"{path}: row {row + 1:,} has a value that is not finite.")
    n = table["n"].to_numpy().astype(np.int64) if "n" in known else np.zeros(size, dtype=np.int64)
    zero = table["zero_shot"].to_numpy(zero_copy_only=False) if "zero_shot" in known else ~texts["language"].of("en")
    return Frame(texts, table["seed"].to_numpy().astype(np.int64), value, n, np.asarray(zero, dtype=bool))


def choose(frame: Frame, column: str, wanted: str | None) -> Frame:
    """The rows of one study or protocol.

    Raises:
        DataError: the table has several and none was chosen, or not the one that was.
    """
    found = frame.present(column)
    if wanted is not None:
        if wanted not in found:
            raise DataError(f"The table has no {column} {wanted}.", hint=f"It has {', '.join(found)}.")
        return frame.rows(frame.texts[column].of(wanted))
    if len(found) > 1:
        why = " Scores under different rules are not comparable." if column == "protocol" else ""
        raise DataError(
            f"The table has {len(found)} of {column}: {', '.join(found)}.{why}",
            hint=f"Choose one with --{column} NAME.",
        )
    return frame


def scores_in(frame: Frame) -> tuple[Scores, Scores | None]:
    """The cubes of a table of one study and protocol.

    Returns:
        The scores that report, and those on the development sets for the languages that have scores on both; None
        where there are none. A language with one split reports it, whatever it is.
    """
    main = np.isin(
        frame.texts["metric"].codes,
        [p for p, name in enumerate(frame.texts["metric"].names) if name in (SCORE, CHANCE, AT_CHANCE, DEGENERATE)],
    )
    kept = frame.rows(main & ~frame.texts["language"].of(NO_LANGUAGE))
    split = kept.texts["split"]
    pair = kept.texts["target"].codes * len(kept.texts["language"].names) + kept.texts["language"].codes
    tested = np.isin(pair, np.unique(pair[split.of("test")]))
    reports = split.of("test") | ~tested
    chooses = tested & split.of("dev")
    return _scores(kept.rows(reports)), _scores(kept.rows(chooses)) if chooses.any() else None


def _scores(frame: Frame) -> Scores:
    encoders, curricula = frame.present("encoder"), frame.present("curriculum")
    curricula = tuple(sorted(curricula, key=lambda name: (name != BASELINE, name)))
    seeds = np.unique(frame.seed)
    e, c = (_places(frame.texts[name], order) for name, order in (("encoder", encoders), ("curriculum", curricula)))
    s = np.searchsorted(seeds, frame.seed)
    targets, runs = frame.texts["target"], _runs(frame, len(seeds), s)
    names, number = np.unique(runs, return_inverse=True)
    cubes = []
    for target in frame.present("target"):
        mine = targets.of(target)
        languages = frame.rows(mine).present("language")
        where = e[mine], c[mine], _places(frame.texts["language"], languages)[mine], s[mine]
        shape = (len(encoders), len(curricula), len(languages), len(seeds))
        cube = {metric: np.full(shape, np.nan) for metric in (SCORE, CHANCE, AT_CHANCE, DEGENERATE)}
        metric = frame.texts["metric"]
        for name, values in cube.items():
            of_metric = metric.of(name)[mine]
            values[tuple(axis[of_metric] for axis in where)] = frame.value[mine][of_metric]
        run = np.full((shape[0], shape[1], shape[3]), -1, dtype=np.int64)
        run[where[0], where[1], where[3]] = number[mine]
        zero = np.ones(shape[:3], dtype=bool)
        zero[where[:3]] = frame.zero_shot[mine]
        cubes.append(
            TargetScores(
                target, languages, cube[SCORE], cube[CHANCE], cube[AT_CHANCE], cube[DEGENERATE], zero_shot=zero, run=run
            )
        )
    fingerprints = tuple(_fingerprint(frame, int(name)) for name in names)
    study, protocol = (next(iter(frame.present(name)), "") for name in ("study", "protocol"))
    return Scores(
        study,
        protocol,
        encoders,
        curricula,
        tuple(map(int, seeds)),
        tuple(cubes),
        fingerprints,
    )


def _fingerprint(frame: Frame, number: int) -> str:
    """What a run's number of `_runs` stands for: its fingerprint, where it has one."""
    names = frame.texts["fingerprint"].names
    return names[number] if number < len(names) else f"run {number - len(names)}"


def _places(column: Coded, order: tuple[str, ...]) -> Ints:
    at = {name: place for place, name in enumerate(order)}
    return np.array([at.get(name, -1) for name in column.names], dtype=np.int64)[column.codes]


def _runs(frame: Frame, seeds: int, seed: Ints) -> Ints:
    """A number for each run: its fingerprint's, else that of its encoder, curriculum, target and seed."""
    parts = [frame.texts[name] for name in ("encoder", "curriculum", "target")]
    cell = seed.copy()
    size = seeds
    for part in parts:
        cell += part.codes * size
        size *= len(part.names)
    fingerprint = frame.texts["fingerprint"]
    blank = fingerprint.of("")
    return np.where(blank, cell + len(fingerprint.names), fingerprint.codes)
