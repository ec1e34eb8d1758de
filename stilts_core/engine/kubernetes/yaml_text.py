"""Objects as YAML that any reader takes for the same, whichever version of YAML it follows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from stilts_core.engine.kubernetes.labels import Object

_NUMBER_ELSEWHERE = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[oxb][0-9a-fA-F_]+")


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what others read as a number, such as the hexadecimal 12e4; writes lines as lines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if _NUMBER_ELSEWHERE.fullmatch(text):
        style = "'"
    elif "\n" in text:
        style = "|"  # the emitter falls back to quotes where lines would not come back as they were
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(objects: Iterable[Object]) -> str:
    """The objects as one stream of documents, keys in their order."""
    return yaml.dump_all(
        objects, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=1_000_000
    )
