"""What a study used that a paper has to cite."""

from __future__ import annotations

from collections.abc import Iterable

from stilts_core.analysis.evidence import Evidence
from stilts_core.catalog.bibliography import Entry, bibliography, own_entry
from stilts_core.catalog.load import Catalogue
from stilts_core.planning.params import (
    EncoderSource,
    EvaluateParams,
    PretrainParams,
    TaskParams,
    TextParams,
    TrainParams,
)
from stilts_core.planning.plan import Plan, Stage

ALWAYS_COMPUTED_WITH = ("numpy", "scipy")


def cited_by_study(
    plan: Plan,
    evidence: Evidence,
    questions: Iterable[str],
    catalogue: Catalogue,
) -> tuple[Entry, ...]:
    """The entries for every task, encoder, protocol, method and program of a study.

    Args:
        plan: what it is made of.
        evidence: its statistics.
        questions: names of the research questions that it answers.
        catalogue: with the study's own tasks.
    """
    tasks = dict.fromkeys(name for stage in plan.stages for name in _tasks(stage))
    tasks.update(dict.fromkeys(cell.task or cell.target for cell in plan.cells))
    sources = (getattr(stage.params, "encoder", None) for stage in plan.stages)
    encoders = dict.fromkeys(source.location for source in sources if isinstance(source, EncoderSource))
    return cited(tasks, encoders, plan.protocol, evidence, questions, catalogue, programs_of(plan))


def cited(
    tasks: Iterable[str],
    encoders: Iterable[str],
    protocol: str,
    evidence: Evidence,
    questions: Iterable[str],
    catalogue: Catalogue,
    programs: Iterable[str] = (),
) -> tuple[Entry, ...]:
    """The entries for what is named; what the bibliography does not know is left out, but for tasks with a citation."""
    known = bibliography()
    found: dict[str, Entry] = {}

    def cite(keys: Iterable[str]) -> None:
        found.update((key, known.entry(key)) for key in keys)

    cite(known.always)
    for name in tasks:
        task = catalogue.tasks.get(name)
        if name in known.tasks:
            cite(known.tasks[name])
        elif task and task.citation:
            entry = own_entry(name, task.title, task.citation, task.url)
            found[entry.key] = entry
    for source in encoders:
        encoder = catalogue.known_encoder(source)
        cite(known.encoders.get(encoder.name, ()) if encoder else ())
    cite(known.protocols.get(protocol, ()))
    for method in methods_used(evidence):
        cite(known.methods[method])
    for question in questions:
        cite(known.questions.get(question, ()))
    for program in (*ALWAYS_COMPUTED_WITH, *programs):
        cite(known.programs.get(program, ()))
    return tuple(found.values())


def programs_of(plan: Plan) -> tuple[str, ...]:
    """The programs that a plan's stages run with, beside those of the statistics."""
    trains = any(isinstance(stage.params, TrainParams | PretrainParams) for stage in plan.stages)
    evaluates = any(isinstance(stage.params, EvaluateParams) for stage in plan.stages)
    return (*(("torch", "transformers") if trains or evaluates else ()), *(("deepspeed",) if trains else ()))


def methods_used(evidence: Evidence) -> tuple[str, ...]:
    """The statistical methods behind the numbers, by the bibliography's names."""
    gains = evidence.gains
    used = {
        "crossed": any("examples" in gain.interval.basis for gain in gains),
        "holm": any(gain.correction == "Holm" for gain in gains),
        "benjamini-hochberg": any("Benjamini" in gain.correction for gain in gains),
        "stochastic-order": any(gain.order is not None for gain in gains),
        "signed-rank": any(gain.by_language is not None for gain in gains),
        "power": any(gain.detectable is not None for gain in gains),
        "wrong-runs": any(run.kind == "collapse" for run in evidence.wrong),
    }
    return tuple(name for name, is_used in used.items() if is_used)


def _tasks(stage: Stage) -> Iterable[str]:
    params = stage.params
    if isinstance(params, TrainParams):
        return [task.task for task in params.tasks]
    if isinstance(params, TaskParams | EvaluateParams):
        return [params.task]
    return ["mlm"] if isinstance(params, PretrainParams | TextParams) else []
