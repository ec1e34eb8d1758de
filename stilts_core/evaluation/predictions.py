"""Prediction files in the official XTREME submission format.

predictions/<task>/<split>-<lang>.tsv     labels, one a line; tags, one a line, a blank line after each sentence;
retrieval: for each English sentence, in the official order, the row of
the foreign sentence that was found, from 0; mined pairs, the foreign
id, a tab and the English one
predictions/<task>/<split>-<lang>.json    question id → answer; for a search the ids of the nearest 20, best first
predictions/<task>/<split>-<lang>.null.json   SQuAD 2.0 only: question id → probability of no answer; the answers
beside it are the model's best spans, so that the official program
finds the same thresholds from both files
predictions/<task>/<split>-<lang>.jsonl   multiple choice: an object a line with the number of the choice
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stilts_core.evaluation.scorers.retrieval import english_order


def prediction_path(out: Path, task: str, split: str, language: str, suffix: str) -> Path:
    """Where a prediction file lies under a stage's folder."""
    return out / "predictions" / task / f"{split}-{language}{suffix}"


def label_file(labels: Iterable[str]) -> str:
    return "".join(f"{label}\n" for label in labels)


def tag_file(sentences: Iterable[Sequence[str]]) -> str:
    return "".join("".join(f"{tag}\n" for tag in tags) + "\n" for tags in sentences)


def answer_file(answers: Mapping[str, str] | Mapping[str, float] | Mapping[str, Sequence[str]]) -> str:
    return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"


def choice_file(choices: Iterable[int]) -> str:
    return "".join(f'{{"label": {choice}}}\n' for choice in choices)


def retrieval_file(found: Sequence[int], english: Sequence[str]) -> str:
    """The found rows in the order of the official files, whose English side is sorted.

    Args:
        found: for each English sentence the row of the foreign one.
        english: the English sentences.
    """
    return label_file(str(found[row]) for row in english_order(english))


def write_predictions(out: Path, task: str, split: str, language: str, files: Mapping[str, str]) -> None:
    """Write the prediction files of a language, by suffix."""
    for suffix, text in files.items():
        path = prediction_path(out, task, split, language, suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
