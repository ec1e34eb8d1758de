"""The committed record of a finished stage, and the keys under which a store keeps things."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from stilts_core.model import API_VERSION, Frozen


class FileRecord(Frozen):
    """A file of a manifest."""

    sha256: str
    size: int


class Attempt(Frozen):
    """One try at a stage: its number, from 1, and a random token that makes its keys its own."""

    number: int
    token: str

    @property
    def folder(self) -> str:
        return f"{self.number:03d}-{self.token}"


class Manifest(Frozen):
    """What a stage is, what it made, and how it ran. A stage is done when its manifest is there and valid.

    Attributes:
        stage: the stage as planned (`planning.plan.Stage`, JSON).
        files: path under the attempt's folder → size and SHA-256.
        metrics: what the stage measured, JSON; decided by the stage alone, never by the clock.
        run: how it ran: times (UTC, ISO 8601), seconds, host, packages, hardware, ranks, image; never read for a
            result. Where the files of an earlier manifest were found damaged, ``repair`` has what and whether these are
            the same (`storage.repair.compare`).
        digest: SHA-256 of the rest (`storage.generations.sealed`), so that a damaged manifest is told; empty: not told.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Manifest"] = "Manifest"
    fingerprint: str
    stage: dict[str, Any]
    attempt: Attempt
    files: dict[str, FileRecord]
    metrics: dict[str, Any] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""


class Withdrawn(Frozen):
    """What is put in the place of a manifest whose files, or which itself, were found damaged.

    It stays for good: the stage's next manifest has a key of its own, so that it makes no difference how often, how
    late and by how many processes this is written.

    Attributes:
        manifest: what stood there; None where that could not be read any more.
        found: file, or key of the manifest → what is there.
        submission: the run of the engine that found it; empty where a person did.
        at: UTC.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Withdrawn"] = "Withdrawn"
    fingerprint: str
    manifest: Manifest | None
    found: dict[str, str]
    submission: str = ""
    at: AwareDatetime


def stage_prefix(fingerprint: str) -> str:
    """Where everything of a stage lies."""
    return f"stages/{fingerprint[:2]}/{fingerprint}/"


def manifest_key(fingerprint: str, generation: int = 1) -> str:
    """Where a stage's manifest lies; the one that follows so many withdrawn ones has a number."""
    return f"{stage_prefix(fingerprint)}manifest{f'-{generation}' if generation > 1 else ''}.json"


def attempt_prefix(fingerprint: str, attempt: Attempt) -> str:
    return f"{stage_prefix(fingerprint)}attempts/{attempt.folder}/"


def study_prefix(name: str, plan_digest: str) -> str:
    """Where a study's plan and results lie."""
    return f"studies/{name}/{plan_digest[:16]}/"
