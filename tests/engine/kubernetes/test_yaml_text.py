"""Objects as YAML: every reader must see the same, also one of another version of YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from stilts_core.engine.kubernetes.yaml_text import to_yaml
from stilts_core.spec.document import parse_document

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=40)


@given(st.dictionaries(TEXTS, TEXTS | st.booleans() | st.integers(-(10**9), 10**9) | st.lists(TEXTS), max_size=4))
@example({"a": "12e4", "b": "1_000", "c": "0x1f", "d": "no", "e": "null", "f": "1.", "g": "2026-01-01"})
@example({"a": "one\ntwo\n", "b": " one\n two", "c": "\n", "d": "one \ntwo"})
def test_two_readers_see_the_same(document: dict[str, object]) -> None:
    text = to_yaml([document])
    assert yaml.safe_load(text) == document
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
    assert parse_document(text.encode(), "text").value == lists


@pytest.mark.parametrize("text", ["12e4", "1e5", "0o17", "0b1", "1_0", "12", "+1"])
def test_what_looks_like_a_number_is_in_quotes(text: str) -> None:
    assert to_yaml([{"a": text}]) == f"---\na: '{text}'\n"


def test_lines_stay_lines() -> None:
    assert to_yaml([{"a": "one\n  two\n"}, {}]) == "---\na: |\n  one\n    two\n--- {}\n"
