"""Saving where a training is while it goes on, and going on from there.

A save stops the training only while the state is copied within memory; a thread then writes and uploads the copy. The
ranks' threads tell each other over a process group of their own, and the first one makes the state whole, so that what
any rank failed to upload is never gone on from.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, distributed

from stilts_core.errors import IncompatibleCheckpointError, MissingInputError, StiltsError, StorageError
from stilts_core.storage.base import Store
from stilts_core.storage.generations import read_manifest
from stilts_core.storage.manifest import Attempt, FileRecord
from stilts_core.storage.resume import (
    ResumeManifest,
    list_states,
    prune_states,
    publish_state,
    read_state,
    resume_prefix,
    state_folder,
)
from stilts_core.storage.verified import bring
from stilts_core.training.cadence import Cadence
from stilts_core.training.differences import compare
from stilts_core.training.engine import Engine
from stilts_core.training.position import Position
from stilts_core.training.randomness import PREFIX as RANDOM
from stilts_core.training.randomness import generator_states, set_generators
from stilts_core.training.shards import Shard, Snapshot, load_pieces, write_shard
from stilts_core.training.talk import Talk

FORMAT = 1
"""Of the states; raised when older ones cannot be read any more."""

BYTES_PER_SECOND = 1e9  # of copying within memory, as long as nothing was measured
_LOSS, _BEST = "history.loss", "best.safetensors"


class Checkpoint(Protocol):
    """What the loop does to survive an interruption. All ranks make the same calls but `wanted`."""

    def restore(self, engine: Engine, position: Position) -> None:
        """Bring both to the newest state that was saved; leave them as they are where there is none."""

    def wanted(self, step: int) -> bool:
        """Whether this rank asks for a save after so many steps; one rank's word is enough."""

    def save(self, engine: Engine, position: Position, *, last: bool = False) -> None:
        """Save; the ``last`` one is waited for as long as the attempt may still take, others are not."""

    def close(self) -> None:
        """Wait for what is being uploaded, or let go of it."""


