"""Amounts as Kubernetes writes them, against its own words for powers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from stilts_core.spec.quantities import amount


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("4", 4),
        ("500m", Fraction(1, 2)),
        ("0.25", Fraction(1, 4)),
        ("2k", 2000),
        ("1.5G", 1_500_000_000),
        ("1Ki", 1024),
        ("16Gi", 16 * 2**30),
        ("1Ti", 2**40),
        ("1P", 10**15),
        ("1Ei", 2**60),
    ],
)
def test_a_quantity_stands_for_a_number(quantity: str, number: Fraction) -> None:
    assert amount(quantity) == number


@pytest.mark.parametrize("quantity", ["", "1e3", "-1", "1 Gi", "1gi", "Gi", ".5", "1.", "1mi", "1Gib"])
def test_anything_else_is_none(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        amount(quantity)
