"""What the store says of attempts whose Jobs are gone."""

from __future__ import annotations

from pathlib import Path

from stilts_core.engine.decide import charge
from stilts_core.engine.kubernetes.history import read_past
from stilts_core.errors import Budget
from stilts_core.storage.attempts import Outcome, new_attempt, record_outcome
from stilts_core.storage.open import open_store

FP = "ab" * 32


def test_an_exit_with_0_counts_where_it_is_recorded_as_a_failure(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    record_outcome(store, FP, new_attempt(1), Outcome(exit_code=0, message="it left no manifest", submission="uid"))
    record_outcome(store, FP, new_attempt(2), Outcome(exit_code=0, submission="uid"))
    ends = read_past(store, FP, "uid").ends
    assert list(ends) == [1]
    assert charge(ends[1]) is Budget.APPLICATION
