"""The sections on the study itself: what is missing, how it ran, its settings, data and languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.frame import rows_of
from stilts_core.analysis.gaps import Gap
from stilts_core.analysis.provenance import provenance
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Block, Cell, Facts, Fold, Section, Table, Text
from stilts_core.analysis.report.columns import Field, label, table
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.scores import TargetScores
from stilts_core.catalog.models import Hyper, Language
from stilts_core.planning.params import EncoderSource, EvaluateParams, TrainParams
from stilts_core.planning.plan import DataFile, StageKind

SHOWN_DIGEST = 12


def arms_section(collected: Collected, names: Names) -> Section:
    """What is compared."""
    encoders = table(
        "Encoders.",
        collected.scores.encoders,
        label("Encoder", lambda name: Cell(name)),
        label("Origin", lambda name: names.encoder(name)),
        css="prose",
    )
    curricula = table(
        "Curricula: what an encoder is trained on before the target.",
        collected.scores.curricula,
        label("Curriculum", lambda name: Cell(name, mark=names.key(name))),
        label("Steps", lambda name: names.steps(name)),
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
    shown = table(
        "Cells without all of their scores."
        + (words.NOT_ZERO_SHOT_MEANS if any(words.NOT_ZERO_SHOT in key[2] for key in grouped) else ""),
        grouped,
        label("Arm", lambda key: key[0]),
        label("Target", lambda key: names.target(key[1])),
        label("Seeds", lambda key: ", ".join(map(str, grouped[key]))),
        label("Languages", lambda key: key[2]),
        label("Why", lambda key: key[3]),
        css="prose",
        source="tables/missing.csv",
    )
    return Section("missing", "What is missing", (Text(text), shown))


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
    at_chance = {key: marks.get("at_chance", {}) for key, marks in found.items()}
    seen = any(words.NOT_ZERO_SHOT in code for languages in at_chance.values() for code in languages)

    def counted(head: str, metric: str) -> Field[tuple[str, str, str]]:
        def of(key: tuple[str, str, str]) -> str:
            count = sum(map(len, found[key].get(metric, {}).values()))
            return f"{count} of {totals[key].scores}" if count else "0"

        return Field(head, of)

    shown = table(
        "Scores at the level of guessing, and degenerate ones, by arm and target. They count in every mean."
        + (words.NOT_ZERO_SHOT_MEANS if seen else ""),
        found,
        label("Arm", lambda key: names.arm(key[0], key[1])),
        label("Target", lambda key: names.target(key[2])),
        counted("At chance", "at_chance"),
        counted("Degenerate", "degenerate"),
        label(
            "Languages at chance (runs)",
            lambda key: words.listed([_times(*one) for one in at_chance[key].items()]) or words.NOTHING,
        ),
        css="prose",
        source="tables/languages.csv",
    )
    text = Text(
        "A score is at chance when it is not above guessing by more than two standard errors, and degenerate when the "
        "model gave one answer to more than 99 % of the examples. A difference between such scores says little."
    )
    return Section("chance", "At the level of guessing", (text, shown))


def _times(code: str, runs: set[str]) -> str:
    return f"{code} ({len(runs)})" if len(runs) > 1 else code


def ran_section(collected: Collected) -> Section:
    """Time, machines, packages, and the trainings."""
    found = provenance(collected.plan, collected.manifests)
    blocks: list[Block] = [
        table(
            "Stages by kind. Retried stages took more than one attempt.",
            [kind for kind in found.kinds if kind.planned],
            label("Kind", lambda kind: kind.kind),
            Field("Planned", lambda kind: str(kind.planned)),
            Field("Done", lambda kind: str(kind.committed)),
            Field("Time of all", lambda kind: words.duration(kind.seconds)),
            Field("Longest", lambda kind: words.duration(kind.longest)),
            Field("Retried", lambda kind: str(kind.retried)),
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
    committed = [
        (stage, manifest, manifest.metrics)
        for stage in collected.plan.stages
        if stage.kind in (StageKind.TRAIN, StageKind.PRETRAIN)
        and (manifest := collected.manifests.get(stage.fingerprint)) is not None
    ]
    return table(
        "Trainings that have committed.",
        committed,
        label("Training", lambda t: Cell(t[0].label or t[0].kind.value, sub=t[0].fingerprint[:SHOWN_DIGEST])),
        Field("Steps", lambda t: _whole(t[2].get("steps"))),
        Field("Best step", lambda t: _whole(t[2].get("best_step"))),
        Field("Examples", lambda t: _whole(t[2].get("examples"))),
        Field("Tokens", lambda t: _whole(t[2].get("tokens"))),
        Field("Loss, first → last", lambda t: f"{_real(t[2].get('loss_first'))} → {_real(t[2].get('loss_last'))}"),
        Field("Development score", lambda t: _dev(t[2].get("dev"))),
        Field("Time", lambda t: words.duration(_seconds(t[1].run.get("seconds")))),
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
    return table(
        "Settings of the trainings.",
        using.values(),
        label("Training on", lambda one: words.listed(list(one[1]))),
        Field("Learning rate", lambda one: f"{one[0].learning_rate:g}"),
        Field("Batch", lambda one: str(one[0].batch_size)),
        Field(
            "Length",
            lambda one: (
                f"{one[0].epochs:g} epochs" + (f", at most {one[0].max_steps:,} steps" if one[0].max_steps else "")
            ),
        ),
        Field("Warm-up", lambda one: f"{one[0].warmup:g}"),
        Field("Weight decay", lambda one: f"{one[0].weight_decay:g}"),
        Field("Tokens", lambda one: str(one[0].max_length)),
        Field("Stops", lambda one: f"patience {one[0].patience}" if one[0].patience else "to the end"),
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
    read: list[DataFile | EncoderSource] = [*encoders.values(), *(file for _, file in sorted(files.items()))]
    if read:
        yield table(
            "Data files, with the beginning of their SHA-256.",
            read,
            label(
                "File",
                lambda one: Cell(one.path) if isinstance(one, DataFile) else Cell(one.location, sub=one.revision or ""),
            ),
            label("Format", lambda one: one.format if isinstance(one, DataFile) else "encoder"),
            Field("Size", lambda one: words.size(one.size) if isinstance(one, DataFile) else words.NOTHING),
            label(
                "SHA-256",
                lambda one: (
                    Cell(one.sha256[:SHOWN_DIGEST], title=one.sha256)
                    if isinstance(one, DataFile)
                    else Cell(one.digest[:SHOWN_DIGEST])
                ),
            ),
            css="data",
        )


def languages_section(collected: Collected, names: Names) -> Section:
    """What is known of the languages, with the targets that have them."""
    targets = collected.scores.targets

    def known(head: str, of: Callable[[Language], str], title: str = "", *, numeric: bool = False) -> Field[str]:
        def cell(code: str) -> str:
            language = names.known_language(code)
            return of(language) if language else words.NOTHING

        return Field(head, cell, title, numeric)

    def evaluated(target: TargetScores) -> Field[str]:
        return Field(
            names.short_target(target.target),
            lambda code: Cell("●" if code in target.languages else "", css="tick"),
            title=names.target(target.target),
        )

    shown = table(
        "Languages, and the targets that evaluate them: ●.",
        dict.fromkeys(code for target in targets for code in target.languages),
        label("Language", lambda code: Cell(names.language(code), sub=code, css="language")),
        known("Family", lambda one: one.family),
        known("Script", lambda one: one.script),
        known("Morphology", lambda one: one.morphology),
        known(
            "CC-100, GiB",
            lambda one: words.NOTHING if one.cc100_gib is None else f"{one.cc100_gib:.1f}",
            "size of the language in the CC-100 corpus",
            numeric=True,
        ),
        *map(evaluated, targets),
        css="ticks",
    )
    return Section("languages", "Languages", (shown,))


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
