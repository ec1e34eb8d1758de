"""What an attempt tells of itself while it runs, for people and for the driver's hints.

Every snapshot is complete, so that any of them may be lost.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from stilts_core.stages.context import Progress
from stilts_core.storage.manifest import Attempt

MAX_LINE_BYTES = 4096  # PIPE_BUF of Linux: a shorter write to a pipe is never mixed with another
_MAX_TEXT = 2000  # characters of one text at first; halved until the line fits


class Phase(StrEnum):
    """How far an attempt is, as its place sees it."""

    QUEUED = "queued"
    EVICTED = "evicted"
    STARTING = "starting"
    RUNNING = "running"
    COMMITTING = "committing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An attempt as it describes itself.

    Attributes:
        stored: the name under which it keeps things in the store, once it has one.
        message: why it is failing, a sentence; empty while it is not.
    """

    phase: Phase = Phase.STARTING
    stored: Attempt | None = None
    progress: Progress = field(default_factory=Progress)
    message: str = ""

    @property
    def moves(self) -> tuple[object, ...]:
        """What changes when the attempt gets on."""
        progress = self.progress
        return self.phase, self.stored, self.message, progress.step, progress.total, progress.activity

    def line(self, name: str) -> bytes:
        """One line of JSON under ``MAX_LINE_BYTES`` that names the attempt."""
        limit = _MAX_TEXT
        while True:
            short = replace(
                self,
                message=self.message[:limit],
                progress=replace(self.progress, activity=self.progress.activity[:limit]),
            )
            document = {
                "name": name,
                "phase": short.phase.value,
                "stored": short.stored.model_dump() if short.stored else None,
                "progress": asdict(short.progress),
                "message": short.message,
            }
            line = (json.dumps(document, ensure_ascii=False) + "\n").encode(errors="replace")
            if len(line) <= MAX_LINE_BYTES:
                return line
            limit //= 2

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Snapshot:
        """The snapshot that a line's document holds."""
        stored = document["stored"]
        return cls(
            phase=Phase(document["phase"]),
            stored=Attempt(**stored) if stored else None,
            progress=Progress(**document["progress"]),
            message=document["message"],
        )
