"""Rows as files: for each format that `stilts data pull` writes, the inverse of its reader.

A row is a dictionary with the columns of its format under the names used here; labels are texts (or numbers, where the
format has numbers), and None where the answer is withheld.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from stilts_core.errors import DataError

Row = dict[str, Any]
Written = int
"""How many texts had to be changed to fit the format: a tab or a line break that became a blank, an answer moved."""

_BREAKS = re.compile(r"[\t\r\n\v\f]+")
_NOT_IN_WORDS = re.compile("[\\s\u200c]+")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_HELLASWAG = ("ctx_a", "ctx_b", "endings", "ind", "activity_label", "ctx", "source_id", "split", "split_type", "label")
_XCOPA = ("premise", "choice1", "choice2", "question", "label", "idx", "changed")
_COSMOS = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label")
_SOCIAL = ("context", "question", "answerA", "answerB", "answerC")


def write_rows(format: str, rows: Iterable[Row], path: Path, pair: Path | None = None) -> Written:  # noqa: A002
    """Write a file, and its pair where the format has one.

    Raises:
        DataError: a column is missing, or a row cannot be written in this format.
    """
    for file in filter(None, (path, pair)):
        file.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        try:
            if pair is None:
                return _WRITERS[format](rows, out)
            with pair.open("w", encoding="utf-8", newline="\n") as second:
                return _PAIRED[format](rows, out, second)
        except KeyError as error:
            raise DataError(f"The rows have no column {error}, which the format {format} needs.") from error


def _pairs_tsv(rows: Iterable[Row], out: IO[str]) -> Written:
    changed = 0
    for row in rows:
        texts = [row["sentence1"], row["sentence2"]]
        cells = [_BREAKS.sub(" ", text).strip() for text in texts]
        changed += any(_BREAKS.search(text) for text in texts)
        label = [] if row["label"] is None else [str(row["label"])]
        out.write("\t".join([*map(_quoted, cells), *label]) + "\n")
    return changed


def _quoted(cell: str) -> str:
    """As XTREME's csv writer does it, so that no reader can take a quote at both ends for its own."""
    return '"' + cell.replace('"', '""') + '"' if '"' in cell else cell


def _qqp(rows: Iterable[Row], out: IO[str]) -> Written:
    changed = 0
    out.write("id\tquestion1\tquestion2\tis_duplicate\n")
    for row in rows:
        texts = [row["question1"] or "", row["question2"] or ""]
        changed += any(_BREAKS.search(text) for text in texts)
        out.write("\t".join([str(row["id"]), *(_BREAKS.sub(" ", text) for text in texts), str(row["label"])]) + "\n")
    return changed


def _mnli(rows: Iterable[Row], out: IO[str]) -> Written:
    return _json_lines(
        (
            {
                **({"pairID": row["pairID"]} if "pairID" in row else {}),
                "gold_label": row["label"] or "-",
                "sentence1": row["sentence1"],
                "sentence2": row["sentence2"],
            }
            for row in rows
        ),
        out,
    )


def _anli(rows: Iterable[Row], out: IO[str]) -> Written:
    return _json_lines(
        (
            {"uid": row["uid"], "context": row["context"], "hypothesis": row["hypothesis"], "label": row["label"][0]}
            for row in rows
        ),
        out,
    )


def _chosen(names: Sequence[str], needed: int) -> Callable[[Iterable[Row], IO[str]], Written]:
    """Columns that are written as they are, the label as a number; the first ``needed`` ones have to be there."""

    def write(rows: Iterable[Row], out: IO[str]) -> Written:
        def chosen() -> Iterator[Row]:
            for row in rows:
                for name in names[:needed]:
                    if name not in row:
                        raise KeyError(name)
                kept = {name: row[name] for name in names if name in row}
                if isinstance(kept.get("label"), str):
                    kept["label"] = int(kept["label"])
                yield {name: value for name, value in kept.items() if value is not None}

        return _json_lines(chosen(), out)

    return write


