"""A YAML file as a value whose every part knows its line and column.

YAML 1.2's core schema decides what a plain word is, so that ``1e-5`` is a number and ``no`` (Norwegian) is text. There
are no tags, one document a file, no key twice, and an end to what aliases may expand to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stilts_core.errors import SpecError

KeyPath = tuple[str | int, ...]
Position = tuple[int, int]

MAX_BYTES = 4 << 20
MAX_VALUES = 200_000
MAX_DEPTH = 50
MAX_PROBLEMS = 20
_MAX_DIGITS = 18

_TAG = "tag:yaml.org,2002:"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a file: where (line and column from 1), and a sentence."""

    position: Position
    sentence: str


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        name: the file as the user called it, for messages.
        value: mappings as dict, lists as tuple, and scalars.
        positions: key path → line and column of the value there.
        keys: key path → line and column of the key that leads there.
    """

    name: str
    text: str
    value: Any
    positions: Mapping[KeyPath, Position]
    keys: Mapping[KeyPath, Position]

    def locate(self, place: Iterable[str | int]) -> KeyPath:
        """The part of the file that a place in the model came from.

        A short form stands for several levels of the model; the levels that the file does not spell out are left out.
        """
        here, path = self.value, list[str | int]()
        for part in place:
            if isinstance(here, dict):
                found = part in here
            else:
                found = isinstance(here, tuple) and isinstance(part, int) and part < len(here)
            if found:
                here = here[part]
                path.append(part)
        return tuple(path)


def report(name: str, problems: Iterable[Problem]) -> SpecError:
    """One error for all problems of a file, in the order of its lines."""
    ordered = sorted(set(problems))
    lines = [f"{name}:{p.position[0]}:{p.position[1]}: {p.sentence}" for p in ordered[:MAX_PROBLEMS]]
    if len(ordered) == 1:
        return SpecError(lines[0])
    if len(ordered) > MAX_PROBLEMS:
        lines.append(f"and {len(ordered) - MAX_PROBLEMS} more")
    return SpecError("\n  ".join([f"{name} has {len(ordered)} problems:", *lines]))


def show(path: KeyPath) -> str:
    """A key path as it is written in messages: ``spec.curricula[2].steps``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"


def read_document(path: Path) -> Document:
    """Read and parse a file.

    Raises:
        SpecError: it cannot be read, or is not YAML of the kind described above; with file, line and column.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"There is no file {name}.", hint="Check the name; it is relative to this folder.") from None
    except IsADirectoryError:
        raise SpecError(f"{name} is a folder.", hint="Name the YAML file in it.") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"{name!r} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > MAX_BYTES:
        raise SpecError(f"{name} is larger than {MAX_BYTES >> 20} MiB; that is no study or profile.")
    return parse_document(data, name)


def parse_document(data: bytes, name: str) -> Document:
    """Parse the bytes of a file; see `read_document`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        problem = Problem((before.count(b"\n") + 1, column), f"byte 0x{data[error.start]:02x} is not UTF-8 text")
        raise report(name, [problem]) from None
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        context = f" {error.context}" if error.context else ""
        raise report(name, [Problem(position, f"not valid YAML{context}: {error.problem}")]) from None
    except yaml.reader.ReaderError as error:
        before_text = text[: error.position]
        position = (before_text.count("\n") + 1, error.position - (before_text.rfind("\n") + 1) + 1)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise report(name, [Problem(position, f"the character U+{code:04X} is not allowed in YAML")]) from None
    except RecursionError:
        raise report(name, [Problem((1, 1), f"nested deeper than {MAX_DEPTH} levels")]) from None
    except (ValueError, OverflowError) as error:  # an escape or a directive with a number out of range
        raise report(name, [Problem((1, 1), f"not valid YAML: {error}")]) from None
    if node is None:
        raise SpecError(f"{name} is empty.", hint="`stilts schema study` says what belongs in a study.")
    builder = _Builder(name)
    value = builder.build(node, ())
    return Document(name, text, value, builder.positions, builder.keys)


class _Loader(yaml.SafeLoader):
    """Reads nodes only; `_Builder` makes values of them."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _kind, _shape, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_shape})\\Z", re.ASCII), _first)


class _Builder:
    def __init__(self, name: str) -> None:
        self.positions: dict[KeyPath, Position] = {}
        self.keys: dict[KeyPath, Position] = {}
        self._name = name
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.positions[path] = _position(node)
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._problem(node, f"more than {MAX_VALUES:,} values; aliases expand to too many")
        if id(node) in self._open:
            raise self._problem(node, "an anchor that contains itself")
        if len(path) > MAX_DEPTH:
            raise self._problem(node, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return tuple(self.build(item, (*path, index)) for index, item in enumerate(node.value))
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
        finally:
            self._open.discard(id(node))
        raise self._tag(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise self._problem(key_node, "a key is text; put it in quotes if it looks like something else")
            if key in result:
                line, _ = self.keys[(*path, key)]
                raise self._problem(key_node, f'the key "{key}" is here twice, first in line {line}')
            self.keys[(*path, key)] = _position(key_node)
            result[key] = self.build(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "str":
            if _CONTROL.search(text):
                raise self._problem(node, "text with a control character")
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        try:
            if kind == "int":
                return self._integer(node, text)
            if kind == "float":
                number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
                if math.isfinite(number):
                    return number
                raise self._problem(node, f"{text} is not a finite number")
        except ValueError:
            pass
        raise self._tag(node)

    def _integer(self, node: yaml.ScalarNode, text: str) -> int:
        if len(text) > _MAX_DIGITS:
            raise self._problem(node, f"a number of more than {_MAX_DIGITS} digits")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def _tag(self, node: yaml.Node) -> SpecError:
        return self._problem(node, f"the tag {node.tag.replace(_TAG, '!!')} is not used here; write the plain value")

    def _problem(self, node: yaml.Node, sentence: str) -> SpecError:
        return report(self._name, [Problem(_position(node), sentence)])


def _position(node: yaml.Node) -> Position:
    return (node.start_mark.line + 1, node.start_mark.column + 1)
