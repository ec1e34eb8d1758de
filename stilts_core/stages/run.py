"""One attempt at a stage, from its inputs to its manifest, and its end as an exit code.

The engine's backends run this in a process of its own. It returns 0 only when the stage's manifest is in the store.
"""

from __future__ import annotations

import errno
import re
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from stilts_core.errors import (
    DamagedInputError,
    DeviceMemoryError,
    StiltsError,
    StoppedError,
    StorageError,
)
from stilts_core.model import Frozen, digest, identity
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import StoreSettings
from stilts_core.stages.context import Progress, Resources, StageContext, StageFunction
from stilts_core.stages.encoder_files import with_local_encoder
from stilts_core.stages.machine import describe_machine
from stilts_core.stages.pulse import Pulse, read_bounded
from stilts_core.stages.saving import Saving
from stilts_core.stages.snapshot import Phase, Snapshot
from stilts_core.storage.attempts import Outcome, list_attempts, new_attempt, put_log, record_outcome
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage, materialise, read_manifest
from stilts_core.storage.manifest import Attempt, Manifest
from stilts_core.storage.open import open_store
from stilts_core.storage.parts import discard_parts
from stilts_core.storage.repair import DamagedStageError, explain_repair
from stilts_core.storage.resume import discard_states
from stilts_core.storage.withdraw import withdraw

DEFAULT_REGISTRY = "stilts_core.stages.registry"
GRACE_SECONDS = 30.0
_SAVING_SHARE = 0.8  # of the grace period; the rest is for the log and the outcome


class AttemptSpec(Frozen):
    """Everything that one attempt needs to know; JSON both ways.

    Attributes:
        submission: the run of the engine that started it.
        store: with its address.
        cache: a folder for what may be kept between attempts (downloads).
        scratch: a folder of this attempt alone; made and removed by it.
        log: the file that takes what it prints; copied to the store.
        registry: the module that knows the stage kinds (`stages.registry`).
        attempt: the name under which it keeps things in the store, given by a supervisor that keeps its heartbeat, log
            and outcome there; None: it takes a name itself and keeps all of that.
        grace: seconds from being asked to stop to being ended.
    """

    stage: Stage
    submission: str
    store: StoreSettings
    data_root: str
    cache: Path
    scratch: Path
    log: Path | None = None
    resources: Resources = Resources()
    registry: str = DEFAULT_REGISTRY
    attempt: Attempt | None = None
    grace: float = GRACE_SECONDS


Tell = Callable[[Snapshot], None]


def run_attempt(
    spec: AttemptSpec,
    *,
    tell: Tell = lambda _: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> int:
    """Run a stage once and commit it; a stage that is done already is left as it is.

    Args:
        spec: what to do.
        tell: takes how the attempt is, whenever that changes.
        stop_requested: as in `StageContext`.

    Returns:
        The exit code (`errors.EXIT_CODES`). Nothing is raised: why it failed is told, logged and recorded. Of the nodes
        of a group only the first commits; for the others 0 says that their part is done.
    """
    return _Attempt(spec, tell, stop_requested).run()


def explain_failure(error: BaseException) -> tuple[int, str]:
    """The exit code of an error that ended an attempt, and a sentence for a person."""
    if isinstance(error, StiltsError):
        return error.exit_code, str(error)
    if _is_out_of_memory(error):
        return DeviceMemoryError.exit_code, f"Memory ran out: {error or 'no more could be had'}."
    full = _NO_ROOM.get(_system_error(error))
    if full:
        where = f" at {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return StorageError.exit_code, f"{full[0]}{where}. {full[1]} and run the same again."
    return 1, f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__}."


_NO_ROOM = {
    errno.ENOSPC: ("The disk is full", "Free some space"),
    errno.EDQUOT: ("The disk quota is used up", "Free some space or ask for more"),
    errno.EFBIG: ("A file is larger than the file system or a limit allows", "Raise the limit (`ulimit -f`)"),
}


def _system_error(error: BaseException) -> int:
    """The number of the operating system's error; 0 where it is none. Libraries in Rust have it in words only."""
    if isinstance(error, OSError):
        return error.errno or 0
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else 0


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    # On the CPU torch says so in words only.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


