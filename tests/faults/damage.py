"""Damage to what stages have committed, as a failing disk or a careless hand does it, and how it was found.

On a folder store a stage reads its inputs in place once it has verified them, and nobody looks again. So a file is only
damaged while nobody is between the two: `watch_users` has the attempts say what they use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults.schedule import Damage, Fault
from stilts_core.stages import run
from stilts_core.storage.base import Store
from stilts_core.storage.generations import Head, read_head
from stilts_core.storage.manifest import Manifest, attempt_prefix, manifest_key

OF_MANIFEST = frozenset({Damage.MANIFEST_FLIPPED, Damage.MANIFEST_CUT, Damage.MANIFEST_LOST})


def watch_users(folder: Callable[[], Path]) -> None:
    """From here on, an attempt says whose files it uses before it verifies them."""
    verify = run.materialise

    def watched(store: Store, manifest: Manifest, cache: Path) -> Path:
        with _alone(folder()):
            (folder() / "users" / f"{manifest.fingerprint}-{os.getpid()}").touch()
        return verify(store, manifest, cache)

    (folder() / "users").mkdir(exist_ok=True)
    run.materialise = watched  # type: ignore[attr-defined]


def damage(
    folder: Path, store: Store, fault: Fault, fingerprint: str, where: str, note: Callable[[dict[str, Any]], None]
) -> None:
    """Damage what a stage has committed, once, unless that cannot be done now.

    Args:
        store: in which nothing is injected.
        where: the effect, in words.
        note: takes what was done, for the record of all processes.
    """
    with _alone(folder):
        fired = folder / "fired" / fault.name
        head = read_head(store, fingerprint)
        if fired.exists() or head.manifest is None:
            return
        key, name = head.key, ""
        if fault.kind not in OF_MANIFEST:
            prefix = attempt_prefix(fingerprint, head.manifest.attempt)
            done = {each["damages"] for each in damages_of(read_record(folder))}
            names = sorted(n for n, record in head.manifest.files.items() if record.size and prefix + n not in done)
            if not names or _used(folder, store, fingerprint):
                return
            name = names[int(fault.place * len(names))]
            key = prefix + name
        data = _damaged(store.read(key), fault)
        if data is None:
            store.delete(key)
        else:
            store.put(key, data)
        fired.write_text(f"{fault.describe()}: {where}: {key}")
        note(
            {
                "damages": key,
                "fingerprint": fingerprint,
                "generation": head.generation,
                "attempt": head.manifest.attempt.folder,
                "file": name,
                "sha256": None if data is None else hashlib.sha256(data).hexdigest(),
            }
        )


def wait_for_users(folder: Path, seconds: float) -> None:
    """Wait until no attempt lives that uses files; of one whose driver has gone that takes a moment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(
        _alive(path.name.rpartition("-")[2]) for path in (folder / "users").iterdir()
    ):
        time.sleep(0.02)


def is_loss(done: Mapping[str, Any]) -> bool:
    """Whether a manifest was lost: the stage counts as one that has not committed, and there is nothing to find."""
    return not done["file"] and done["sha256"] is None


def still_there(done: Mapping[str, Any], head: Head) -> bool:
    """Whether a damage is there to be found."""
    if head.generation != done["generation"]:
        return False
    if head.manifest is None:
        return bool(head.problem)
    return bool(done["file"]) and head.manifest.attempt.folder == done["attempt"]


def amiss(heads: Iterable[Head], damages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What does not hold of stages whose committed files were damaged.

    Each damage was found and named: the manifest is withdrawn that has the file. And nothing else was withdrawn.
    """
    wrong = []
    done = {(each["fingerprint"], each["generation"]) for each in damages}
    gone = {(each["fingerprint"], each["generation"]) for each in damages if is_loss(each)}
    by_name = {head.fingerprint: head for head in heads}
    for each in damages:
        place = each["fingerprint"], each["generation"]
        withdrawn = by_name[place[0]].withdrawn[place[1] - 1 : place[1]]
        if place in gone:
            continue  # the manifest itself was lost: the stage had not committed any more, and nothing tells of it
        if not withdrawn:
            wrong.append(f"{each['damages']} was damaged, and its manifest still counts")
        elif withdrawn[0].manifest is None:
            if manifest_key(*place) not in withdrawn[0].found:
                wrong.append(f"{manifest_key(*place)} could not be read, and is not named")
        elif withdrawn[0].manifest.attempt.folder != each["attempt"] or each["file"] not in withdrawn[0].found:
            wrong.append(f"{each['damages']} was damaged, and is not named: {withdrawn[0].found}")
    for head in by_name.values():
        for generation in range(1, len(head.withdrawn) + 1):
            if (head.fingerprint, generation) not in done:
                wrong.append(f"{manifest_key(head.fingerprint, generation)} was withdrawn, and nothing was damaged")
    return wrong


def _damaged(data: bytes, fault: Fault) -> bytes | None:
    at = int(fault.place * (len(data) - 2))  # a manifest ends with a brace and the end of a line
    match fault.kind:
        case Damage.FLIPPED | Damage.MANIFEST_FLIPPED:
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        case Damage.CUT | Damage.MANIFEST_CUT:
            return data[:at]
    return None


def _used(folder: Path, store: Store, fingerprint: str) -> bool:
    """Whether an attempt that lives reads files of the stage where they lie."""
    if store.local_path("probe") is None:
        return False  # each has copies of its own
    users = (folder / "users").glob(f"{fingerprint}-*")
    return any(_alive(path.name.rpartition("-")[2]) for path in users)


def _alive(pid: str) -> bool:
    try:
        return (Path("/proc") / pid / "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process is in such a block at the same time."""
    with (folder / "damage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_record(folder: Path) -> list[dict[str, Any]]:
    """What all processes have noted."""
    return [json.loads(line) for line in (folder / "effects.jsonl").read_text().splitlines()]


def damages_of(record: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was damaged, in order."""
    return [each for each in record if "damages" in each]
