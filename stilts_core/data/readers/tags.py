"""Words with tags: XTREME's two columns, WikiAnn's, CoNLL-U, and sentences of CCGbank on a line each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stilts_core.data.readers.lines import FETCH_AGAIN, checked_label, read_lines
from stilts_core.data.readers.pairs import columns
from stilts_core.data.records import TagRecord
from stilts_core.errors import DataError

UNSEEN = "_"
"""The word that stands where a file has a tag and a word of blanks alone."""

ID = re.compile(r"\d+([-.]\d+)?")
ZERO_WIDTH_NON_JOINER = "\u200c"
# Which of two words that hang equally high names a fused form, as in XTREME's preprocessing.
PRECEDENCE = (
    *("VERB", "NOUN", "PROPN", "PRON", "ADJ", "NUM", "ADV", "INTJ", "AUX", "ADP", "DET", "PART", "CCONJ", "SCONJ"),
    *("X", "PUNCT", "SYM"),
)
PRECEDENCE_BY_LANGUAGE = {
    "es": ("VERB", "AUX", "PRON", "ADP", "DET"),
    "fr": ("VERB", "AUX", "PRON", "NOUN", "ADJ", "ADV", "ADP", "DET", "PART", "SCONJ"),
    "it": ("VERB", "AUX", "ADV", "PRON", "ADP", "DET", "INTJ"),
}


def read_tags_tsv(path: Path, labels: Sequence[str]) -> list[TagRecord]:
    """A word and its tag on a line; a blank line closes a sentence. Files without any tag have one column."""
    return _read_tagged(path, read_lines(path), labels)


def _read_tagged(path: Path, lines: list[str], labels: Sequence[str]) -> list[TagRecord]:
    tagged = any("\t" in line for line in lines)
    records: list[TagRecord] = []
    for block in _blocks(lines):
        words, tags = [], []
        for number, line in block:
            word, _, tag = line.partition("\t")
            if not word:
                raise DataError(f"{path}:{number}: no word before the tag.", hint=FETCH_AGAIN)
            if tagged and not tag:
                raise DataError(f"{path}:{number}: the word `{word[:40]}` has no tag.", hint=FETCH_AGAIN)
            words.append(word)
            if tagged:
                tags.append(checked_label(tag, labels, f"{path}:{number}"))
        records.append(TagRecord(str(len(records)), tuple(words), tuple(tags) if tagged else None))
    return records


def read_panx(path: Path, labels: Sequence[str], language: str) -> list[TagRecord]:
    """PAN-X: as in WikiAnn, where each word has its language before it (``de:Haus``), or as XTREME rewrote it.

    What comes before the first colon is taken off where every word of the file begins with the language. Some words
    are made of blanks alone and are gone in XTREME's files, which keep their tags; they are kept here too, as
    ``_``, so that the tags of a prediction stay in step.
    """
    lines = read_lines(path)
    words = [(number, line.partition("\t")[0]) for number, line in enumerate(lines, start=1) if line.strip()]
    prefix = f"{language}:"
    marked = [number for number, word in words if word.startswith(prefix)]
    if 2 * len(marked) > len(words):
        plain = next((number for number, word in words if not word.startswith(prefix)), None)
        if plain is not None:
            raise DataError(
                f"{path}:{plain}: the word does not begin with `{prefix}`, and {len(marked)} others do.",
                hint=FETCH_AGAIN,
            )
        lines = [line[len(prefix) :] if line.strip() else "" for line in lines]
    return _read_tagged(path, [_with_word(line) for line in lines], labels)


def _with_word(line: str) -> str:
    word, tab, tag = line.partition("\t")
    return f"{UNSEEN}\t{tag}" if tab and tag.strip() and not word.strip() else line


def read_ccg(path: Path, labels: Sequence[str]) -> list[TagRecord]:
    """A sentence a line: its words with blanks between them, a tab, and as many categories."""
    records: list[TagRecord] = []
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}:{number}"
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(
                f"{where}: {columns(len(cells))} where words and categories are expected.", hint=FETCH_AGAIN
            )
        words, tags = cells[0].split(), cells[1].split()
        if not words or len(words) != len(tags):
            raise DataError(f"{where}: {len(words)} words and {len(tags)} categories.", hint=FETCH_AGAIN)
        checked = tuple(checked_label(tag, labels, where) for tag in tags)
        records.append(TagRecord(str(len(records)), tuple(words), checked))
    return records


def read_conllu(path: Path, labels: Sequence[str], language: str) -> list[TagRecord]:
    """CoNLL-U with the universal tags, brought into XTREME's shape.

    A fused form (a range of ids) stands for its words and has the tag of the one nearest to the root. Zero-width
    non-joiners and blanks inside of a form are removed. A sentence whose forms are all, or all but one, ``_`` (a
    treebank that may not print its text) is left out. Empty nodes are no words.
    """
    records: list[TagRecord] = []
    for block in _blocks(read_lines(path)):
        words, tags = _sentence(path, block, labels, language)
        if words and words.count("_") < max(1, len(words) - 1):
            records.append(TagRecord(str(len(records)), tuple(words), tuple(tags)))
    if not records:
        raise DataError(
            f"{path} holds no sentence with text.", hint="Treebanks without text need their text put in first."
        )
    return records


def _blocks(lines: list[str]) -> Iterator[list[tuple[int, str]]]:
    """Lines between blank ones, with their numbers."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _sentence(
    path: Path, block: list[tuple[int, str]], labels: Sequence[str], language: str
) -> tuple[list[str], list[str]]:
    forms: dict[int, str] = {}
    tags: dict[int, str] = {}
    heads: dict[int, int] = {}
    fused: list[tuple[int, int, str]] = []
    for number, line in block:
        if line.startswith("#"):
            continue
        where = f"{path}:{number}"
        cells = line.split("\t")
        if len(cells) != 10:
            raise DataError(f"{where}: {len(cells)} columns where CoNLL-U has 10.", hint=FETCH_AGAIN)
        identifier, form, tag, head = cells[0], _cleaned(cells[1]), cells[3], cells[6]
        if not ID.fullmatch(identifier) or not (head == "_" or head.isdecimal()):
            raise DataError(f"{where}: the id or the head is no number.", hint=FETCH_AGAIN)
        if "-" in identifier:
            start, _, stop = identifier.partition("-")
            fused.append((int(start), int(stop), form))
        elif "." not in identifier:
            if tag in ("_", ""):
                raise DataError(f"{where}: the word `{form[:40]}` has no universal tag.", hint=FETCH_AGAIN)
            index = int(identifier)
            forms[index], tags[index] = form, checked_label(tag, labels, where)
            heads[index] = 0 if head == "_" else int(head)
    for first, last, form in fused:
        span = [index for index in range(first, last + 1) if index in forms]
        if not span:
            raise DataError(f"{path}:{block[0][0]}: the words {first}-{last} are missing.", hint=FETCH_AGAIN)
        tags[first] = tags[_nearest_to_root(span, heads, tags, language)]
        forms[first] = form
        for index in span[1:]:
            del forms[index], tags[index]
    order = sorted(forms)
    return [forms[index] for index in order], [tags[index] for index in order]


def _cleaned(form: str) -> str:
    return form.replace(ZERO_WIDTH_NON_JOINER, "").replace(" ", "") or "_"


def _nearest_to_root(span: list[int], heads: dict[int, int], tags: dict[int, str], language: str) -> int:
    def depth(index: int) -> int:
        seen = {index}
        while (index := heads.get(index, 0)) and index not in seen:
            seen.add(index)
        return len(seen)

    preferred = (*PRECEDENCE_BY_LANGUAGE.get(language, ()), *PRECEDENCE)
    return min(span, key=lambda index: (depth(index), preferred.index(tags[index]) if tags[index] in preferred else 99))
