"""A committed stage whose files were lost or have changed: how that is said, and what its next manifest says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_core.errors import StorageError
from stilts_core.storage.manifest import Attempt, Manifest, Withdrawn


class DamagedStageError(StorageError):
    """What lies in the store is not what a stage has committed.

    Attributes:
        attempt: whose files they are; None where the manifest itself cannot be read.
        found: file, or key of the manifest → what is there.
    """

    def __init__(
        self, message: str, *, fingerprint: str, attempt: Attempt | None, found: Mapping[str, str], hint: str | None
    ) -> None:
        super().__init__(message, hint=hint)
        self.fingerprint, self.attempt, self.found = fingerprint, attempt, dict(found)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.message, self.hint, self.fingerprint, self.attempt, self.found))


def _rebuild(
    message: str, hint: str | None, fingerprint: str, attempt: Attempt | None, found: Mapping[str, str]
) -> DamagedStageError:
    return DamagedStageError(message, fingerprint=fingerprint, attempt=attempt, found=found, hint=hint)


def how_to_repair(uri: str) -> str:
    """What a person does about a damaged stage that no run of its study has come upon: a sentence."""
    return f"Run `stilts doctor --store {uri} --deep --repair`, then its study again, which makes the stage anew."


def compare(manifest: Manifest, withdrawn: Sequence[Withdrawn]) -> Manifest:
    """The manifest with what it is a repair of, and whether it says the same as the latest one that can be read.

    A stage gives the same bytes on the same hardware with the same packages. Where it did not, children that have
    committed stand on the files that are gone, and say so by nothing but this record.
    """
    if not withdrawn:
        return manifest
    before = next((each.manifest for each in reversed(withdrawn) if each.manifest is not None), None)
    repair: dict[str, object] = {"withdrawn": len(withdrawn), "found": withdrawn[-1].found}
    if before is not None:
        names = sorted(before.files.keys() | manifest.files.keys())
        differs = [name for name in names if before.files.get(name) != manifest.files.get(name)]
        if before.metrics != manifest.metrics:
            differs.append("metrics")
        repair |= {"attempt": before.attempt.folder, "differs": differs}
    return manifest.model_copy(update={"run": {**manifest.run, "repair": repair}})


def explain_repair(manifest: Manifest) -> str:
    """What a repair came to, a clause for people; empty where the manifest is of none."""
    repair = manifest.run.get("repair")
    if not repair:
        return ""
    differs = repair.get("differs")
    if differs is None:
        return "what was there before cannot be read, and is not compared"
    if not differs:
        return "every file is the same as before"
    names = ", ".join(differs[:3]) + (f" and {len(differs) - 3} more" if len(differs) > 3 else "")
    return f"not the same as before: {names}; stages that had committed stay as they are, made from what was there"
