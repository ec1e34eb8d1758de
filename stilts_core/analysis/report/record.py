"""The sections on the study itself: what is missing, how it ran, its settings, data and languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.frame import rows_of
from stilts_core.analysis.gaps import Gap
from stilts_core.analysis.provenance import provenance
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Column, Facts, Fold, Section, Table, Text
from stilts_core.analysis.report.names import Names
from stilts_core.catalog.models import Hyper
from stilts_core.planning.plan import DataFile, EncoderSource, EvaluateParams, StageKind, TrainParams

SHOWN_DIGEST = 12


def arms_section(collected: Collected, names: Names) -> Section:
    """What is compared."""
    encoders = Table(
        caption="Encoders.",
        columns=(Column("Encoder", numeric=False), Column("Origin", numeric=False)),
        rows=tuple((Cell(name), Cell(names.encoder(name))) for name in collected.scores.encoders),
        css="prose",
    )
    curricula = Table(
        caption="Curricula: what an encoder is trained on before the target.",
        columns=(Column("Curriculum", numeric=False), Column("Steps", numeric=False)),
        rows=tuple((Cell(name, mark=names.key(name)), Cell(names.steps(name))) for name in collected.scores.curricula),
        css="prose",
    )
    return Section("arms", "Arms", (encoders, curricula))


def missing_section(collected: Collected, names: Names) -> Section:
    """The gaps, those of one arm, target and reason in one row."""
    if not collected.gaps:
        count = words.counted(len(collected.plan.cells), "cell")
        return Section("missing", "What is missing", (Text(f"Nothing: all {count} of the study have their scores."),))
    grouped: dict[tuple[str, str, str, str], list[int]] = {}
    for gap in collected.gaps:
        key = (names.arm(gap.encoder, gap.curriculum), gap.target, _languages_of(gap), gap.reason)
        grouped.setdefault(key, []).append(gap.seed)
    rows = tuple(
        (Cell(arm), Cell(names.target(target)), Cell(", ".join(map(str, seeds))), Cell(languages), Cell(reason))
        for (arm, target, languages, reason), seeds in grouped.items()
    )
    count = words.counted(len(collected.plan.cells), "cell")
    verb = "lacks" if len(collected.gaps) == 1 else "lack"
    text = (
        f"{len(collected.gaps)} of {count} {verb} scores. Means leave a run out until all of its languages are there."
    )
    diverged = sum("diverged: " in gap.reason for gap in collected.gaps)
    if diverged:
        text += (
            f" {words.counted(diverged, 'cell')} {'has' if diverged == 1 else 'have'} none because a training diverged:"
            " that is what these settings gave, and is counted as neither a score nor a failure of the machines."
        )
    heads = ("Arm", "Target", "Seeds", "Languages", "Why")
    table = Table(
        caption="Cells without all of their scores."
        + (words.NOT_ZERO_SHOT_MEANS if any(words.NOT_ZERO_SHOT in key[2] for key in grouped) else ""),
        columns=tuple(Column(head, numeric=False) for head in heads),
        rows=rows,
        css="prose",
        source="tables/missing.csv",
    )
    return Section("missing", "What is missing", (Text(text), table))


def _languages_of(gap: Gap) -> str:
    if gap.languages:
        return " ".join(words.marked(code, gap.seen) for code in gap.languages)
    return f"all ({' '.join(words.marked(code, gap.seen) for code in gap.seen)})" if gap.seen else "all"


def chance_section(collected: Collected, names: Names) -> Section | None:
    """Scores at the level of guessing, and degenerate runs; None where there are none."""
    found: dict[tuple[str, str, str], dict[str, dict[str, set[str]]]] = {}
    metric = collected.frame.texts["metric"]
    flagged = (metric.of("at_chance") | metric.of("degenerate")) & (collected.frame.value != 0)
    for row in rows_of(collected.frame.rows(flagged)):
        of_arm = found.setdefault((row.encoder, row.curriculum, row.target), {})
        language = words.marked(row.language, () if row.zero_shot else (row.language,))
        of_arm.setdefault(row.metric, {}).setdefault(language, set()).add(row.fingerprint)
    if not found:
        return None
    totals = {(row.encoder, row.curriculum, row.target): row for row in collected.summary}
    rows = []
    for key, marks in found.items():
        counts = [sum(map(len, marks.get(metric, {}).values())) for metric in ("at_chance", "degenerate")]
        languages = words.listed([_times(code, runs) for code, runs in marks.get("at_chance", {}).items()])
        rows.append(
            (
                Cell(names.arm(key[0], key[1])),
                Cell(names.target(key[2])),
                *(Cell(f"{count} of {totals[key].scores}" if count else "0") for count in counts),
                Cell(languages or words.NOTHING),
            )
        )
    table = Table(
        caption="Scores at the level of guessing, and degenerate ones, by arm and target. They count in every mean."
        + (words.NOT_ZERO_SHOT_MEANS if any(words.NOT_ZERO_SHOT in cells[-1].text for cells in rows) else ""),
        columns=(
            Column("Arm", numeric=False),
            Column("Target", numeric=False),
            Column("At chance"),
            Column("Degenerate"),
            Column("Languages at chance (runs)", numeric=False),
        ),
        rows=tuple(rows),
        css="prose",
        source="tables/languages.csv",
    )
    text = Text(
        "A score is at chance when it is not above guessing by more than two standard errors, and degenerate when the "
        "model gave one answer to more than 99 % of the examples. A difference between such scores says little."
    )
    return Section("chance", "At the level of guessing", (text, table))


def _times(code: str, runs: set[str]) -> str:
    return f"{code} ({len(runs)})" if len(runs) > 1 else code


def ran_section(collected: Collected) -> Section:
    """Time, machines, packages, and the trainings."""
    found = provenance(collected.plan, collected.manifests)
    rows = tuple(
        (
            Cell(kind.kind),
            Cell(str(kind.planned)),
            Cell(str(kind.committed)),
            Cell(words.duration(kind.seconds)),
            Cell(words.duration(kind.longest)),
            Cell(str(kind.retried)),
        )
        for kind in found.kinds
        if kind.planned
    )
    heads = ("Planned", "Done", "Time of all", "Longest", "Retried")
    blocks: list[Block] = [
        Table(
            caption="Stages by kind. Retried stages took more than one attempt.",
            columns=(Column("Kind", numeric=False), *(Column(head) for head in heads)),
            rows=rows,
        )
    ]
    facts = (
        [("Between", f"{words.moment(found.began)} and {words.moment(found.ended)}")]
        if found.began and found.ended
        else []
    )
    facts += [(title, _facts(counts)) for title, counts in found.facts]
    retries = sum(int(manifest.run.get("store_retries", 0)) for manifest in collected.manifests.values())
    if retries:
        facts.append(("The store", f"{words.counted(retries, 'call')} that failed, repeated"))
    if facts:
        blocks.append(Facts(tuple(facts)))
    trainings = _trainings(collected)
    if trainings.rows:
        blocks.append(Fold(f"All {words.counted(len(trainings.rows), 'training')}", trainings))
    return Section("ran", "How it ran", tuple(blocks))


def _facts(counts: tuple[tuple[str, int], ...]) -> str:
    if len(counts) == 1:
        return counts[0][0]
    return "; ".join(f"{text} ({words.counted(count, 'stage')})" for text, count in counts)


def _trainings(collected: Collected) -> Table:
    rows = []
    for stage in collected.plan.stages:
        manifest = collected.manifests.get(stage.fingerprint)
        if stage.kind not in (StageKind.TRAIN, StageKind.PRETRAIN) or manifest is None:
            continue
        metrics = manifest.metrics
        rows.append(
            (
                Cell(stage.label or stage.kind.value, sub=stage.fingerprint[:SHOWN_DIGEST]),
                Cell(_whole(metrics.get("steps"))),
                Cell(_whole(metrics.get("best_step"))),
                Cell(_whole(metrics.get("examples"))),
                Cell(_whole(metrics.get("tokens"))),
                Cell(f"{_real(metrics.get('loss_first'))} → {_real(metrics.get('loss_last'))}"),
                Cell(_dev(metrics.get("dev"))),
                Cell(words.duration(_seconds(manifest.run.get("seconds")))),
            )
        )
    heads = ("Steps", "Best step", "Examples", "Tokens", "Loss, first → last", "Development score", "Time")
    return Table(
        caption="Trainings that have committed.",
        columns=(Column("Training", numeric=False), *(Column(head) for head in heads)),
        rows=tuple(rows),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> str:
    return f"{int(value):,}" if _is_number(value) else words.NOTHING


def _real(value: Any) -> str:
    return words.score(float(value), 3) if _is_number(value) else words.NOTHING


def _seconds(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _dev(value: Any) -> str:
    if _is_number(value):
        return words.score(float(value))
    if isinstance(value, Mapping):
        single = len(value) == 1
        shown = [
            words.score(float(v)) if single else f"{k} {words.score(float(v))}"
            for k, v in value.items()
            if _is_number(v)
        ]
        return ", ".join(shown) or words.NOTHING
    return words.NOTHING


def settings_section(collected: Collected, names: Names) -> Section:
    """Protocol, hyper-parameters, overrides, notes, data."""
    plan = collected.plan
    facts = [("Protocol", _protocol(names)), ("Data", plan.data_root), ("Plan", plan.digest()[:16])]
    overrides = names.study.spec.overrides if names.study else ()
    for override in overrides:
        match = ", ".join(f"{key} {value}" for key, value in override.match.model_dump().items() if value is not None)
        changed = ", ".join(f"{key} = {value}" for key, value in override.set.items())
        facts.append(("Override", f"{match or 'every training'}: {changed}"))
    facts += [("Note", note) for note in plan.notes]
    blocks: list[Block] = [Facts(tuple(facts))]
    hypers = _hypers(collected)
    if hypers.rows:
        blocks.append(hypers)
    blocks += [
        Fold(f"All {words.counted(len(data.rows), 'data file')} with their digests", data) for data in _data(collected)
    ]
    return Section("settings", "Settings and data", tuple(blocks))


def _protocol(names: Names) -> str:
    known = names.catalogue.protocols.get(names.plan.protocol)
    return f"{names.plan.protocol}: {known.title}" if known and known.title else names.plan.protocol


def _hypers(collected: Collected) -> Table:
    """The different settings of the trainings, each with the trainings that have them."""
    using: dict[str, tuple[Hyper, dict[str, None]]] = {}
    for stage in collected.plan.stages:
        if isinstance(stage.params, TrainParams):
            key = stage.params.hyper.model_dump_json()
            trained = " + ".join(task.task for task in stage.params.tasks)
            using.setdefault(key, (stage.params.hyper, {}))[1][trained] = None
    rows = []
    for hyper, tasks in using.values():
        length = f"{hyper.epochs:g} epochs" + (f", at most {hyper.max_steps:,} steps" if hyper.max_steps else "")
        stop = f"patience {hyper.patience}" if hyper.patience else "to the end"
        rows.append(
            (
                Cell(words.listed(list(tasks))),
                Cell(f"{hyper.learning_rate:g}"),
                Cell(str(hyper.batch_size)),
                Cell(length),
                Cell(f"{hyper.warmup:g}"),
                Cell(f"{hyper.weight_decay:g}"),
                Cell(str(hyper.max_length)),
                Cell(stop),
            )
        )
    heads = ("Learning rate", "Batch", "Length", "Warm-up", "Weight decay", "Tokens", "Stops")
    return Table(
        caption="Settings of the trainings.",
        columns=(Column("Training on", numeric=False), *(Column(head) for head in heads)),
        rows=tuple(rows),
    )


def _data(collected: Collected) -> Iterator[Table]:
    """The data files and encoders that the study reads, once each; nothing where it reads none."""
    files: dict[tuple[str, str], DataFile] = {}
    encoders: dict[str, EncoderSource] = {}
    for stage in collected.plan.stages:
        for file in stage.files:
            files.setdefault((file.path, file.sha256), file)
        encoder = getattr(stage.params, "encoder", None)
        if isinstance(encoder, EncoderSource):
            encoders.setdefault(encoder.digest, encoder)
    rows = [
        (
            Cell(encoder.location, sub=encoder.revision or ""),
            Cell("encoder"),
            Cell(words.NOTHING),
            Cell(digest[:SHOWN_DIGEST]),
        )
        for digest, encoder in encoders.items()
    ]
    rows += [
        (
            Cell(file.path),
            Cell(file.format),
            Cell(words.size(file.size)),
            Cell(file.sha256[:SHOWN_DIGEST], title=file.sha256),
        )
        for _, file in sorted(files.items())
    ]
    if rows:
        yield Table(
            caption="Data files, with the beginning of their SHA-256.",
            columns=(
                Column("File", numeric=False),
                Column("Format", numeric=False),
                Column("Size"),
                Column("SHA-256", numeric=False),
            ),
            rows=tuple(rows),
            css="data",
        )


def languages_section(collected: Collected, names: Names) -> Section:
    """What is known of the languages, with the targets that have them."""
    targets = collected.scores.targets
    rows = []
    for code in dict.fromkeys(code for target in targets for code in target.languages):
        known = names.known_language(code)
        size = known.cc100_gib if known else None
        rows.append(
            (
                Cell(names.language(code), sub=code, css="language"),
                Cell(known.family if known else words.NOTHING),
                Cell(known.script if known else words.NOTHING),
                Cell(known.morphology if known else words.NOTHING),
                Cell(words.NOTHING if size is None else f"{size:.1f}"),
                *(Cell("●" if code in target.languages else "", css="tick") for target in targets),
            )
        )
    columns = (
        Column("Language", numeric=False),
        Column("Family", numeric=False),
        Column("Script", numeric=False),
        Column("Morphology", numeric=False),
        Column("CC-100, GiB", title="size of the language in the CC-100 corpus"),
        *(Column(names.short_target(target.target), title=names.target(target.target)) for target in targets),
    )
    table = Table(
        caption="Languages, and the targets that evaluate them: ●.", columns=columns, rows=tuple(rows), css="ticks"
    )
    return Section("languages", "Languages", (table,))


def files_section() -> Section:
    """The tables beside the report."""
    facts = (
        ("results.csv, results.parquet", "the long table: one row for each arm, target, language, seed and metric"),
        ("summary.csv", "each arm on each target: mean, deviation, gain, English, transfer gap, counts"),
        ("tables/gains.csv", "each gain with its intervals, p values, family, detectable difference and order"),
        ("tables/best.csv", "the curriculum that each target would choose, and the oracle"),
        ("tables/claims.csv, tables/reference.csv", "claims and published values, where the study has any"),
        ("tables/wrong_runs.csv", "runs that went wrong, where there are any"),
        ("tables/languages.csv", "each arm in each language"),
        ("tables/states.csv", "retrieval by hidden state"),
        ("tables/missing.csv", "cells without all of their scores, and why"),
        ("references.bib", "what a paper on the study has to cite"),
        ("--format latex, --format markdown", "the tables of this report for a paper, with the methods paragraph"),
    )
    text = Text(
        "The numbers of every table and figure are in these files. `stilts results STUDY --out FOLDER` writes them "
        "again from whatever has committed, and with `--only FILE` one of them alone, as it stands below each figure: "
        "there the study's file is called by the study's name."
    )
    return Section("files", "The same numbers as files", (text, Facts(facts)))


def evaluations(collected: Collected) -> int:
    """Distinct evaluate stages of the plan."""
    return sum(isinstance(stage.params, EvaluateParams) for stage in collected.plan.stages)
