"""The base of every document that crosses a boundary: frozen, closed, and with an identity of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

API_VERSION: Final = "stilts/v1alpha1"


class Frozen(BaseModel):
    """An immutable record that refuses unknown keys.

    ``presentational`` names the fields that are for people or for placement and decide no result: they stay out of
    :func:`identity`, and so out of every fingerprint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    presentational: ClassVar[frozenset[str]] = frozenset()


def identity(value: Any) -> Any:
    """The JSON value of what decides a result: ``value`` without its presentational fields."""
    if isinstance(value, Frozen):
        skip = type(value).presentational
        return {name: identity(getattr(value, name)) for name in sorted(type(value).model_fields) if name not in skip}
    if isinstance(value, Mapping):
        return {str(key): identity(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        return [identity(item) for item in value]
    return value


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no blanks and no NaN: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """The SHA-256, in hexadecimal, of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
