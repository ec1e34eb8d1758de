"""The plan: what a study becomes. Pure data, JSON both ways."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stilts_core.catalog.models import ColumnRole, Provenance
from stilts_core.model import API_VERSION, Frozen, digest, identity
from stilts_core.planning.params import Params

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StageKind(StrEnum):
    PREPARE = "prepare"
    PRETRAIN = "pretrain"
    TRAIN = "train"
    EVALUATE = "evaluate"
    MEASURE = "measure"
    SIMILARITY = "similarity"


KIND_VERSIONS: dict[StageKind, int] = {
    # Raised when a change of the code changes what a stage of the kind commits.
    StageKind.PREPARE: 1,
    StageKind.PRETRAIN: 2,
    StageKind.TRAIN: 3,
    StageKind.EVALUATE: 2,
    StageKind.MEASURE: 1,
    StageKind.SIMILARITY: 1,
}


class DataFile(Frozen):
    """A file of the data root that a stage reads.

    Attributes:
        role: what it is to the stage, ``<split>/<language>``, with ``/pair`` added for the second file of a pair and
            ``/gold`` for its right answers: ``train/en``, ``test/de``, ``test/de/pair``.
        path: relative to the data root.
        format: the reader, as in `catalog.models.Source`.
        parallel: as in `spec.study.TextFile`.
        rows: share of the rows that is used, as in `spec.study.TextFile`.
        columns: of a table, as in `catalog.models.Source`, as pairs.
        provenance: as in `catalog.models.Source`, for the record.
    """

    role: str
    path: str
    format: str
    sha256: str
    size: int
    parallel: bool = False
    rows: tuple[float, float] = (0.0, 1.0)
    columns: tuple[tuple[ColumnRole, str | int], ...] = ()
    provenance: Provenance | None = None
    presentational: ClassVar[frozenset[str]] = frozenset({"path", "size", "provenance"})


class Stage(Frozen):
    """One unit of work.

    Attributes:
        parents: role → fingerprint of a stage that comes earlier in the plan.
        files: what it reads of the data root.
        label: a line for people.
        work: estimated cost in floating-point operations, for the estimate of time only.
    """

    fingerprint: Fingerprint
    kind: StageKind
    version: int
    params: Params
    parents: dict[str, Fingerprint] = Field(default_factory=dict)
    files: tuple[DataFile, ...] = ()
    label: str = ""
    work: float = 0.0
    presentational: ClassVar[frozenset[str]] = frozenset({"fingerprint", "label", "work"})


def fingerprint(kind: StageKind, params: Params, parents: dict[str, str], files: tuple[DataFile, ...] = ()) -> str:
    """SHA-256 of what decides a stage's result and of nothing else: kind, version, parameters, parents, data."""
    return digest(
        {
            "kind": kind.value,
            "version": KIND_VERSIONS[kind],
            "params": identity(params),
            "parents": parents,
            "files": identity(files),
        }
    )


class Cell(Frozen):
    """One result that the study expects: an arm on a target with a seed.

    Attributes:
        target: the target's name; ``task`` is the task that it evaluates.
        fingerprint: the evaluate stage that gives it; arms and seeds may share one.
        languages: language → split that is scored.
        labelled: the languages of which any training of its lineage has used labelled data; the others are zero-shot.
        unlabelled: the languages whose plain text (masked, or as translations) a stage of its lineage has trained on;
            what an encoder saw before the study is not among them.
    """

    encoder: str
    curriculum: str
    target: str
    task: str = ""
    seed: int
    fingerprint: Fingerprint
    languages: dict[str, str]
    labelled: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()

    def zero_shot(self, language: str) -> bool:
        """Whether no training of the lineage has used labelled data of the language."""
        return language not in self.labelled


class MeasuredArm(Frozen):
    """An arm with a seed whose model is measured.

    Attributes:
        model: its number in the stage's `CostParams.models`; arms may share one.
        exits: the stage with the scores before its last layer, where they are asked for.
    """

    encoder: str
    curriculum: str
    seed: int
    model: int
    exits: Fingerprint | None = None


class Measurement(Frozen):
    """The costs of a target's models, all from one stage."""

    target: str
    fingerprint: Fingerprint
    arms: tuple[MeasuredArm, ...]


class Reading(Frozen):
    """A number of a stage that goes into the results beside the scores.

    Attributes:
        target: a target's name; ``-`` for none.
        fingerprint: of the stage.
        place: keys in its metrics, or in the record of its run, one below another.
        metric: what the number is called.
        split: whose examples it is about.
    """

    encoder: str
    curriculum: str
    target: str = "-"
    seed: int
    fingerprint: Fingerprint
    of: Literal["metrics", "run"] = "metrics"
    place: tuple[str, ...]
    metric: str
    split: str = "train"


class Plan(Frozen):
    """The graph of a study.

    Attributes:
        study: the study document as JSON, for the record.
        data_root: as resolved when planning.
        stages: parents before children.
        cells: in the order of the study: encoders, curricula, targets, seeds.
        readings: what the results hold beside the scores of the cells.
        measurements: by target, where the study asks what its models cost.
        notes: what a person should know of the plan (a language scored on another split, say).
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Plan"] = "Plan"
    name: str
    protocol: str
    data_root: str
    study: dict[str, object]
    stages: tuple[Stage, ...]
    cells: tuple[Cell, ...]
    readings: tuple[Reading, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 of what the study expects: equal plans of one name are one study in the store."""
        expected = {"name": self.name, "cells": identity(self.cells)}
        if self.readings:
            expected["readings"] = identity(self.readings)
        if self.measurements:
            expected["measurements"] = identity(self.measurements)
        return digest(expected)
