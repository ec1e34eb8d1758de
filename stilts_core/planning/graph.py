"""The stages of a plan while it is made: equal ones are one, and parents come first."""

from __future__ import annotations

from stilts_core.planning.fingerprints import Fingerprints
from stilts_core.planning.params import Params
from stilts_core.planning.plan import KIND_VERSIONS, DataFile, Stage, StageKind


class Graph:
    """Stages by fingerprint, in the order in which they were first added."""

    def __init__(self) -> None:
        self._fingerprints = Fingerprints()
        self._stages: dict[str, Stage] = {}

    def add(
        self,
        kind: StageKind,
        params: Params,
        parents: dict[str, str],
        files: tuple[DataFile, ...] = (),
        *,
        label: str,
        work: float,
    ) -> str:
        """The fingerprint of a stage, which is added unless an equal one is there; its parents are there already."""
        fingerprint = self._fingerprints.of(kind, params, parents, files)
        if fingerprint not in self._stages:
            self._stages[fingerprint] = Stage(
                fingerprint=fingerprint,
                kind=kind,
                version=KIND_VERSIONS[kind],
                params=params,
                parents=parents,
                files=files,
                label=label,
                work=work,
            )
        return fingerprint

    def stage(self, fingerprint: str) -> Stage:
        """The stage of a fingerprint."""
        return self._stages[fingerprint]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(self._stages.values())
