"""How two documents differ, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 40  # characters of a value


def compare(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """A clause for each value that is not the same: what it ``was``, by ``found``, and what it ``is``."""
    clauses = []
    for name in sorted({*wanted, *found}):
        here, there = wanted.get(name), found.get(name)
        if here == there:
            continue
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            clauses += [f"{name}, {clause}" for clause in compare(here, there)]
        else:
            clauses.append(f"{name} was {_short(there)} and is {_short(here)}")
    return clauses


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:16]}…"