def _commonsenseqa(rows: Iterable[Row], out: IO[str]) -> Written:
    return _json_lines(
        (
            {
                **({"answerKey": row["answerKey"]} if row["answerKey"] else {}),
                "id": row["id"],
                "question": {
                    **({"question_concept": row["question_concept"]} if "question_concept" in row else {}),
                    "choices": [
                        {"label": label, "text": text}
                        for label, text in zip(row["choices"]["label"], row["choices"]["text"], strict=True)
                    ],
                    "stem": row["question"],
                },
            }
            for row in rows
        ),
        out,
    )


def _squad(rows: Iterable[Row], out: IO[str]) -> Written:
    """Articles and paragraphs are runs of rows with one title and one context; in a task with ``null_answers`` a
    question without an answer is one that has none, elsewhere one whose answers are withheld.
    """
    moved = 0
    articles = []
    for title, article in groupby(rows, key=lambda row: str(row.get("title", ""))):
        paragraphs = []
        for context, questions in groupby(article, key=lambda row: str(row["context"])):
            asked = []
            for row in questions:
                answers, shifted = _answers(row, context)
                moved += shifted
                impossible = {"is_impossible": True} if row.get("null_answers") and not answers else {}
                asked.append({"id": row["id"], "question": row["question"], "answers": answers, **impossible})
            paragraphs.append({"context": context, "qas": asked})
        articles.append({"title": title, "paragraphs": paragraphs})
    json.dump({"version": "hub", "data": articles}, out, ensure_ascii=False)
    out.write("\n")
    return moved


def _answers(row: Row, context: str) -> tuple[list[Row], int]:
    """The answers, and how many did not stand where the row says: copies that strip contexts shift them."""
    found = []
    moved = 0
    for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
        if not context.startswith(text, start):
            places = [match.start() for match in re.finditer(re.escape(text), context)] if text else []
            if not places:
                raise DataError(f"Question {row['id']}: the answer `{text[:60]}` does not stand in its context.")
            start = min(places, key=lambda place: abs(place - start))
            moved += 1
        found.append({"text": text, "answer_start": start})
    return found, moved


def _tags(rows: Iterable[Row], out: IO[str]) -> Written:
    changed = 0
    for row in rows:
        for token, tag in zip(row["tokens"], row["tags"], strict=True):
            word = _NOT_IN_WORDS.sub("", token) or "_"
            changed += word != token
            out.write(f"{word}\t{tag}\n")
        out.write("\n")
    return changed


def _parallel(rows: Iterable[Row], out: IO[str], pair: IO[str]) -> Written:
    changed = 0
    for row in rows:
        for text, file in ((row["source"], out), (row["target"], pair)):
            line = _LINE_BREAKS.sub(" ", text.strip())
            changed += line != text.strip()
            file.write(line + "\n")
    return changed


def _socialiqa(rows: Iterable[Row], out: IO[str], pair: IO[str]) -> Written:
    for row in rows:
        out.write(json.dumps({name: row[name] for name in _SOCIAL}, ensure_ascii=False) + "\n")
        pair.write(f"{row['label']}\n")
    return 0


def _json_lines(rows: Iterable[Row], out: IO[str]) -> Written:
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


_WRITERS: dict[str, Callable[[Iterable[Row], IO[str]], Written]] = {
    "pairs-tsv": _pairs_tsv,
    "qqp-glue": _qqp,
    "mnli-jsonl": _mnli,
    "anli-jsonl": _anli,
    "squad-json": _squad,
    "tydiqa-json": _squad,
    "hellaswag-jsonl": lambda rows, out: _chosen(_HELLASWAG, 3)(
        ({**row, "label": None if row["label"] in ("", None) else row["label"]} for row in rows), out
    ),
    "xcopa-jsonl": _chosen(_XCOPA, 5),
    "cosmosqa-jsonl": _chosen(_COSMOS, 8),
    "commonsenseqa-jsonl": _commonsenseqa,
    "tags-tsv": _tags,
    "panx-tsv": _tags,
}
_PAIRED: dict[str, Callable[[Iterable[Row], IO[str], IO[str]], Written]] = {
    "parallel-lines": _parallel,
    "socialiqa-jsonl": _socialiqa,
}
WRITABLE = frozenset({*_WRITERS, *_PAIRED})
