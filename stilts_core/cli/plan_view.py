"""A plan as a person wants to see it: tables without frames, which read the same in a terminal and in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stilts_core.engine.labels import duration
from stilts_core.planning.estimate import Estimate
from stilts_core.planning.explain import Explanation, written
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.planning.sharing import Share, sharing, trainings
from stilts_core.spec.load import LoadedStudy
from stilts_core.spec.study import Step, Study

_MANY_LANGUAGES = 60
_MANY_ARMS = 40


@dataclass(frozen=True, slots=True)
class Time:
    """An estimate and the device that it is for."""

    estimate: Estimate
    device: str


def show_plan(console: Console, study: Study, plan: Plan, store: str, done: Collection[str], time: Time) -> None:
    """Print a plan.

    Args:
        store: where ``done`` was looked for.
        done: fingerprints of the stages that have committed.
    """
    console.print(Text.assemble((plan.name, "bold"), f"  {study.metadata.title}".rstrip()))
    if study.metadata.question:
        console.print(study.metadata.question, markup=False)
    about = _table("", "")
    for what, value in (("protocol", plan.protocol), ("data", plan.data_root), ("store", store)):
        about.add_row(Text(what, "dim"), Text(value, overflow="fold"))
    _print(console, about)
    _section(console, "Arms", _arms_title(study, plan))
    _print(console, _arms(study))
    _section(console, "Targets")
    _print(console, _targets(plan))
    _section(console, "Stages")
    shares = sharing(plan)
    _print(console, _stages(plan, shares, done, time.estimate))
    for sentence in (training_sentence(plan), _saving(shares), _timing(plan, done, time)):
        console.print(sentence, markup=False)
    if plan.notes:
        _section(console, "Notes")
        notes = _table("", "")
        for note in plan.notes:
            notes.add_row("-", Text(note))
        _print(console, notes)


def show_settings(console: Console, loaded: LoadedStudy, protocol: str, explanations: Iterable[Explanation]) -> None:
    """Print every setting with its value and what decided it."""
    for index, explanation in enumerate(explanations):
        if index:
            console.print()
        arms = [f"{encoder}/{curriculum}" for encoder, curriculum in explanation.arms]
        more = f" and {len(arms) - _MANY_ARMS} more" if len(arms) > _MANY_ARMS else ""
        console.print(Text(explanation.title, "bold"))
        console.print(Text(f"  in {', '.join(arms[:_MANY_ARMS])}{more}", "dim"))
        table = _table("setting", ">value", "from")
        for name, setting in explanation.settings.items():
            origin = _origin(setting.origin, name, protocol, loaded)
            style = "" if setting.origin in ("built-in", "defaults") else "cyan"
            table.add_row(name, Text(written(setting.value), style), Text(origin, style))
        _print(console, table)


def _origin(origin: str, name: str, protocol: str, loaded: LoadedStudy) -> str:
    layer, _, which = origin.partition(".")
    if layer == "overrides":
        document = loaded.document
        place = document.locate(("spec", "overrides", int(which), "set", name))
        line = document.positions[place][0]
        return f"override {int(which) + 1} at {document.name}:{line}"
    return {
        "built-in": "built-in default",
        "defaults": f"{protocol}: default",
        "heads": f"{protocol}: head {which}",
        "tasks": f"{protocol}: task {which}",
        "large": f"{protocol}: task {which}, large encoders",
        "few_shot": f"{protocol}: few examples",
        "encoder": "the longest input that the encoder takes",
    }[layer]


def _arms_title(study: Study, plan: Plan) -> str:
    spec = study.spec
    encoders, curricula, seeds = len(spec.encoders), len(spec.curricula), len(spec.seed_list())
    return (
        f"{_count(encoders, 'encoder')} × {_count(curricula, 'curriculum', 'curricula')} × {_count(seeds, 'seed')}; "
        f"{_count(len(plan.cells), 'result')} on {_count(len(spec.targets), 'target')}"
    )


def _arms(study: Study) -> Table:
    """Encoders beside curricula: every encoder goes through every curriculum."""
    table = _table("encoder", "from", "curriculum", "steps")
    encoders = [
        (encoder.name, encoder.source or f"pretrained here, {encoder.pretrain.layers} × {encoder.pretrain.hidden}")
        if encoder.pretrain
        else (encoder.name, encoder.source or "")
        for encoder in study.spec.encoders
    ]
    curricula = [
        (curriculum.name, " > ".join(map(_step, curriculum.steps)) or "none") for curriculum in study.spec.curricula
    ]
    for index in range(max(len(encoders), len(curricula))):
        left = encoders[index] if index < len(encoders) else ("", "")
        right = curricula[index] if index < len(curricula) else ("", "")
        table.add_row(*(Text(cell, overflow="fold") for cell in (*left, *right)))
    return table


def _step(step: Step) -> str:
    """The tasks of a step, with the languages of those that are not in English alone."""
    parts = []
    for use in step.mix:
        where = use.mlm or (" ".join(use.languages) if use.languages != ("en",) else "")
        parts.append(f"{use.task} ({where})" if where else use.task)
    return " + ".join(parts)


def _targets(plan: Plan) -> Table:
    table = _table("target", ">languages", "split", "")
    shown: dict[str, dict[str, str]] = {}
    for cell in plan.cells:
        shown.setdefault(cell.target, cell.languages)
    for target, languages in shown.items():
        splits = Counter(languages.values())
        split = ", ".join(name if len(splits) == 1 else f"{name} {count}" for name, count in splits.most_common())
        names = list(languages)
        more = " …" if len(names) > _MANY_LANGUAGES else ""
        table.add_row(target, str(len(names)), split, Text(" ".join(names[:_MANY_LANGUAGES]) + more, "dim"))
    return table


def _stages(plan: Plan, shares: dict[StageKind, Share], done: Collection[str], estimate: Estimate) -> Table:
    table = _table("kind", ">stages", ">unshared", ">saved", ">done", ">left", ">time of one")
    finished = Counter(stage.kind for stage in plan.stages if stage.fingerprint in done)
    for kind, share in shares.items():
        left = share.stages - finished[kind]
        one = duration(estimate.by_kind[kind] / left) if left else "–"
        table.add_row(
            kind.value,
            f"{share.stages:,}",
            f"{share.alone:,}",
            _percent(share.alone - share.stages, share.alone),
            f"{finished[kind]:,}",
            f"{left:,}",
            one,
        )
    if len(shares) > 1:
        stages, alone = sum(s.stages for s in shares.values()), sum(s.alone for s in shares.values())
        total = [f"{stages:,}", f"{alone:,}", _percent(alone - stages, alone)]
        total += [f"{finished.total():,}", f"{stages - finished.total():,}", ""]
        table.add_row("all", *total, style="bold")
    return table


def training_sentence(plan: Plan) -> str:
    """How many trainings there are, and how many there would be if nothing were shared."""
    found = trainings(plan)
    whole = found.intermediate + found.target
    return (
        f"{_count(whole, 'training')}: {found.intermediate:,} intermediate, {found.target:,} on targets; "
        f"{found.alone:,} if every result were made from the beginning."
    )


def _saving(shares: dict[StageKind, Share]) -> str:
    work, alone = sum(s.work for s in shares.values()), sum(s.work_alone for s in shares.values())
    if work == alone:
        return "No stage is shared."
    saved = _percent(alone - work, alone)
    return f"Sharing saves {saved} of the computing that making each result from the beginning would take."


def _timing(plan: Plan, done: Collection[str], time: Time) -> str:
    estimate = time.estimate
    if len(done) == len(plan.stages):
        return "Everything is done."
    unit = "GPU" if time.device == "cuda" else "core"
    guessed = [kind.value for kind in estimate.by_kind if kind not in estimate.measured]
    basis = "by the stages that are done"
    if guessed:
        basis = f"very roughly: nothing of the kind {_listed(guessed, 'or')} has been measured in this store"
    return (
        f"The rest takes about {duration(estimate.wall_seconds)} on {_count(estimate.slots, unit)}, {basis}. "
        f"The longest chain takes {duration(estimate.critical_seconds)} of it."
    )


def _section(console: Console, title: str, aside: str = "") -> None:
    console.print()
    console.print(Text.assemble((title, "bold"), f"  {aside}" if aside else ""))


def _print(console: Console, table: Table) -> None:
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _table(*headings: str) -> Table:
    """A table without a frame; ``>`` before a heading puts its column to the right."""
    table = Table(box=None, show_header=any(headings), header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    return table


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _listed(words: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if part > 0 else "–"
