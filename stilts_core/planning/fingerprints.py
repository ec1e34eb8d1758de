"""Fingerprints of many stages that share most of what they are made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from stilts_core.model import Frozen
from stilts_core.planning.params import Params
from stilts_core.planning.plan import KIND_VERSIONS, DataFile, StageKind


class Fingerprints:
    """`plan.fingerprint`, with the canonical JSON of shared parts written once.

    Parts are known by object, not by value: what is meant to be shared must be the same object.
    """

    def __init__(self) -> None:
        self._fields: dict[type[Frozen], tuple[tuple[str, str], ...]] = {}
        self._texts: dict[int, tuple[object, str]] = {}  # holds the object too, so that its id stays its own

    def of(self, kind: StageKind, params: Params, parents: dict[str, str], files: tuple[DataFile, ...] = ()) -> str:
        """Equal to ``plan.fingerprint(kind, params, parents, files)``."""
        # Each training has parameters of its own (its seed); those of the other kinds are worth remembering.
        written = self._record(params) if kind is StageKind.TRAIN else self._shared(params)
        text = (
            f'{{"files":{self._shared(files) if files else "[]"},"kind":"{kind.value}",'
            f'"params":{written},"parents":{self._text(parents)},"version":{KIND_VERSIONS[kind]}}}'
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def _shared(self, value: object) -> str:
        known = self._texts.get(id(value))
        if known is None:
            text = self._record(value) if isinstance(value, Frozen) else self._list(value)
            known = self._texts[id(value)] = (value, text)
        return known[1]

    def _text(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return _string(value)
        if value is None:
            return "null"
        if kind is int:
            return str(value)
        if kind is tuple or kind is list:
            return self._list(value)
        if kind is dict:
            return (
                "{" + ",".join(f"{_string(str(key))}:{self._text(value[key])}" for key in sorted(value, key=str)) + "}"
            )
        if isinstance(value, Frozen):
            return self._shared(value)
        return _leaf(value)

    def _record(self, value: Frozen) -> str:
        fields = value.__dict__
        return "{" + ",".join([key + self._text(fields[name]) for name, key in self._keys(type(value))]) + "}"

    def _list(self, value: Any) -> str:
        return "[" + ",".join(map(self._text, value)) + "]"

    def _keys(self, model: type[Frozen]) -> tuple[tuple[str, str], ...]:
        keys = self._fields.get(model)
        if keys is None:
            names = sorted(set(model.model_fields) - model.presentational)
            keys = self._fields[model] = tuple((name, f"{_string(name)}:") for name in names)
        return keys


_leaf = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_string = json.encoder.encode_basestring
