from __future__ import annotations

import gc

import pytest

from stilts_core.analysis.uncollected import uncollected
from stilts_core.errors import DataError


def test_the_search_for_garbage_goes_on_afterwards_also_after_an_error() -> None:
    @uncollected()
    def fail() -> None:
        assert not gc.isenabled()
        raise DataError("no table")

    assert gc.isenabled()
    with pytest.raises(DataError):
        fail()
    assert gc.isenabled()


def test_inner_uses_leave_it_to_the_outer() -> None:
    @uncollected()
    def inner() -> bool:
        return gc.isenabled()

    with uncollected():
        assert not inner()
        assert not gc.isenabled()
    assert gc.isenabled()