class NoCheckpoint:
    """A training that begins anew when it is interrupted."""

    def restore(self, engine: Engine, position: Position) -> None:
        pass

    def wanted(self, step: int) -> bool:  # noqa: ARG002
        return False

    def save(self, engine: Engine, position: Position, *, last: bool = False) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt keeps its states.

    Attributes:
        store: opened by this process.
        scratch: a folder of this rank alone.
    """

    store: Store
    fingerprint: str
    attempt: Attempt
    scratch: Path


@dataclass(frozen=True, slots=True)
class Facts:
    """What a state is held against before it is gone on from.

    Attributes:
        identity: has to be the same, JSON; what differs is named.
        versions: has to be the same for the same bits, JSON.
    """

    identity: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)


class StoredCheckpoint:
    """States of a training in a store. To be made once the ranks have met.

    Args:
        grace: seconds that the last save may take.
        say: takes a line for the stage's log; called on the first rank alone.
    """

    def __init__(
        self,
        place: Place,
        facts: Facts,
        cadence: Cadence,
        *,
        device: torch.device,
        grace: float = 20.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._facts, self._cadence, self._device, self._grace = facts, cadence, device, grace
        self.rank, self.ranks = distributed.get_rank(), distributed.get_world_size()
        self._say = say if self.rank == 0 else lambda text: None
        self._talk = Talk(self.rank, self.ranks)
        # Nodes of a group may have claimed the attempt under names of their own; a state lies under one.
        attempt = Attempt.model_validate(self._talk.share(lambda: place.attempt.model_dump()))
        self._place = replace(place, attempt=attempt)
        self._snapshot: Snapshot | None = None
        self._upload: threading.Thread | None = None
        self._saved_step = 0
        self._saved_best: tuple[int, str, FileRecord] | None = None  # step, name and record of the stored best weights

    def restore(self, engine: Engine, position: Position) -> None:
        """See `Checkpoint.restore`; damaged states are passed over.

        Raises:
            IncompatibleCheckpointError: the newest state does not fit the training.
            StorageError: the store cannot be read.
        """
        for manifest in self._states():
            self._check(manifest, engine)
            began = time.monotonic()
            files = self._fetch(manifest, engine)
            if files is None:
                continue
            self._load(manifest, files, engine, position)
            self._saved_step = manifest.step
            self._cadence.begin(manifest.step)
            self._say(
                f"going on after step {manifest.step}, saved by attempt {manifest.attempt.folder}"
                f" ({time.monotonic() - began:.1f} s){self._differences(manifest, engine)}"
            )
            return

    def wanted(self, step: int) -> bool:
        return self.rank == 0 and not self._busy and self._cadence.due(step)

    def save(self, engine: Engine, position: Position, *, last: bool = False) -> None:
        began = time.monotonic()
        deadline = began + self._grace if last else None
        if position.step == self._saved_step:
            self._join(deadline)
            return
        if not self._join(deadline):
            self._say("the state of a moment ago is still being uploaded, and time is up; this one is not saved")
            return
        self._saved_step = position.step
        if self._snapshot is None:
            self._snapshot = Snapshot(engine.pieces(share=True))
        self._snapshot.take(engine.optimizer)
        state = _State(
            manifest=ResumeManifest(
                fingerprint=self._place.fingerprint,
                attempt=self._place.attempt,
                step=position.step,
                ranks=self.ranks,
                zero_stage=engine.zero_stage,
                files={},
                state=position.describe(),
                identity={**self._facts.identity, **_own_identity(engine)},
                versions=dict(self._facts.versions),
            ),
            tensors=self._small_tensors(position),
            best=position.best,
            best_step=position.history.best_step,
        )
        stall = time.monotonic() - began
        self._upload = threading.Thread(target=self._store_state, args=(state, stall), name="resume state", daemon=True)
        self._upload.start()
        if last and not self._join(deadline):
            self._say("time is up before the state was uploaded; the one before it will be gone on from")

    def close(self) -> None:
        self._join(time.monotonic() + self._grace)

    @property
    def _busy(self) -> bool:
        return self._upload is not None and self._upload.is_alive()

    def _join(self, deadline: float | None) -> bool:
        """Whether nothing is being uploaded any more."""
        if self._upload is not None:
            self._upload.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not self._busy

    def _small_tensors(self, position: Position) -> dict[str, Tensor]:
        tensors = generator_states(self._device)
        if self.rank == 0:
            tensors[_LOSS] = torch.tensor(position.history.loss, dtype=torch.float64)
        return tensors

    # Saving, in the thread.

    def _store_state(self, state: _State, stall: float) -> None:
        began, worked = time.monotonic(), time.thread_time()
        record: FileRecord | None = None
        try:
            record = self._store_files(state)
        except (StiltsError, OSError) as error:
            self._say_any(f"the state of step {state.manifest.step} is not saved: {_first_line(error)}")
        try:
            records = self._talk.records(record)
            if self.rank == 0:
                if records is not None:
                    self._publish(state, records, stall, time.monotonic() - began)
                # On a processor the thread takes its time from the training.
                worked = time.thread_time() - worked if self._device.type == "cpu" else 0.0
                self._cadence.saved(state.manifest.step, stall + worked)
        except (StiltsError, OSError, RuntimeError) as error:
            self._say_any(f"the state of step {state.manifest.step} is not saved: {_first_line(error)}")
            self._cadence.saved(state.manifest.step, stall)

    def _store_files(self, state: _State) -> FileRecord:
        assert self._snapshot is not None  # noqa: S101 (made before the thread)
        folder = state.manifest.folder
        record = self._put(f"{folder}/{_shard(self.rank)}", {**self._snapshot.tensors, **state.tensors}, self._snapshot)
        if self.rank == 0 and state.best and (self._saved_best is None or self._saved_best[0] != state.best_step):
            name = f"{folder}/{_BEST}"
            self._saved_best = (state.best_step, name, self._put(name, state.best, None))
        return record

    def _put(self, name: str, tensors: Mapping[str, Tensor], snapshot: Snapshot | None) -> FileRecord:
        path = self._place.scratch / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_shard(path, tensors, snapshot.entries if snapshot else ())
            info = self._place.store.put(resume_prefix(self._place.fingerprint) + name, path)
        finally:
            path.unlink(missing_ok=True)
        return FileRecord(sha256=info.sha256 or "", size=info.size)

    def _publish(self, state: _State, records: list[FileRecord], stall: float, seconds: float) -> None:
        place, folder = self._place, state.manifest.folder
        if read_manifest(place.store, place.fingerprint) is not None:
            self._say("another attempt has committed the stage; nothing more is saved")
            return
        files = {f"{folder}/{_shard(rank)}": record for rank, record in enumerate(records)}
        if state.best and self._saved_best is not None:
            files[self._saved_best[1]] = self._saved_best[2]
        described = {**state.manifest.state, "best": self._saved_best[1] if state.best and self._saved_best else None}
        size = sum(record.size for record in records)
        publish_state(place.store, state.manifest.model_copy(update={"files": files, "state": described}))
        self._say(
            f"saved the state of step {state.manifest.step}: {size:,} bytes in {seconds:.2f} s, "
            f"the training waited {stall * 1000:.0f} ms"
        )
        prune_states(place.store, place.fingerprint, place.attempt)

    # Going on.

    def _states(self) -> Iterator[ResumeManifest]:
        """The manifests of the states, newest first, the same on every rank; damaged ones are said and left out."""
        store, fingerprint = self._place.store, self._place.fingerprint
        folders = self._talk.share(lambda: list_states(store, fingerprint))
        for folder in folders:
            document = self._talk.share(lambda folder=folder: self._readable(folder))  # type: ignore[misc]
            if document is not None:
                yield ResumeManifest.model_validate(document)

    def _readable(self, folder: str) -> dict[str, Any] | None:
        try:
            return read_state(self._place.store, self._place.fingerprint, folder).model_dump()
        except (StorageError, MissingInputError) as error:
            self._say(f"a saved state is damaged, and is passed over: {_first_line(error)}")
            return None

    def _check(self, manifest: ResumeManifest, engine: Engine) -> None:
        wanted = {**self._facts.identity, **_own_identity(engine)}
        differing = compare(json.loads(json.dumps(wanted)), manifest.identity)
        if differing:
            where = resume_prefix(self._place.fingerprint)
            raise IncompatibleCheckpointError(
                f"The state saved after step {manifest.step} does not fit the training: {'; '.join(differing[:4])}.",
                hint=f"Delete {self._place.store.uri}/{where} to have the stage begin anew.",
            )

    def _fetch(self, manifest: ResumeManifest, engine: Engine) -> dict[str, Path] | None:
        """The files that this rank needs, verified; None where any rank lacks one."""
        # Another version of DeepSpeed may cut otherwise. Without ZeRO every rank holds what all wrote.
        same = (manifest.ranks, manifest.zero_stage) == (self.ranks, engine.zero_stage) and engine.zero_stage > 0
        same = same and manifest.versions == self._facts.versions
        shards = {f"{manifest.folder}/{_shard(rank)}" for rank in range(manifest.ranks)}
        own = {f"{manifest.folder}/{_shard(self.rank)}"}
        first = {f"{manifest.folder}/{_shard(0)}", manifest.state.get("best")} if self.rank == 0 else set()
        names = ((own if same else shards) | first) - {None}
        files: dict[str, Path] = {}
        trouble = ""
        try:
            for name in sorted(str(name) for name in names):
                files[name] = self._bring(name, manifest)
        except (StorageError, MissingInputError) as error:
            trouble = _first_line(error)
        troubles = self._talk.texts(trouble)
        for text in filter(None, troubles):
            self._say(f"the state saved after step {manifest.step} is damaged, and is passed over: {text}")
        return None if any(troubles) else files

    def _bring(self, name: str, manifest: ResumeManifest) -> Path:
        store, key = self._place.store, resume_prefix(self._place.fingerprint) + name
        wanted = manifest.files.get(name)
        if wanted is None:
            raise StorageError(f"{key} is not in the manifest of its state.")
        return bring(store, key, wanted, self._place.scratch / "resume" / name)

    def _load(self, manifest: ResumeManifest, files: Mapping[str, Path], engine: Engine, position: Position) -> None:
        best_name = manifest.state.get("best")
        shards = {name: Shard.open(path) for name, path in files.items() if name != best_name}
        load_pieces(engine.pieces(), [shards[name] for name in sorted(shards)], engine.optimizer)
        engine.spread()
        own = shards.get(f"{manifest.folder}/{_shard(self.rank)}")
        if own is not None:
            set_generators(own.tensors(prefix=RANDOM), self._device)
        first = shards.get(f"{manifest.folder}/{_shard(0)}")
        losses = first.tensors([_LOSS])[_LOSS].tolist() if first is not None and self.rank == 0 else None
        losses = self._talk.share(lambda: losses)
        best: dict[str, Tensor] = {}
        if best_name is not None and self.rank == 0:
            best = Shard.open(files[best_name]).tensors()
            self._saved_best = (manifest.state["best_step"], best_name, manifest.files[best_name])
        position.take(manifest.state, losses, best)

    def _differences(self, manifest: ResumeManifest, engine: Engine) -> str:
        layout = {"ranks": manifest.ranks, "zero_stage": manifest.zero_stage}
        here = {"ranks": self.ranks, "zero_stage": engine.zero_stage}
        differing = compare(json.loads(json.dumps({**self._facts.versions, **here})), {**manifest.versions, **layout})
        return f"; the last bits may differ from an undisturbed run, since {'; '.join(differing)}" if differing else ""

    def _say_any(self, text: str) -> None:
        if self.rank == 0:
            self._say(text)
        else:
            print(f"rank {self.rank}: {text}", flush=True)  # noqa: T201 (the stage's log)


@dataclass(frozen=True, slots=True)
class _State:
    """What is on its way to the store, beside the snapshot."""

    manifest: ResumeManifest
    tensors: dict[str, Tensor]
    best: dict[str, Tensor]
    best_step: int


def order_digest(order: Any) -> str:
    """Of a training's order of tasks."""
    return hashlib.sha256(order.tobytes()).hexdigest()


def _own_identity(engine: Engine) -> dict[str, Any]:
    return {"format": FORMAT, "parameters": engine.shapes()}


def _shard(rank: int) -> str:
    return f"rank-{rank:05d}.safetensors"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


__all__ = ["Checkpoint", "Facts", "NoCheckpoint", "Place", "StoredCheckpoint", "order_digest", "state_folder"]
