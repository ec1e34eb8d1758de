"""One seed: the study under its faults until it is done, and whether everything held."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults import small_study
from faults.damage import amiss, damages_of, is_loss, read_record, still_there, wait_for_users
from faults.drivers import start_doctor, start_driver
from faults.injection import strike
from faults.remote import injected, s3_store
from faults.schedule import Damage, Effect, Schedule
from stilts_core.errors import StiltsError
from stilts_core.planning.plan import Stage
from stilts_core.spec.profile import StoreSettings
from stilts_core.storage.base import Store
from stilts_core.storage.commit import materialise, read_manifest
from stilts_core.storage.generations import Head, read_heads
from stilts_core.storage.manifest import manifest_key
from stilts_core.storage.open import open_store
from stilts_core.storage.sweep import delete_garbage, find_garbage

ROUNDS, PATIENCE_SECONDS = 12, 240.0

Results = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a seed.

    Attributes:
        injected: the faults that took place, in words.
        drivers: at once.
        attempts: of all stages, in all rounds.
        by_reading, by_doctor: damages that were found when something was read next, and by `stilts doctor`.
        broken: what did not hold; empty where everything did.
    """

    seed: int
    drivers: int
    injected: list[str]
    rounds: int
    attempts: int
    resumed: int
    seconds: float
    by_reading: int
    by_doctor: int
    broken: list[str]


def undisturbed(folder: Path) -> tuple[Results, list[Effect]]:
    """The results of the study that was left alone, and every effect on the way."""
    folder.mkdir(parents=True)
    settings = StoreSettings(uri=str(folder / "store"))
    if start_driver(folder, settings, (), 0, settings).wait(PATIENCE_SECONDS):
        raise RuntimeError(f"the undisturbed study failed; see {folder}")
    effects = [Effect(**each) for each in read_record(folder) if "role" in each]
    return results(open_store(settings.uri or "")), effects


