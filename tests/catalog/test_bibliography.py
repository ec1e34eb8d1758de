from __future__ import annotations

import re
import unicodedata

import pytest

from stilts_core.catalog.bibliography import Entry, bibliography, own_entry, to_bibtex
from stilts_core.catalog.load import load_catalogue


def letters(text: str) -> str:
    bare = unicodedata.normalize("NFD", text.lower()).replace("{", "").replace("}", "")
    return re.sub(r"[^a-z0-9]+", " ", "".join(c for c in bare if not unicodedata.combining(c))).strip()


def test_every_task_encoder_and_protocol_is_there() -> None:
    known, catalogue = bibliography(), load_catalogue()
    assert set(known.tasks) == set(catalogue.tasks)
    assert set(known.encoders) == set(catalogue.encoders)
    assert set(known.protocols) == set(catalogue.protocols)


@pytest.mark.parametrize("name", load_catalogue().tasks)
def test_entries_agree_with_the_catalogues_citations(name: str) -> None:
    citation = letters(load_catalogue().tasks[name].citation)
    known = bibliography()
    matching = [entry for entry in map(known.entry, known.tasks[name]) if letters(entry.title) in citation]
    assert matching
    for entry in matching:
        assert all(letters(author.split(",")[0]) in citation for author in entry.author)
        assert str(entry.year) in citation


def test_entries_are_whole() -> None:
    for entry in bibliography().entries:
        assert entry.author
        assert entry.year
        assert entry.venue or entry.type == "misc"
        assert entry.title.count("{") == entry.title.count("}")


def test_bibtex_is_balanced_ascii_and_protects_capitals() -> None:
    text = to_bibtex(bibliography().entries)
    assert text.isascii()
    assert text.count("{") == text.count("}")
    assert "title = {{XTREME}: a massively" in text
    assert "title = {{TyDi} {QA}: a benchmark for information-seeking" in text
    assert "F{\\'e}vry, Thibault" in text
    assert "Haji{\\v c}, Jan" in text
    keys = re.findall(r"^@\w+\{([^,]+),$", text, re.M)
    assert keys == sorted(keys)


def test_a_studys_own_task_cannot_break_the_file() -> None:
    entry = own_entry("mine", "A {title}", "Someone (2020). 50% & more_\\end}", "https://example.org/a_b")
    text = to_bibtex([entry])
    assert text.count("{") == text.count("}")
    assert "50\\% \\& more\\_/end)" in text
    assert "url = {https://example.org/a_b}" in text


def test_short_names() -> None:
    known = bibliography()
    assert known.entry("holm-1979-simple").short == "Holm 1979"
    assert known.entry("benjamini-1995-controlling").short == "Benjamini and Hochberg 1995"
    assert known.entry("dror-2019-deep").short == "Dror et al. 2019"
    assert isinstance(known.entry("nie-2020-anli"), Entry)
