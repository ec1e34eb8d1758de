"""Taking back what a store says of a stage, so that the stage runs again."""

from __future__ import annotations

from datetime import UTC, datetime

from stilts_core.errors import MissingInputError
from stilts_core.storage.base import Store
from stilts_core.storage.generations import encode, read_head
from stilts_core.storage.manifest import Withdrawn
from stilts_core.storage.repair import DamagedStageError

REPAIRS = 2
"""So often a stage is made again in one run; a store that loses it once more is not to be trusted with it."""


def withdraw(store: Store, damage: DamagedStageError, submission: str = "") -> bool:
    """Withdraw the manifest that an error speaks of; False if that is not what counts any more.

    Any number of processes may do so at once, and at any time later.

    Args:
        submission: the run of the engine whose repairs are counted; empty: they are not.

    Raises:
        MissingInputError: the stage has been repaired `REPAIRS` times in this run.
        StorageError: the store cannot be used.
    """
    head = read_head(store, damage.fingerprint)
    there = head.manifest.attempt if head.manifest is not None else None
    if there != damage.attempt or (head.manifest is None and not head.problem):
        return False
    if submission and sum(each.submission == submission for each in head.withdrawn) >= REPAIRS:
        raise MissingInputError(
            f"{damage.message.rstrip('.')}; and the stage was made again {REPAIRS} times in this run already.",
            hint="The store loses or changes what is written: look for the cause, then run the same again.",
        )
    document = Withdrawn(
        fingerprint=damage.fingerprint,
        manifest=head.manifest,
        found=damage.found,
        submission=submission,
        at=datetime.now(UTC),
    )
    store.put(head.key, encode(document))
    return True
