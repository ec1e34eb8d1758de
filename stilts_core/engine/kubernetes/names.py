"""What objects are called: the same for the same thing, and short enough for all that Kubernetes appends.

The longest addition is that of a JobSet's pods, ``-node-0-<index>-<5 characters>``, to be within 63 characters. A name
begins with a letter, as that of a Service must.
"""

from __future__ import annotations

import re

from stilts_core.model import digest
from stilts_core.planning.plan import Stage, StageKind

LONGEST_NAME = 47
_LONGEST_LABEL = 63
_SHORT = {StageKind.SIMILARITY: "similar"}  # the whole word would not fit
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_STUDY_CHARACTERS, _STAGE_STUDY_CHARACTERS = 24, 12
_STUDY_DIGITS, _STAGE_STUDY_DIGITS = 10, 6
_FINGERPRINT_DIGITS = 12  # ten thousand stages agree in them once in five million plans
_LABEL_FINGERPRINT_DIGITS = 32
_MOST_ATTEMPTS = 99_999


def slug(text: str, longest: int) -> str:
    """What can be kept of a text in a DNS label that begins with a letter; never empty, not unique."""
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not kept[:1].isalpha():
        kept = f"study-{kept}"
    return kept[:longest].strip("-")


def study_name(study: str, plan_digest: str) -> str:
    """Of all that belongs to a study as planned: its anchor and, with several nodes, its Service."""
    return f"{slug(study, _STUDY_CHARACTERS)}-{_study_digest(study, plan_digest)[:_STUDY_DIGITS]}"


def driver_name(study: str, plan_digest: str) -> str:
    """Of the driver's Job."""
    return f"{study_name(study, plan_digest)}-driver"


def stage_name(stage: Stage, attempt: int, study: str, plan_digest: str) -> str:
    """Of the Job of an attempt, by its number alone: of two drivers that make the same attempt, one comes first.

    Raises:
        ValueError: the number is not between 1 and 99999.
    """
    if not 1 <= attempt <= _MOST_ATTEMPTS:
        raise ValueError(f"attempt {attempt} is not between 1 and {_MOST_ATTEMPTS}")
    parts = (
        slug(study, _STAGE_STUDY_CHARACTERS),
        _study_digest(study, plan_digest)[:_STAGE_STUDY_DIGITS],
        _SHORT.get(stage.kind, stage.kind.value),
        stage.fingerprint[:_FINGERPRINT_DIGITS],
        str(attempt),
    )
    return "-".join(parts)


def label_value(text: str) -> str:
    """The text itself where a label can hold it, else what can be kept of it with a digest."""
    if len(text) <= _LONGEST_LABEL and _LABEL.fullmatch(text):
        return text
    return f"{slug(text, _STUDY_CHARACTERS)}-{digest(text)[:_STUDY_DIGITS]}"


def fingerprint_label(fingerprint: str) -> str:
    """As much of a fingerprint as a label can hold in a round number; the whole is an annotation."""
    return fingerprint[:_LABEL_FINGERPRINT_DIGITS]


def _study_digest(study: str, plan_digest: str) -> str:
    return digest([study, plan_digest])