@dataclass
class _Attempt:
    spec: AttemptSpec
    tell: Tell
    stop_requested: Callable[[], bool]
    now: Snapshot = field(default_factory=Snapshot)

    def run(self) -> int:
        started = datetime.now(UTC)
        store: Store | None = None
        code, message = 0, ""
        try:
            store = open_store(self.spec.store.uri or "", self.spec.store.s3)
            self._run(store, started)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it was becomes an exit code)
            code, message = explain_failure(error)
            if not isinstance(error, StiltsError):
                traceback.print_exc()
            self._say(f"exit {code}: {message}")
            self._tell(message=message)
        finally:
            shutil.rmtree(self.spec.scratch, ignore_errors=True)
        if store is not None and self.now.stored is not None and self.spec.attempt is None:
            self._record(store, self.now.stored, started, code, message)
        return code

    def _run(self, store: Store, started: datetime) -> None:
        stage = self.spec.stage
        if read_manifest(store, stage.fingerprint) is not None:
            self._say("the stage is done already")
            return
        attempt = self.spec.attempt
        if attempt is None:
            # Only for people: the token alone keeps two attempts apart.
            number = max((attempt.number for attempt in list_attempts(store, stage.fingerprint)), default=0) + 1
            attempt = new_attempt(number)
        self._tell(stored=attempt)
        self._say(f"{stage.label or stage.kind.value}: attempt {attempt.number}, {stage.fingerprint}")
        if self.spec.attempt is not None:
            self._work(store, attempt, started)
            return
        with Pulse(store, stage.fingerprint, attempt, self.spec.log, lambda: self.now.progress):
            self._work(store, attempt, started)

    def _work(self, store: Store, attempt: Attempt, started: datetime) -> None:
        stage, clock = self.spec.stage, time.monotonic()
        function: StageFunction = import_module(self.spec.registry).stage_function(stage.kind)
        out = self.spec.scratch / "out"
        shutil.rmtree(self.spec.scratch, ignore_errors=True)
        out.mkdir(parents=True)
        parents = self._parents(store)
        saving = Saving(
            store=self.spec.store,
            attempt=attempt,
            inputs={role: digest(identity(parent.files)) for role, parent in parents.items()},
            scratch=self.spec.scratch / "saving",
            grace=self.spec.grace * _SAVING_SHARE,
        )
        context = StageContext(
            stage=with_local_encoder(stage, self.spec.cache, self.spec.store.s3),
            inputs=self._inputs(store, parents),
            data=self._data(),
            out=out,
            resources=self.spec.resources,
            report=self._progress,
            stop_requested=self.stop_requested,
            saving=saving,
        )
        self._heed_stop()
        self._tell(phase=Phase.RUNNING)
        metrics = function(context)
        if self.spec.resources.group.node:
            self._say("this node's part is done")
            return
        self._tell(phase=Phase.COMMITTING)
        run: dict[str, Any] = {
            "started": started.isoformat(),
            "finished": datetime.now(UTC).isoformat(),
            "seconds": round(time.monotonic() - clock, 3),
            "submission": self.spec.submission,
            **describe_machine(self.spec.resources),
        }
        manifest = commit_stage(
            store,
            stage=stage.model_dump(mode="json"),
            fingerprint=stage.fingerprint,
            attempt=attempt,
            folder=out,
            metrics=metrics,
            run=run,
        )
        self._discard(store)
        whose = "" if manifest.attempt == attempt else f" by attempt {manifest.attempt.folder}, which was first"
        self._say(f"committed{whose}: {len(manifest.files)} files, {run['seconds']} s")
        if repair := explain_repair(manifest):
            self._say(f"made again, because what had been committed was damaged; {repair}")

    def _discard(self, store: Store) -> None:
        """Let go of what only an unfinished stage needs; what is not deleted here, `stilts gc` will find."""
        try:
            discard_states(store, self.spec.stage.fingerprint)
            discard_parts(store, self.spec.stage.fingerprint)
        except StorageError as error:
            self._say(f"resume state is left in the store: {error.message}")

    def _parents(self, store: Store) -> dict[str, Manifest]:
        parents: dict[str, Manifest] = {}
        damaged: list[DamagedStageError] = []
        for role, fingerprint in self.spec.stage.parents.items():
            self._heed_stop()
            try:
                manifest = read_manifest(store, fingerprint)
            except DamagedStageError as error:
                damaged.append(error)
                continue
            if manifest is None:
                raise DamagedInputError(
                    f"The input {role} ({fingerprint[:12]}) is not in the store {store.uri}.",
                    hint="Run the same again: the stage that makes it runs first.",
                )
            parents[role] = manifest
        self._give_back(store, damaged)
        return parents

    def _inputs(self, store: Store, parents: dict[str, Manifest]) -> dict[str, Path]:
        inputs: dict[str, Path] = {}
        damaged: list[DamagedStageError] = []
        for role, manifest in parents.items():
            self._heed_stop()
            try:
                inputs[role] = materialise(store, manifest, self.spec.cache / "stages")
            except DamagedStageError as error:
                damaged.append(error)
        self._give_back(store, damaged)
        return inputs

    def _give_back(self, store: Store, damaged: list[DamagedStageError]) -> None:
        """Have the stages that made these inputs run again.

        Raises:
            DamagedInputError: there are such inputs.
            MissingInputError: one has been made again too often.
        """
        for error in damaged:
            withdraw(store, error, self.spec.submission)
        if damaged:
            more = f" So are {len(damaged) - 1} more inputs." if len(damaged) > 1 else ""
            raise DamagedInputError(damaged[0].message + more, hint="The stage that made it runs again.")

    def _data(self) -> dict[str, Path]:
        if not self.spec.stage.files:
            return {}
        from stilts_core.data.root import open_data_root

        root = open_data_root(self.spec.data_root, self.spec.cache, self.spec.store.s3)
        data: dict[str, Path] = {}
        for file in self.spec.stage.files:
            if file.path in data:
                continue
            self._heed_stop()
            data[file.path] = root.fetch(file.path, file.sha256)
        return data

    def _heed_stop(self) -> None:
        if self.stop_requested():
            raise StoppedError("The stage was asked to stop.")

    def _progress(self, progress: Progress) -> None:
        self._tell(progress=progress)

    def _tell(self, **changes: Any) -> None:
        self.now = replace(self.now, **changes)
        self.tell(self.now)

    def _say(self, text: str) -> None:
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        print(f"{stamp} stilts: {text}", flush=True)  # noqa: T201 (the stage's log)

    def _record(self, store: Store, attempt: Attempt, started: datetime, code: int, message: str) -> None:
        outcome = Outcome(
            exit_code=code,
            message=message,
            started=started,
            finished=datetime.now(UTC),
            host=socket.gethostname(),
            submission=self.spec.submission,
            last_step=self.now.progress.step,
        )
        fingerprint = self.spec.stage.fingerprint
        # The exit code says the same; a store that fails here must not turn a commit into a failure.
        with suppress(StiltsError, OSError):
            if self.spec.log is not None:
                put_log(store, fingerprint, attempt, read_bounded(self.spec.log))
            record_outcome(store, fingerprint, attempt, outcome)
