"""The committed record of a finished stage, and the keys under which a store keeps things."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

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
            result.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Manifest"] = "Manifest"
    fingerprint: str
    stage: dict[str, Any]
    attempt: Attempt
    files: dict[str, FileRecord]
    metrics: dict[str, Any] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)


def stage_prefix(fingerprint: str) -> str:
    """Where everything of a stage lies."""
    return f"stages/{fingerprint[:2]}/{fingerprint}/"


def manifest_key(fingerprint: str) -> str:
    return f"{stage_prefix(fingerprint)}manifest.json"


def attempt_prefix(fingerprint: str, attempt: Attempt) -> str:
    return f"{stage_prefix(fingerprint)}attempts/{attempt.folder}/"


def study_prefix(name: str, plan_digest: str) -> str:
    """Where a study's plan and results lie."""
    return f"studies/{name}/{plan_digest[:16]}/"
