"""What a store holds that nothing needs any more, and taking it away.

Garbage is: resume state and parts of stages that have committed; what attempts other than the committed one left there;
and of unfinished stages the states that nobody would go on from. What an attempt may still be using is left alone: all
of a stage that is not done and has an attempt alive, and an attempt alive at a stage that is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from stilts_core.errors import MissingInputError, SpecError, StorageError
from stilts_core.storage.attempts import CLAIM, HEARTBEAT, OUTCOME, Claim, Heartbeat, is_record, parse_attempt
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.parallel import bounded_map
from stilts_core.storage.resume import KEPT, read_state

QUIET = timedelta(hours=1)
"""An attempt that has recorded no end counts as alive for so long after its last sign of life."""

_KEY = re.compile(r"stages/[0-9a-f]{2}/([0-9a-f]{64})/(.+)")
_READERS = 16


@dataclass(frozen=True, slots=True)
class Garbage:
    """An object that nothing needs.

    Attributes:
        why: a clause for people.
    """

    key: str
    size: int
    why: str


@dataclass
class _Stage:
    fingerprint: str
    objects: dict[str, int] = field(default_factory=dict)  # key below the stage's prefix → size
    prefix: str = ""

    def attempts(self) -> set[str]:
        return {name.split("/")[1] for name in self.objects if name.startswith("attempts/") and name.count("/") > 1}

    def states(self) -> list[str]:
        """Folders of states with a manifest, newest first."""
        folders = [name.split("/")[1] for name in self.objects if re.fullmatch(r"resume/[^/]+/manifest\.json", name)]
        return sorted(folders, key=lambda folder: folder.split("-"), reverse=True)


def find_garbage(store: Store, now: datetime, *, unfinished: bool = False, quiet: timedelta = QUIET) -> list[Garbage]:
    """What can be deleted, in the order of keys.

    Args:
        now: UTC.
        unfinished: also the resume state and parts of stages that are not done and have no attempt alive: they would
            begin anew.
        quiet: see `QUIET`.

    Raises:
        StorageError: the store cannot be read; a damaged manifest alone only has its stage left alone.
    """
    found = bounded_map(lambda stage: _of_stage(store, stage, now, unfinished, quiet), _stages(store), _READERS)
    return sorted((each for part in found for each in part), key=lambda each: each.key)


def delete_garbage(store: Store, garbage: Iterable[Garbage]) -> None:
    """Delete; manifests first, so that what is half deleted is never taken for whole."""
    for each in sorted(garbage, key=lambda each: (not each.key.endswith("/manifest.json"), each.key)):
        store.delete(each.key)


def _stages(store: Store) -> list[_Stage]:
    stages: dict[str, _Stage] = {}
    for found in store.list("stages/"):
        match = _KEY.fullmatch(found.key)
        if match is None:
            continue
        stage = stages.setdefault(match[1], _Stage(match[1], prefix=found.key.removesuffix(match[2])))
        stage.objects[match[2]] = found.size
    return list(stages.values())


def _of_stage(store: Store, stage: _Stage, now: datetime, unfinished: bool, quiet: timedelta) -> list[Garbage]:
    try:
        manifest = read_manifest(store, stage.fingerprint)
    except StorageError:
        return []
    alive = {folder for folder in stage.attempts() if _alive(store, stage, folder, now, quiet)}
    doomed: dict[str, str] = {}
    if manifest is not None:
        for name in stage.objects:
            top, *rest = name.split("/")
            if top in ("resume", "parts") and not alive:
                doomed[name] = "its stage has committed"
            elif (
                top == "attempts"
                and rest[0] != manifest.attempt.folder
                and rest[0] not in alive
                and not is_record("/".join(rest[1:]))
            ):
                doomed[name] = "another attempt has committed"
    elif not alive:
        doomed = _unfinished(store, stage, everything=unfinished)
    return [Garbage(stage.prefix + name, stage.objects[name], why) for name, why in doomed.items()]


def _unfinished(store: Store, stage: _Stage, *, everything: bool) -> dict[str, str]:
    if everything:
        return {name: "its stage is unfinished" for name in stage.objects if name.startswith(("resume/", "parts/"))}
    needed: set[str] = set()
    kept = 0
    for folder in stage.states():
        with suppress(StorageError, MissingInputError):
            manifest = read_state(store, stage.fingerprint, folder)
            needed |= {f"resume/{name}" for name in (*manifest.files, f"{folder}/manifest.json")}
            kept += 1
        if kept == KEPT:
            break
    return {
        name: "no attempt would go on from it"
        for name in stage.objects
        if name.startswith("resume/") and name not in needed
    }


def _alive(store: Store, stage: _Stage, folder: str, now: datetime, quiet: timedelta) -> bool:
    """Whether an attempt may still be running: it has recorded no end, and has given a sign of life not long ago."""
    place = f"attempts/{folder}/"
    try:
        parse_attempt(folder)
    except SpecError:
        return True
    if f"{place}{OUTCOME}" in stage.objects:
        return False
    signs = []
    for name, kind, what in ((HEARTBEAT, Heartbeat, "updated"), (CLAIM, Claim, "claimed")):
        if place + name in stage.objects:
            with suppress(MissingInputError, ValidationError):
                signs.append(getattr(kind.model_validate_json(store.read(stage.prefix + place + name)), what))
    return any(now - sign < quiet for sign in signs)
