"""Writes what of the chart follows from the program's models: the file of values with its comments, and its schema.

``python charts/generate.py`` writes both files; ``make chart`` does, and makes ``manifests/`` from the chart, too.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stilts_core.spec.chart import Values, values_schema
from stilts_core.spec.schema import docstring_of

CHART = Path(__file__).parent / "stilts"
WIDTH = 120
HEAD = """\
# The values of the chart, all of them with their defaults. This file and values.schema.json are written from the
# program's own models (make chart). Under `profile` stand the keys of a profile file's `spec`.
"""
ELSEWHERE = {("profile", "local"), ("global",)}  # how stages share one machine; the values of an outer chart


def schema_text() -> str:
    """The content of values.schema.json."""
    return json.dumps(values_schema(), indent=1, ensure_ascii=False) + "\n"


def values_text() -> str:
    """The content of values.yaml."""
    return HEAD + "\n".join(_lines(Values(), (), set())) + "\n"


def _lines(model: BaseModel, path: tuple[str, ...], explained: set[type[BaseModel]]) -> Iterator[str]:
    """A model's fields; what has been explained once, such as the keys of an image, is not explained again."""
    words = {} if type(model) in explained else docstring_of(type(model))[1]
    explained.add(type(model))
    indent = "  " * len(path)
    for name, field in type(model).model_fields.items():
        key, value = field.alias or name, getattr(model, name)
        if (*path, key) in ELSEWHERE:
            continue
        nested = isinstance(value, BaseModel)
        comment = words.get(key, "")
        if nested and not comment and type(value) not in explained:
            comment = docstring_of(type(value))[0]
        if not path:
            yield ""
        if comment:
            yield from _comment(comment, indent)
        if nested:
            yield f"{indent}{key}:"
            yield from _lines(value, (*path, key), explained)
        else:
            yield f"{indent}{key}: {_flow(value)}"


def _comment(words: str, indent: str) -> list[str]:
    words = re.sub(r"\bNone\b", "null", words)
    words = words if words.startswith("null") else words[:1].upper() + words[1:]
    return textwrap.wrap(words, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _flow(value: Any) -> str:
    plain = [item.model_dump(exclude_defaults=True) for item in value] if isinstance(value, tuple) else value
    text = yaml.safe_dump(_lists(plain), default_flow_style=True, sort_keys=False, width=WIDTH)
    return text.removesuffix("...\n").strip()


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    (CHART / "values.schema.json").write_text(schema_text(), encoding="utf-8")
    (CHART / "values.yaml").write_text(values_text(), encoding="utf-8")
