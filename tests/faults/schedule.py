"""Which faults a seed stands for; pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    KILL = "SIGKILL to the process"
    KILL_LEADER = "SIGKILL to the attempt's first process"
    TERM = "SIGTERM to the attempt, or to the driver"
    ERROR = "the store fails"
    SLOW = "the store takes long"
    TORN = "SIGKILL in the middle of the write"
    FULL = "the disk is full in the middle of the write"
    CLOCK = "the clock jumps by a day"
    SLEEP = "the attempt sleeps until another one has committed its stage"


class Damage(StrEnum):
    FLIPPED = "a bit of a committed file flips"
    CUT = "a committed file is cut short"
    LOST = "a committed file is lost"
    MANIFEST_FLIPPED = "a bit of the manifest flips"
    MANIFEST_CUT = "the manifest is cut short"
    MANIFEST_LOST = "the manifest is lost"


END = "the end"
"""The role of what is damaged when all is done."""

WRITES = frozenset({"put", "create"})


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a process does to the outside, as the undisturbed run did it.

    Attributes:
        role: of the process: ``driver``, ``attempt`` before it knows its stage, then the stage, or ``STAGE/RANK``.
        number: of the effect among those of its role in one process, from 0.
        call: of the store, or ``step``.
        key: of the object.
    """

    role: str
    number: int
    call: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at an effect, once.

    Attributes:
        number: of the effect; damage is done there, or at the first one after it at which it can be.
        after: the effect has taken place.
        stage: whose committed files are damaged.
        place: which of them, and where in it, from 0 to 1.
    """

    name: str
    kind: Kind | Damage
    role: str
    number: int
    after: bool
    forward: bool = True  # of a clock
    stage: str = ""
    place: float = 0.0

    def describe(self) -> str:
        if self.role == END:
            return f"{self.name}: {self.kind.value}, of {self.stage}, when all is done"
        if self.stage:
            return f"{self.name}: {self.kind.value}, of {self.stage}, at effect {self.number} of {self.role} or later"
        when = "after" if self.after else "before"
        return f"{self.name}: {self.kind.value}, {when} effect {self.number} of {self.role}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is done to one run of the study.

    Attributes:
        drivers: at once.
        remote: the store is an S3 server behind a proxy with faults of its own.
    """

    seed: int
    drivers: int
    remote: bool
    faults: tuple[Fault, ...]


def schedule_of(seed: int, effects: Sequence[Effect]) -> Schedule:
    """One to four faults at effects of the undisturbed run; each stage is as likely as the driver."""
    dice = random.Random(seed)
    roles = sorted({effect.role for effect in effects})
    faults = []
    for number in range(dice.randint(1, 4)):
        role = dice.choice(roles)
        effect = dice.choice([effect for effect in effects if effect.role == role])
        kinds = [Kind.KILL, Kind.KILL, Kind.KILL_LEADER, Kind.TERM, Kind.CLOCK]
        if effect.call != "step":
            kinds += [Kind.ERROR, Kind.SLOW]
        if effect.call in WRITES:
            kinds += [Kind.TORN, Kind.FULL]
        if role not in ("driver", "attempt"):
            kinds += [Kind.SLEEP]
        kind = dice.choice(kinds)
        after = kind not in (Kind.TORN, Kind.FULL, Kind.ERROR) and dice.random() < 0.5
        faults.append(Fault(f"{seed}.{number}", kind, role, effect.number, after, dice.random() < 0.5))
    asleep = any(fault.kind is Kind.SLEEP for fault in faults)
    drivers = 2 if asleep or dice.random() < 0.2 else 1
    return Schedule(seed, drivers, dice.random() < 0.25, tuple(faults))


def training_schedule(seed: int, effects: Sequence[Effect]) -> Schedule:
    """Up to three kills of ranks or first processes of the trainings, each at any effect of one."""
    dice = random.Random(seed)
    chosen = [effect for effect in effects if effect.role.startswith("train-")]
    faults = []
    for number in range(dice.randint(1, 3)):
        effect = dice.choice(chosen)
        kind = dice.choice([Kind.KILL, Kind.KILL, Kind.KILL_LEADER])
        faults.append(Fault(f"t{seed}.{number}", kind, effect.role, effect.number, dice.random() < 0.5))
    return Schedule(seed, 1, False, tuple(faults))


def damage_schedule(seed: int, effects: Sequence[Effect]) -> Schedule:
    """The seed's schedule, and one to three damages to what has committed, at effects after that or at the end."""
    base, dice = schedule_of(seed, effects), random.Random(f"damage {seed}")
    commits = {
        effect.role: at
        for at, effect in enumerate(effects)
        if effect.call == "create" and effect.key.endswith("/manifest.json") and "/resume/" not in effect.key
    }
    faults = []
    for number in range(dice.randint(1, 3)):
        stage = dice.choice(sorted(commits))
        later = effects[commits[stage] + 1 :]
        role = dice.choice([END, *sorted({effect.role for effect in later})])
        at = 0 if role == END else dice.choice([effect.number for effect in later if effect.role == role])
        kind = dice.choice(list(Damage))
        faults.append(Fault(f"d{seed}.{number}", kind, role, at, False, stage=stage, place=dice.random()))
    return replace(base, faults=(*base.faults, *faults))
