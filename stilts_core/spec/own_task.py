"""A task that a study brings: the catalogue's schema, with short ways to say what is usual."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveInt, model_validator

from stilts_core.catalog.models import ColumnRole, Head, Provenance, Task

USUAL_FORMAT = {
    Head.CLASSIFICATION: "table",
    Head.SPAN: "squad-json",
    Head.CHOICE: "choices-jsonl",
    Head.TAGGING: "tags-tsv",
    Head.MLM: "text-lines",
    Head.RETRIEVAL: "parallel-lines",
}
USUAL_METRIC = {
    Head.CLASSIFICATION: "accuracy",
    Head.SPAN: "squad",
    Head.CHOICE: "accuracy",
    Head.TAGGING: "tag-f1",
    Head.RETRIEVAL: "retrieval-accuracy",
}
SHARES = {"train": (0.0, 0.8), "dev": (0.8, 0.9), "test": (0.9, 1.0)}
"""What each split gets of the rows of a file that holds all of them."""

_WHOLE = (0.0, 1.0)


class OwnTask(Task):
    """A task of a study. With `path`, everything but `name`, `head` and `languages` has a default.

    Attributes:
        title: default: the name.
        metric: default: the usual one of the head.
        path: where its files lie, instead of `train`, `dev` and `test`. ``{split}`` stands for train, dev and test;
            without it one file holds all, and of its rows 80 % train, 10 % are for development and 10 % for the test.
        pair: with `path`: the English side, for retrieval.
        format: with `path`: the reader; default: the usual one of the head.
        columns: with `path`: as in a source.
        provenance: with `path`: as in a source.
        labels: default, for classification and tagging: those of the training set, in the order of their characters.
    """

    title: str = ""
    path: str | None = None
    pair: str | None = None
    format: str | None = None
    columns: dict[ColumnRole, str | PositiveInt] | None = None
    provenance: Provenance | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        whole = dict(value)
        whole["title"] = value.get("title") or value.get("name", "")
        try:
            head = Head(value.get("head", ""))
        except ValueError:
            return whole
        if "metric" not in value and head in USUAL_METRIC:
            answerless = head is Head.SPAN and value.get("null_answers") is True
            whole["metric"] = "squad-v2" if answerless else USUAL_METRIC[head]
        if isinstance(value.get("path"), str) and not any(value.get(split) for split in SHARES):
            whole |= _sources(value, head)
        if not value.get("labels") and not value.get("labels_from") and head in (Head.CLASSIFICATION, Head.TAGGING):
            whole["labels_from"] = whole.get("train", ())
        return whole


def _sources(value: dict[str, Any], head: Head) -> dict[str, Any]:
    """The sources that a single path stands for."""
    splits: tuple[str, ...] = {Head.RETRIEVAL: ("test",), Head.MLM: ("train",)}.get(head, tuple(SHARES))
    shared = "{split}" not in value["path"] and len(splits) > 1
    found: dict[str, Any] = {}
    for split in splits:
        source = {
            "path": value["path"].replace("{split}", split),
            "format": value.get("format") or USUAL_FORMAT[head],
            "rows": SHARES[split] if shared else _WHOLE,
        }
        if isinstance(value.get("pair"), str):
            source["pair"] = value["pair"].replace("{split}", split)
        source |= {key: value[key] for key in ("columns", "provenance") if value.get(key) is not None}
        if split == "train" and head is not Head.MLM:
            source["languages"] = value.get("languages", ("en",))
        found[split] = (source,)
    return found