def try_schedule(folder: Path, schedule: Schedule, wanted: Results) -> Verdict:
    """Run the study under its faults, and hold it against the undisturbed one."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    fired: list[str] = []
    with _store(folder, schedule) as (faulty, settings):
        rounds = _run(folder, faulty, schedule, settings)
        store = open_store(settings.uri or "", settings.s3)
        broken, by_reading, by_doctor = [], 0, 0
        if any(isinstance(fault.kind, Damage) for fault in schedule.faults):
            wait_for_users(folder, PATIENCE_SECONDS)
            for fault in schedule.faults:
                if isinstance(fault.kind, Damage):
                    strike(fault, folder, settings, small_study.fingerprints(), "at the end")
            broken, by_reading, by_doctor = _ask_the_doctor(folder, settings)
            rounds += _run(folder, faulty, schedule, settings)
            broken += _ask_the_doctor(folder, settings)[0]
        keys = [found.key for found in store.list("stages/")]
        logs = [store.read(key).decode(errors="replace") for key in keys if key.endswith("/log.txt")]
        broken += [] if rounds <= ROUNDS else [f"it was not done after {ROUNDS} rounds"]
        broken += _check(folder, store, wanted)
    if schedule.remote:
        fired.append(f"S3: {injected(folder)}")
    fired += [path.read_text() for path in sorted((folder / "fired").glob("*"))]
    return Verdict(
        schedule.seed,
        schedule.drivers,
        fired,
        rounds,
        attempts=len({"/".join(key.split("/")[:5]) for key in keys if "/attempts/" in key}),
        resumed=sum("going on after step" in log for log in logs),
        seconds=time.monotonic() - began,
        by_reading=by_reading,
        by_doctor=by_doctor,
        broken=broken,
    )


def results(store: Store) -> Results:
    """What every stage committed: files by SHA-256, and metrics."""
    found: Results = {}
    for stage in small_study.plan().stages:
        manifest = read_manifest(store, stage.fingerprint)
        if manifest is not None:
            files = {name: record.sha256 for name, record in manifest.files.items()}
            found[stage.label] = {"files": files, "metrics": manifest.metrics}
    return found


@contextmanager
def _store(folder: Path, schedule: Schedule) -> Iterator[tuple[StoreSettings, StoreSettings]]:
    """The store as the study has it, and as it is without faults."""
    if schedule.remote:
        with s3_store(folder, schedule.seed) as both:
            yield both
    else:
        settings = StoreSettings(uri=str(folder / "store"))
        yield settings, settings


def _run(folder: Path, store: StoreSettings, schedule: Schedule, direct: StoreSettings) -> int:
    """Drivers, again and again until one has seen the end; how often."""
    for number in range(1, ROUNDS + 1):
        drivers = [start_driver(folder, store, schedule.faults, each, direct) for each in range(schedule.drivers)]
        deadline = time.monotonic() + PATIENCE_SECONDS
        codes = []
        for driver in drivers:
            try:
                codes.append(driver.wait(max(0.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                driver.kill()
                codes.append(driver.wait())
        if 0 in codes:
            return number
    return ROUNDS + 1


def _ask_the_doctor(folder: Path, direct: StoreSettings) -> tuple[list[str], int, int]:
    """Let the doctor find what nobody has read.

    Returns:
        What did not hold, and how many damages were found before and by the doctor.
    """
    store = open_store(direct.uri or "", direct.s3)
    done = damages_of(read_record(folder))
    heads = {head.fingerprint: head for head in read_heads(store, small_study.fingerprints().values())}
    hidden = [each for each in done if still_there(each, heads[each["fingerprint"]])]
    number = len(list(folder.glob("doctor-*.log")))
    start_doctor(folder, direct, number).wait(PATIENCE_SECONDS)
    said = (folder / f"doctor-{number}.log").read_text()
    broken = [
        f"{stage} is damaged, and the doctor does not name it: {said}"
        for stage in sorted({each["fingerprint"] for each in hidden})
        if not any(each["damages"] in said for each in hidden if each["fingerprint"] == stage)
    ]
    if not hidden and "store, files: Stage" in said:
        broken.append(f"nothing is damaged, and the doctor says: {said}")
    return broken, len(done) - len(hidden) - sum(map(is_loss, done)), len(hidden)


def _check(folder: Path, store: Store, wanted: Results) -> list[str]:
    broken = []
    record = read_record(folder)
    damages = damages_of(record)
    created = Counter(each["created"] for each in record if "created" in each)
    created.subtract(each["damages"] for each in damages if is_loss(each))  # as if it had never been there
    stages = small_study.plan().stages
    heads = read_heads(store, [stage.fingerprint for stage in stages])
    broken += amiss(heads, damages)
    unneeded = _unneeded(stages, heads, damages)
    wanted = {label: result for label, result in wanted.items() if label not in unneeded}
    for stage, head in zip(stages, heads, strict=True):
        for generation in range(1, head.generation + 1):
            count = created[manifest_key(stage.fingerprint, generation)]
            if count > 1:
                broken.append(f"{stage.label} was committed {count} times")
        try:
            manifest = read_manifest(store, stage.fingerprint)
            if manifest is None and stage.label not in unneeded:
                broken.append(f"{stage.label} has no manifest")
            elif manifest is not None:
                materialise(store, manifest, folder / "cache")
        except StiltsError as error:
            broken.append(f"{stage.label}: {error}")
    written = {(each["writes"], each["sha256"]) for each in record if "writes" in each}
    written |= {(each["damages"], each["sha256"]) for each in damages}
    torn = {each["reads"] for each in record if "reads" in each and (each["reads"], each["sha256"]) not in written}
    broken += [f"{key} was read in part" for key in sorted(torn)]
    broken += _differences(results(store), wanted)
    # Nothing that the results need is garbage, and without it nothing but them is left.
    delete_garbage(store, find_garbage(store, datetime.now(UTC) + timedelta(days=30)))
    if not broken and results(store) != wanted:
        broken.append("`stilts gc` changed the results")
    left = [found.key for found in store.list("stages/") if "/resume/" in found.key or "/parts/" in found.key]
    broken += [f"{key} is left after `stilts gc`" for key in left]
    return broken


def _unneeded(stages: Sequence[Stage], heads: Sequence[Head], damages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Labels of the stages whose manifest was lost once all that follows had committed: nothing tells of it."""
    lost = {each["damages"] for each in damages if is_loss(each)}
    gone = {head.fingerprint for head in heads if head.manifest is None and not head.problem and head.key in lost}
    there = {head.fingerprint for head in heads} - gone
    children = {name: {s.fingerprint for s in stages if name in s.parents.values()} for name in gone}
    return frozenset(s.label for s in stages if children.get(s.fingerprint) and children[s.fingerprint] <= there)


def _differences(found: Results, wanted: Results) -> Iterable[str]:
    for label in sorted(wanted):
        for what in ("files", "metrics"):
            here, there = found.get(label, {}).get(what), wanted[label][what]
            if here != there:
                yield f"the {what} of {label} differ from the undisturbed run: {here} and {there}"
