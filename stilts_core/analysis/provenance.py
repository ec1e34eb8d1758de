"""How a study ran: time, machines, packages, attempts. For people; no result depends on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stilts_core.planning.plan import Plan, StageKind
from stilts_core.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class KindRun:
    """The stages of one kind.

    Attributes:
        seconds: of all stages together; None where no manifest says.
        longest: of the longest one.
        retried: stages that took more than one attempt.
    """

    kind: str
    planned: int
    committed: int
    seconds: float | None
    longest: float | None
    retried: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the committed stages of a study ran.

    Attributes:
        began, ended: the first start and the last end, UTC, ISO 8601.
        facts: title → what the manifests state, each with the number of stages that do.
    """

    kinds: tuple[KindRun, ...]
    began: str | None
    ended: str | None
    facts: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


FACTS = {
    "host": "Host",
    "cpu": "Processor",
    "cores": "Cores of the host",
    "device": "Device",
    "hardware": "Hardware",
    "ranks": "Ranks",
    "threads": "Threads of a rank",
    "zero_stage": "ZeRO stage",
    "precision": "Precision",
    "stilts": "stilts",
    "python": "Python",
    "packages": "Packages",
    "platform": "System",
    "image": "Image",
}
"""Keys of a manifest's ``run`` → what the report calls them."""


def provenance(plan: Plan, manifests: Mapping[str, Manifest]) -> Provenance:
    """Gathers what the manifests say; whatever one does not say is left out."""
    mine = [manifests[stage.fingerprint] for stage in plan.stages if stage.fingerprint in manifests]
    runs = [manifest.run for manifest in mine]
    began = [text for run in runs if isinstance(text := run.get("started"), str)]
    ended = [text for run in runs if isinstance(text := run.get("finished"), str)]
    return Provenance(
        kinds=tuple(_of_kind(plan, manifests, kind) for kind in StageKind),
        began=min(began, default=None),
        ended=max(ended, default=None),
        facts=tuple(
            (title, found) for key, title in FACTS.items() if (found := _counted(run.get(key) for run in runs))
        ),
    )


def _of_kind(plan: Plan, manifests: Mapping[str, Manifest], kind: StageKind) -> KindRun:
    stages = [stage for stage in plan.stages if stage.kind is kind]
    done = [manifests[stage.fingerprint] for stage in stages if stage.fingerprint in manifests]
    seconds = [
        float(value)
        for manifest in done
        if isinstance(value := manifest.run.get("seconds"), int | float) and not isinstance(value, bool)
    ]
    return KindRun(
        kind=kind.value,
        planned=len(stages),
        committed=len(done),
        seconds=sum(seconds) if seconds else None,
        longest=max(seconds, default=None),
        retried=sum(manifest.attempt.number > 1 for manifest in done),
    )


def _counted(facts: Iterable[object]) -> tuple[tuple[str, int], ...]:
    """Different facts as text, the most frequent first."""
    counts = Counter(text for fact in facts if (text := _text(fact)))
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _text(fact: Any) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {_text(value)}" for name, value in fact.items() if value not in (None, "", [], {}))
    if isinstance(fact, list | tuple):
        return ", ".join(map(_text, fact))
    return "" if fact is None else str(fact)
