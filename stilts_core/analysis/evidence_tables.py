"""The statistics as CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stilts_core.analysis.claims import Comparison, Verdict
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.reference import Beside
from stilts_core.analysis.report.columns import csv_table, files_of, interval_columns


def evidence_files(evidence: Evidence, beside: Sequence[Beside]) -> dict[str, bytes]:
    """The tables by name; one without rows has its header alone."""
    gains = csv_table(
        "gains",
        evidence.gains,
        {
            "encoder": lambda g: g.encoder,
            "curriculum": lambda g: g.curriculum,
            "target": lambda g: g.target,
            **interval_columns(lambda g: g.interval, ("gain", "low", "high")),
            "se": lambda g: g.interval.se,
            "df": lambda g: g.interval.df,
            "p": lambda g: g.interval.p,
            "p_adjusted": lambda g: g.adjusted,
            "family": lambda g: g.family,
            "correction": lambda g: g.correction,
            "basis": lambda g: g.interval.basis,
            "pairs": lambda g: len(g.pairs),
            "deviation": lambda g: g.deviation,
            "detectable": lambda g: g.detectable,
            "error_reduction": lambda g: g.error_reduction,
            "epsilon_min": lambda g: g.order.minimum if g.order else None,
            "general_low": lambda g: g.general.low if g.general else None,
            "general_high": lambda g: g.general.high if g.general else None,
            "wilcoxon_p": lambda g: g.by_language.p if g.by_language else None,
            **interval_columns(lambda g: g.english, ("english", "english_low", "english_high")),
            **interval_columns(lambda g: g.others, ("others", "others_low", "others_high")),
            **interval_columns(lambda g: g.gap, ("gap_change", "gap_change_low", "gap_change_high")),
        },
    )
    best = csv_table(
        "best",
        evidence.best,
        {
            "encoder": lambda b: b.encoder,
            "target": lambda b: b.target,
            "chosen": lambda b: b.chosen,
            **interval_columns(lambda b: b.interval, ("gain", "low", "high")),
            "oracle": lambda b: b.oracle,
            "oracle_gap": lambda b: b.oracle_gap,
            "candidates": lambda b: b.candidates,
            "chosen_by": lambda b: b.basis,
        },
    )
    claims = csv_table(
        "claims",
        _compared(evidence.verdicts),
        {
            "claim": lambda c: c[0].claim.name,
            "encoder": lambda c: c[0].encoder,
            "says": lambda c: c[0].claim.says,
            "source": lambda c: c[0].claim.source,
            "status": lambda c: c[0].claim.status,
            "answer": lambda c: c[0].answer.value,
            "decides": lambda c: c[0].decides,
            "curriculum": lambda c: c[1].curriculum if c[1] else None,
            "target": lambda c: c[1].target if c[1] else None,
            **interval_columns(lambda c: c[1].interval if c[1] else None, ("gain", "low", "high")),
            "level": lambda c: c[1].interval.level if c[1] and c[1].interval else None,
            "comparison": lambda c: c[1].answer.value if c[1] else None,
            "pairs": lambda c: c[1].seeds if c[1] else None,
        },
    )
    wrong = csv_table(
        "wrong_runs",
        evidence.wrong,
        {
            "encoder": lambda w: w.encoder,
            "curriculum": lambda w: w.curriculum,
            "target": lambda w: w.target,
            "seed": lambda w: w.seed,
            "kind": lambda w: w.kind,
            "score": lambda w: w.score,
            "usual": lambda w: w.usual,
            "languages": lambda w: w.languages,
            "of": lambda w: w.of,
        },
    )
    reference = csv_table(
        "reference",
        beside,
        {
            "table": lambda b: b.table,
            "row": lambda b: b.row,
            "status": lambda b: b.status,
            "source": lambda b: b.source,
            "target": lambda b: b.target,
            "metric": lambda b: b.metric,
            "published": lambda b: b.published,
            "study": lambda b: b.own,
            "difference": lambda b: b.difference,
        },
    )
    return files_of((gains, best, claims, wrong, reference))


def _compared(verdicts: Sequence[Verdict]) -> Iterator[tuple[Verdict, Comparison | None]]:
    """Each comparison of each claim; a claim without any once."""
    for verdict in verdicts:
        yield from ((verdict, one) for one in verdict.comparisons or (None,))
