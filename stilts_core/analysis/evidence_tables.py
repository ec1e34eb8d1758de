"""The statistics as CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.reference import Beside
from stilts_core.analysis.statistics.results import Interval
from stilts_core.analysis.table import csv_bytes, rounded

_GAIN_COLUMNS = (
    *("encoder", "curriculum", "target", "gain", "low", "high", "se", "df", "p", "p_adjusted", "family", "correction"),
    *("basis", "pairs", "deviation", "detectable", "error_reduction", "epsilon_min"),
    *("general_low", "general_high", "wilcoxon_p", "english", "english_low", "english_high"),
    *("others", "others_low", "others_high", "gap_change", "gap_change_low", "gap_change_high"),
)
_CLAIM_COLUMNS = (
    *("claim", "encoder", "says", "source", "status", "answer", "decides"),
    *("curriculum", "target", "gain", "low", "high", "level", "comparison", "pairs"),
)


def evidence_files(evidence: Evidence, beside: Sequence[Beside]) -> dict[str, bytes]:
    """The tables by name; one without rows has its header alone."""
    found: dict[str, tuple[Sequence[str], Sequence[Sequence[object]]]] = {
        "tables/gains.csv": (_GAIN_COLUMNS, list(_gains(evidence))),
        "tables/best.csv": (
            ("encoder", "target", "chosen", "gain", "low", "high", "oracle", "oracle_gap", "candidates", "chosen_by"),
            [
                (
                    b.encoder,
                    b.target,
                    b.chosen,
                    *_ends(b.interval),
                    b.oracle,
                    rounded(b.oracle_gap),
                    b.candidates,
                    b.basis,
                )
                for b in evidence.best
            ],
        ),
        "tables/claims.csv": (
            _CLAIM_COLUMNS,
            list(_claims(evidence)),
        ),
        "tables/wrong_runs.csv": (
            ("encoder", "curriculum", "target", "seed", "kind", "score", "usual", "languages", "of"),
            [
                (
                    w.encoder,
                    w.curriculum,
                    w.target,
                    w.seed,
                    w.kind,
                    rounded(w.score),
                    rounded(w.usual),
                    w.languages,
                    w.of,
                )
                for w in evidence.wrong
            ],
        ),
        "tables/reference.csv": (
            ("table", "row", "status", "source", "target", "metric", "published", "study", "difference"),
            [
                (
                    b.table,
                    b.row,
                    b.status,
                    b.source,
                    b.target,
                    b.metric,
                    b.published,
                    rounded(b.own),
                    rounded(b.difference),
                )
                for b in beside
            ],
        ),
    }
    return {name: csv_bytes(header, records) for name, (header, records) in found.items()}


def _ends(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    if interval is None:
        return None, None, None
    return rounded(interval.estimate), rounded(interval.low), rounded(interval.high)


def _gains(evidence: Evidence) -> Iterator[Sequence[object]]:
    for gain in evidence.gains:
        one = gain.interval
        yield (
            gain.encoder,
            gain.curriculum,
            gain.target,
            *_ends(one),
            rounded(one.se),
            rounded(one.df),
            rounded(one.p),
            rounded(gain.adjusted),
            gain.family,
            gain.correction,
            one.basis,
            len(gain.pairs),
            rounded(gain.deviation),
            rounded(gain.detectable),
            rounded(gain.error_reduction),
            rounded(gain.order.minimum) if gain.order else None,
            *_ends(gain.general)[1:],
            rounded(gain.by_language.p) if gain.by_language else None,
            *_ends(gain.english),
            *_ends(gain.others),
            *_ends(gain.gap),
        )


def _claims(evidence: Evidence) -> Iterator[Sequence[object]]:
    for verdict in evidence.verdicts:
        claim = verdict.claim
        said = (
            claim.name,
            verdict.encoder,
            claim.says,
            claim.source,
            claim.status,
            verdict.answer.value,
            verdict.decides,
        )
        for one in verdict.comparisons:
            level = None if one.interval is None else rounded(one.interval.level)
            yield (*said, one.curriculum, one.target, *_ends(one.interval), level, one.answer.value, one.seeds)
        if not verdict.comparisons:
            yield (*said, *(None,) * 8)
