"""Names that every API server takes, whatever a study is called."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stilts_core.engine.kubernetes import names
from stilts_core.planning.params import TextParams
from stilts_core.planning.plan import Stage, StageKind

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
TEXTS = st.text(max_size=80) | st.text("-._a0Zé", max_size=80)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


def stage(kind: StageKind, fingerprint: str) -> Stage:
    return Stage(fingerprint=fingerprint, kind=kind, version=1, params=TextParams(sequence_length=8))


@given(TEXTS, HEX, st.sampled_from(StageKind), HEX, st.integers(1, 99_999))
@example("", "0" * 64, StageKind.EVALUATE, "f" * 64, 99_999)
@example("-" * 80, "0" * 64, StageKind.PRETRAIN, "f" * 64, 1)
@example("9" * 80, "0" * 64, StageKind.PRETRAIN, "f" * 64, 99_999)
def test_names_are_short_dns_labels(
    study: str, plan_digest: str, kind: StageKind, fingerprint: str, attempt: int
) -> None:
    for name in (
        names.study_name(study, plan_digest),
        names.driver_name(study, plan_digest),
        names.stage_name(stage(kind, fingerprint), attempt, study, plan_digest),
    ):
        assert DNS_LABEL.fullmatch(name)
        assert len(name) <= names.LONGEST_NAME < 48


@given(TEXTS)
@example("a" * 64)
@example("a_")
def test_any_text_has_a_label(text: str) -> None:
    value = names.label_value(text)
    assert LABEL_VALUE.fullmatch(value)
    assert value == text or value != names.label_value(text + "x")


@given(TEXTS, TEXTS, HEX)
def test_two_studies_have_two_names(one: str, other: str, plan_digest: str) -> None:
    same = names.study_name(one, plan_digest) == names.study_name(other, plan_digest)
    assert same == (one == other)


def test_a_name_says_what_it_is_of() -> None:
    train = stage(StageKind.TRAIN, "ab" * 32)
    assert re.fullmatch(
        r"phang-2020-x-[0-9a-f]{6}-train-abababababab-2", names.stage_name(train, 2, "Phang_2020 (XTREME)", "0" * 64)
    )
    assert names.study_name("phang2020", "0" * 64) != names.study_name("phang2020", "1" * 64)


@pytest.mark.parametrize("attempt", [0, -1, 100_000])
def test_an_attempt_has_a_number_that_fits(attempt: int) -> None:
    with pytest.raises(ValueError, match="is not between 1 and 99999"):
        names.stage_name(stage(StageKind.TRAIN, "ab" * 32), attempt, "a", "0" * 64)
