"""What Pydantic finds wrong with a document, as sentences at lines and columns."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from stilts_core.catalog.nearest import nearest, unknown
from stilts_core.spec.document import Document, KeyPath, Problem, show

_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "none_required": "null",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_CODE_PATTERN = "^[a-z]{2,3}$"
_NAME_LENGTH = 40


@dataclass(frozen=True)
class _Fault:
    """An error with the part of the file it is about, and the levels of the model that the file does not spell out."""

    error: ErrorDetails
    path: KeyPath
    implied: tuple[str, ...]


def problems_of(document: Document, model: type[BaseModel], errors: Iterable[ErrorDetails]) -> list[Problem]:
    """The problems of a document.

    Args:
        document: the file.
        model: what it was read as.
        errors: of the `pydantic.ValidationError`.
    """
    faults = [_fault(document, error) for error in errors]
    by_path: dict[KeyPath, list[_Fault]] = {}
    for fault in faults:
        by_path.setdefault(fault.path, []).append(fault)
    misspelt = {
        (fault.path[:-1], nearest(str(fault.path[-1]), _allowed(model, fault)))
        for fault in faults
        if fault.error["type"] == "extra_forbidden"
    }
    problems: list[Problem] = []
    for path, group in by_path.items():
        missing = [fault for fault in group if fault.error["type"] == "missing"]
        sentences = [_sentence(model, fault) for fault in missing if not _echoes(fault, misspelt)]
        others = [fault for fault in group if fault not in missing and not _failed_entries(fault.error)]
        if others:
            sentences.append(_combined(model, others))
        unknown_key = others and others[0].error["type"] == "extra_forbidden"
        position = document.keys[path] if unknown_key else document.positions[path]
        place = show(path[:-1] if unknown_key else path)
        problems.extend(Problem(position, f"{place}: {sentence}") for sentence in sentences)
    return problems


def _fault(document: Document, error: ErrorDetails) -> _Fault:
    path = document.locate(error["loc"])
    rest, spelt = [], list(path)
    for part in error["loc"]:
        if spelt and part == spelt[0]:
            spelt.pop(0)
        else:
            rest.append(part)
    return _Fault(error, path, tuple(part for part in rest if isinstance(part, str)))


def _echoes(fault: _Fault, misspelt: set[tuple[KeyPath, str | None]]) -> bool:
    """Whether a missing key is there after all, with a slip that has its own line."""
    return any((fault.path, name) in misspelt for name in fault.implied)


def _failed_entries(error: ErrorDetails) -> bool:
    """Whether a list counts as too short only because each of its entries is wrong."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _combined(model: type[BaseModel], faults: Sequence[_Fault]) -> str:
    """One sentence for one value: where several kinds of value would do, each has said why this is not its own."""
    telling = [fault for fault in faults if fault.error["type"] not in _KINDS]
    if telling or len(faults) == 1:
        return _sentence(model, (telling or faults)[0])
    kinds = list(dict.fromkeys(_KINDS[fault.error["type"]] for fault in faults))
    if "a number" in kinds and "a whole number" in kinds:
        kinds.remove("a whole number")
    return f"must be {' or '.join(kinds)}, not {_value(faults[0].error['input'])}"


def _sentence(model: type[BaseModel], fault: _Fault) -> str:
    error = fault.error
    if error["type"] == "extra_forbidden":
        return unknown("key", str(fault.path[-1]), _allowed(model, fault))
    if error["type"] == "missing":
        last = error["loc"][-1]
        return f'the key "{last}" is missing' if isinstance(last, str) else "a value is missing at the end of the list"
    if error["type"] in {"model_type", "dict_type"}:
        keys = _keys(_types(model, error["loc"]))
        with_keys = f" with the keys {', '.join(keys)}" if keys else ""
        return f"must be a mapping{with_keys}, not {_value(error['input'])}"
    return _implied_name(fault) + sentence_of(error)


def _implied_name(fault: _Fault) -> str:
    """Which part of a short form's meaning is wrong: a text that stands for an encoder is no name, say."""
    last = fault.error["loc"][-1] if fault.error["loc"] else None
    short = isinstance(fault.error["input"], str) and fault.error["type"] == "string_pattern_mismatch"
    return f"{last} " if short and isinstance(last, str) and last in fault.implied else ""


def sentence_of(error: ErrorDetails) -> str:
    """What is wrong with a value, without its place."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in _KINDS:
        quotes = "; put it in quotes" if kind == "string_type" and isinstance(value, bool | int | float) else ""
        return f"must be {_KINDS[kind]}, not {_value(value)}{quotes}"
    if kind in _BOUNDS:
        bound, word = _BOUNDS[kind]
        return f"must be {word} {context[bound]:g}, not {_value(value)}"
    if kind in {"literal_error", "enum"}:
        return unknown("value", str(value), re.findall(r"'([^']*)'", str(context["expected"])))
    if kind == "string_pattern_mismatch":
        return _of_pattern(str(value), str(context["pattern"]))
    if kind == "too_short":
        return f"needs at least {context['min_length']} entry, and has none"
    if kind == "too_long":
        return f"has {len(value)} entries, and may have {context['max_length']}"
    if kind == "value_error":
        return str(context["error"])
    return error["msg"][:1].lower() + error["msg"][1:]


def _of_pattern(value: str, pattern: str) -> str:
    if pattern == _CODE_PATTERN:
        return f"{_value(value)} is no language code: two or three lower-case letters, as in ISO 639"
    if len(value) > _NAME_LENGTH:
        return f"{_value(value)} is too long for a name: {len(value)} characters, at most {_NAME_LENGTH}"
    return f"{_value(value)} is no name: lower-case letters, digits, dots, hyphens and underscores"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value[:60]}…"' if len(value) > 60 else f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, tuple | list) else str(value)


def _allowed(model: type[BaseModel], fault: _Fault) -> list[str]:
    """The keys allowed where an unknown one stands; where a short form hides a level, the key of that level too."""
    return [*_keys(_types(model, fault.error["loc"][:-1])), *(name for name in fault.implied if name.isidentifier())]


def _keys(found: Iterable[Any]) -> list[str]:
    return [name for kind in found if _is_model(kind) for name in kind.model_fields]


def _types(model: type[BaseModel], place: Iterable[str | int]) -> list[Any]:
    """The types that the model allows at a place."""
    here: list[Any] = [model]
    for part in place:
        inner = [kind for outer in here for kind in _inside(outer, part)]
        here = inner or here  # the name of a union's branch leads nowhere
    return here


def _inside(outer: Any, part: str | int) -> list[Any]:
    if _is_model(outer):
        field = outer.model_fields.get(part)
        return _plain(field.annotation) if field else []
    origin, arguments = get_origin(outer), get_args(outer)
    if origin is tuple and isinstance(part, int):
        return _plain(arguments[0])
    return _plain(arguments[1]) if origin is dict else []


def _plain(annotation: Any) -> list[Any]:
    """The types of an annotation, out of `Annotated` and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [kind for argument in get_args(annotation) for kind in _plain(argument)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
