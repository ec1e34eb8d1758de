"""What stages without steps keep of unfinished work: tokenised files, and the outputs of runs of batches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stilts_core.data.tokenise.part import Part
from stilts_core.stages.context import StageContext
from stilts_core.stages.machine import package_versions
from stilts_core.stages.saving import say
from stilts_core.storage.open import open_store
from stilts_core.storage.parts import Parts

Array = npt.NDArray[Any]
Outputs = list[Array]

KEEP_SECONDS = 60.0
"""Of work that another attempt would have to do again, at most so much and what is under way."""

WORTH_SECONDS = 5.0  # what takes less is sooner done again than looked for
_SHARE = 0.01  # of a stage's time, keeping may cost so much
_RUN = r"{}-(\d{{6}})-(\d{{6}})"


def parts_of(context: StageContext, **identity: Any) -> Parts | None:
    """The parts of a stage; None where the attempt has no place for them.

    Args:
        identity: what decides a part beside the stage, its inputs and the packages; JSON.
    """
    saving = context.saving
    if saving is None:
        return None
    whole = {**identity, "inputs": dict(saving.inputs), "packages": package_versions()}
    store = open_store(saving.store.uri or "", saving.store.s3)
    return Parts(store, context.stage.fingerprint, saving.attempt, whole, saving.scratch / "parts", say)


class Journal:
    """The outputs of a stream of batches (or searches), of which whole runs are kept now and then.

    Called with what makes the next batch's outputs, it gives those, made now or by an earlier attempt.

    Args:
        parts: None: nothing is kept.
        seconds: of work after which what was made is kept.
        what: is streamed, one word for names and for people; streams of a stage differ in it.
    """

    def __init__(
        self,
        parts: Parts | None,
        scratch: Path,
        *,
        seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        what: str = "batches",
    ) -> None:
        self._what = what
        self._parts, self._scratch, self._seconds, self._clock = parts, scratch, seconds, clock
        self._runs = _runs(parts.names(), what) if parts else []
        self._next = 0
        self._known: list[Outputs] = []
        self._made: list[Outputs] = []
        self._since, self._pause = clock(), seconds

    def __call__(self, make: Callable[[], Outputs]) -> Outputs:
        number = self._next
        self._next += 1
        if self._parts is None:
            return make()
        if not self._known and not self._made:
            self._known = self._load(number)
        if self._known:
            return self._known.pop(0)
        outputs = make()
        self._made.append(outputs)
        if self._clock() - self._since >= self._pause:
            self.keep()
        return outputs

    def keep(self) -> None:
        """Keep what was made since the last time."""
        if self._parts is None or not self._made:
            return
        began = self._clock()
        name = f"{self._what}-{self._next - len(self._made):06d}-{self._next:06d}"
        path = self._scratch / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"sizes-{at}": np.array([len(batch[at]) for batch in self._made]) for at in range(len(self._made[0]))}
        arrays |= {f"values-{at}": np.concatenate([batch[at] for batch in self._made]) for at in range(len(arrays))}
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        self._parts.commit(name, {"outputs.npz": path})
        path.unlink()
        self._made = []
        self._since = self._clock()
        self._pause = max(self._seconds, (self._since - began) / _SHARE)

    def _load(self, number: int) -> list[Outputs]:
        """The outputs of the longest kept run of batches that begins with this one."""
        assert self._parts is not None  # noqa: S101 (narrows the type for mypy)
        for first, last in self._runs:
            if first != number:
                continue
            files = self._parts.fetch(f"{self._what}-{first:06d}-{last:06d}")
            if files is None:
                continue
            with np.load(files["outputs.npz"], allow_pickle=False) as arrays:
                columns = [
                    np.split(arrays[f"values-{at}"], np.cumsum(arrays[f"sizes-{at}"])[:-1])
                    for at in range(len(arrays.files) // 2)
                ]
            say(f"{self._what} {first + 1} to {last} were done by an earlier attempt")
            return [list(batch) for batch in zip(*columns, strict=True)]
        self._since = self._clock()
        return []


def _runs(names: list[str], what: str) -> list[tuple[int, int]]:
    """First batch, and the one after the last, of each kept run; of those that begin alike the longest first."""
    found = [match for name in names if (match := re.fullmatch(_RUN.format(what), name))]
    return sorted(((int(match[1]), int(match[2])) for match in found), key=lambda run: (run[0], -run[1]))


class KeptFiles:
    """Tokenised files of a `prepare` stage, of which those are kept that took long.

    Args:
        worth: seconds from which on a file is kept.
    """

    def __init__(self, parts: Parts | None, scratch: Path, *, worth: float = WORTH_SECONDS) -> None:
        self._parts, self._scratch, self._worth = parts, scratch, worth
        self._there = set(parts.names()) if parts else set[str]()
        self._next = 0

    def __call__(self, make: Callable[[], Part]) -> Part:
        """The next file: as an earlier attempt kept it, or made now."""
        name = f"file-{self._next:06d}"
        self._next += 1
        if self._parts is None:
            return make()
        if name in self._there:
            files = self._parts.fetch(name)
            if files is not None:
                return _read_part(files)
        began = time.monotonic()
        part = make()
        if time.monotonic() - began >= self._worth:
            folder = self._scratch / name
            folder.mkdir(parents=True, exist_ok=True)
            self._parts.commit(name, _write_part(part, folder))
        return part


def _write_part(part: Part, folder: Path) -> dict[str, Path]:
    files = {"arrays.npz": folder / "arrays.npz", "rest.json": folder / "rest.json"}
    columns = {f"column {name}": values for name, values in part.columns.items()}
    with files["arrays.npz"].open("wb") as file:
        np.savez(file, ids=part.ids, offsets=part.offsets, example_of=part.example_of, **columns)  # type: ignore[arg-type]
    rest = {"columns": list(part.columns), "examples": list(part.examples), "counts": dict(part.counts)}
    files["rest.json"].write_text(json.dumps(rest, ensure_ascii=False), encoding="utf-8")
    return files


def _read_part(files: dict[str, Path]) -> Part:
    rest = json.loads(files["rest.json"].read_text(encoding="utf-8"))
    with np.load(files["arrays.npz"], allow_pickle=False) as arrays:
        return Part(
            ids=arrays["ids"],
            offsets=arrays["offsets"],
            example_of=arrays["example_of"],
            columns={name: arrays[f"column {name}"] for name in rest["columns"]},
            examples=rest["examples"],
            counts=rest["counts"],
        )
