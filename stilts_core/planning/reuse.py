"""Files that a study scores on and also uses before: what a reader of its results must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from stilts_core.planning.params import PretrainParams, TaskParams, TrainParams
from stilts_core.planning.plan import DataFile, Stage

_Scored = Mapping[str, Sequence[tuple[str, DataFile]]]


def reuse_notes(stages: Iterable[Stage]) -> list[str]:
    """A line for each encoder, and for each trained task, that has met what a target is scored on."""
    by_fingerprint = {stage.fingerprint: stage for stage in stages}
    scored, totals = _scored(by_fingerprint.values())
    notes: dict[str, None] = {}
    seen: set[tuple[str, str, bool]] = set()
    for stage in by_fingerprint.values():
        params = stage.params
        if isinstance(params, PretrainParams):
            met = _met(by_fingerprint[stage.parents["text"]].files, scored)
            if met:
                listed = ", ".join(f"{target} ({count} of {totals[target]} files)" for target, count in met.items())
                notes[f"{stage.label}: pretrained on the text, without labels, that is scored in {listed}."] = None
        elif isinstance(params, TrainParams):
            for index, task in enumerate(params.tasks):
                data, chosen = stage.parents[f"data/{index}"], params.hyper.patience > 0
                if (data, task.task, chosen) in seen:
                    continue
                seen.add((data, task.task, chosen))
                files = by_fingerprint[data].files
                trained = _met([file for file in files if not file.role.startswith("dev/")], scored)
                picked = _met([file for file in files if file.role.startswith("dev/")], scored) if chosen else {}
                if trained:
                    notes[f"{task.task}: trained on files that are scored in {', '.join(trained)}."] = None
                if picked:
                    targets = ", ".join(picked)
                    notes[f"{task.task}: its development set chooses the weights, and is scored in {targets}."] = None
    return list(notes)


def _scored(stages: Iterable[Stage]) -> tuple[_Scored, dict[str, int]]:
    """Digest → target and file, and the number of files of each target."""
    scored: dict[str, dict[tuple[str, DataFile], None]] = defaultdict(dict)
    files: dict[str, set[str]] = defaultdict(set)
    for stage in stages:
        if isinstance(stage.params, TaskParams) and stage.params.purpose == "evaluate":
            for file in stage.files:
                scored[file.sha256][stage.params.task, file] = None
                files[stage.params.task].add(file.role)
    return {digest: list(found) for digest, found in scored.items()}, {
        task: len(roles) for task, roles in files.items()
    }


def _met(files: Iterable[DataFile], scored: _Scored) -> dict[str, int]:
    """Target → how many of its files are among these, with rows in common."""
    met: dict[str, set[str]] = defaultdict(set)
    for file in files:
        for target, other in scored.get(file.sha256, ()):
            if max(file.rows[0], other.rows[0]) < min(file.rows[1], other.rows[1]):
                met[target].add(other.role)
    return {target: len(roles) for target, roles in met.items()}
