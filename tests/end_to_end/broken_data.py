"""A small data root in the layout of the originals, in which a test can break what it wants."""

from __future__ import annotations

import json
from pathlib import Path

LANGUAGES = ("en", "de")
LABELS = ("entailment", "neutral", "contradiction")

STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: broken}
spec:
  encoders:
    - name: tiny
      pretrain:
        {layers: 1, hidden: 32, heads: 2, vocabulary: 300, max_length: 64, sequence_length: 16, steps: 1,
         batch_tokens: 64, objectives: {mlm: 1}, text: [{path: "text/{lang}.txt", format: text-lines}]}
  curricula: [baseline]
  targets:
    - {task: xnli, languages: [en, de]}
    - {task: udpos, languages: [en, de]}
    - {task: xquad, languages: [en, de]}
    - {task: tydiqa, languages: [en]}
    - {task: tatoeba, languages: [de]}
  protocol: corrected
  data: {root: data}
  overrides: [{match: {}, set: {max_steps: 1, max_length: 48, question_length: 16, doc_stride: 8}}]
"""


def write_data(root: Path) -> None:
    """Every file that the study reads, well-formed."""
    _write(
        root, "text/en.txt", "\n".join(f"{word} sees the {word} of {word}" for word in ("cat", "dog", "tree", "house"))
    )
    for split in ("train", "dev", "test"):
        for language in LANGUAGES:
            rows = [f"A {language} cat\tAn animal\t{label}" for label in LABELS]
            _write(root, f"xnli/{split}-{language}.tsv", "\n".join(rows))
            _write(root, f"udpos/{split}-{language}.tsv", "the\tDET\ncat\tNOUN\n\na\tDET\ndog\tNOUN\n")
    for name in ("squad/train-v1.1.json", "squad/dev-v1.1.json", "xquad/xquad.en.json", "xquad/xquad.de.json"):
        _write(root, name, questions())
    for split in ("train", "dev"):
        _write(root, f"tydiqa/tydiqa-goldp-v1.1-{split}/tydiqa.goldp.en.{split}.json", questions())
    _write(root, "tatoeba/tatoeba.deu-eng.deu", "eine Katze\nein Hund")
    _write(root, "tatoeba/tatoeba.deu-eng.eng", "a cat\na dog")


def questions(answer: str = "the tree", start: int = 12) -> str:
    """A SQuAD file with one question."""
    asked = {"id": "q1", "question": "Where is it?", "answers": [{"text": answer, "answer_start": start}]}
    paragraph = {"context": "A cat is in the tree now.", "qas": [asked]}
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph]}]})


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
