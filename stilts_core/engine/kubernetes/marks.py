"""Whose an object of the cluster is: which attempt at which stage."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from stilts_core.engine.kubernetes.labels import ATTEMPT, FINGERPRINT, STORED_ATTEMPT, Object
from stilts_core.engine.kubernetes.names import fingerprint_label
from stilts_core.errors import SpecError
from stilts_core.storage.attempts import parse_attempt
from stilts_core.storage.manifest import Attempt

Key = tuple[str, int]
"""Fingerprint and number of an attempt."""


@dataclass(frozen=True)
class Index:
    """The stages of a plan by what a label can hold of their fingerprints."""

    fingerprints: dict[str, str]

    @classmethod
    def of(cls, fingerprints: Iterable[str]) -> Index:
        return cls({fingerprint_label(name): name for name in fingerprints})

    def key(self, found: Object) -> Key | None:
        """The attempt that an object belongs to; None where it belongs to none of the plan."""
        labels = found["metadata"].get("labels") or {}
        name, number = self.fingerprints.get(labels.get(FINGERPRINT, "")), str(labels.get(ATTEMPT, ""))
        return (name, int(number)) if name and number.isdecimal() else None


def stored_attempt(found: Object) -> Attempt | None:
    """The name under which an attempt keeps things in the store, as its Job says."""
    text = (found["metadata"].get("annotations") or {}).get(STORED_ATTEMPT, "")
    with suppress(SpecError):
        return parse_attempt(text)
    return None


def when(text: str | None) -> float | None:
    """Seconds since the epoch of a moment in an object."""
    return datetime.fromisoformat(text).timestamp() if text else None


def created(found: Object) -> float:
    """When an object was made, seconds since the epoch."""
    return when(found["metadata"].get("creationTimestamp")) or 0.0


def deleting_since(found: Object) -> float | None:
    """When an object that is being deleted should have been gone, seconds since the epoch."""
    return when(found["metadata"].get("deletionTimestamp"))


def owner_of(found: Object, kind: str) -> str:
    """The uid of the object of a kind that owns this one; empty where none does."""
    owners = found["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner["kind"] == kind), "")


def condition(found: Object, kind: str) -> Object | None:
    """A condition of an object that holds."""
    for each in (found.get("status") or {}).get("conditions") or ():
        if each.get("type") == kind and each.get("status") == "True":
            return dict(each)
    return None


_KEPT = ("suspend", "completions", "nodeName")


def slim(found: Object) -> Object:
    """What is read of an object, without the rest: templates and field managers are most of its memory."""
    spec = found.get("spec") or {}
    metadata = {name: value for name, value in found["metadata"].items() if name != "managedFields"}
    return {**found, "metadata": metadata, "spec": {name: spec[name] for name in _KEPT if name in spec}}
