"""Small copies of the hub's data sets, in its columns: Parquet in a folder that `datasets` takes for a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROWS = 24
NLI = ("entailment", "neutral", "contradiction")
UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ"),
    *("SYM", "VERB", "X"),
)
IOB = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
CONTEXT = "The old bridge over the river was built in 1889, and again in 1946."


def write_copy(
    folder: Path, splits: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], labels: Mapping[str, Any]
) -> Path:
    """A repository with a configuration and split for each key; ``labels``: column → names, a list for lists."""
    from datasets import ClassLabel, Dataset
    from datasets import Sequence as ListOf

    entries: dict[str, list[tuple[str, str]]] = {}
    for (config, split), rows in splits.items():
        path = f"{config}/{split}.parquet"
        (folder / config).mkdir(parents=True, exist_ok=True)
        data = Dataset.from_list([dict(row) for row in rows])
        features = data.features.copy()
        for column, names in labels.items():
            of = ClassLabel(names=list(names[0] if isinstance(names, list) else names))
            features[column] = ListOf(of) if isinstance(names, list) else of
        data.cast(features).to_parquet(folder / path)
        entries.setdefault(config, []).append((split, path))
    lines = ["---", "configs:"]
    for config, files in entries.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, path in files:
            lines += [f"  - split: {split}", f"    path: {path}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def _pair(first: str, second: str, labels: int, **more: Any) -> Any:
    return lambda n, split: {
        first: f'He said "number {n}".',
        second: f"Sentence\t{n} of {split}",
        "label": n % labels,
        **{name: value(n) for name, value in more.items()},
    }


def _squad(n: int, split: str) -> dict[str, Any]:
    return {
        "id": f"{split}-{n}",
        "title": f"Bridge {n // 12}",
        "context": f"{n // 4}: {CONTEXT}",
        "question": f"When, {n}?",
        "answers": {"text": ["1889"], "answer_start": [(f"{n // 4}: {CONTEXT}").index("1889")]},
    }


def _squad_v2(n: int, split: str) -> dict[str, Any]:
    return {**_squad(n, split), **({"answers": {"text": [], "answer_start": []}} if n % 2 else {})}


def _tydiqa(n: int, split: str) -> dict[str, Any]:
    """The nine languages in one split, as on the hub; contexts are stripped there and their answers are not moved."""
    names = ("arabic", "bengali", "english", "finnish", "indonesian", "korean", "russian", "swahili", "telugu")
    row = _squad(n, split)
    answers = {"text": ["1889"], "answer_start": [row["answers"]["answer_start"][0] + n % 2]}
    return {**row, "id": f"{names[n % 9]}-{split}-{n}", "answers": answers}


def _tags(column: str, count: int) -> Any:
    return lambda n, split: {"tokens": ["10 000", "words", "\u200c"], column: [n % count, 0, 1]}


COPIES: dict[str, tuple[Any, dict[str, Any]]] = {
    # task → a row by its number and split, and the names of its class labels
    "snli": (
        lambda n, split: {"premise": f"P {n}", "hypothesis": f"H {n}", "label": -1 if n == 5 else n % 3},
        {"label": NLI},
    ),
    "mnli": (_pair("premise", "hypothesis", 3, pairID=lambda n: f"{n}e"), {"label": NLI}),
    **dict.fromkeys(
        ("anli_r1", "anli_r2", "anli_r3"), (_pair("premise", "hypothesis", 3, uid=lambda n: f"u{n}"), {"label": NLI})
    ),
    "qqp": (_pair("question1", "question2", 2, idx=lambda n: n), {"label": ("not_duplicate", "duplicate")}),
    "squad_v1": (_squad, {}),
    "squad_v2": (_squad_v2, {}),
    "hellaswag": (
        lambda n, split: {
            "ind": n,
            "activity_label": "Bridges",
            "ctx_a": f"A man looks at bridge {n}.",
            "ctx_b": "then he",
            "ctx": f"A man looks at bridge {n}. then he",
            "endings": ["walks.", "swims.", "sleeps.", "sings."],
            "source_id": "x",
            "split": split,
            "split_type": "indomain",
            "label": str(n % 4),
        },
        {},
    ),
    "cosmosqa": (
        lambda n, split: {
            "id": f"c{n}",
            "context": f"It\nrained {n} times.",
            "question": "Why?",
            **{f"answer{i}": f"Because {i}." for i in range(4)},
            "label": n % 4,
        },
        {},
    ),
    "commonsenseqa": (
        lambda n, split: {
            "id": f"q{n}",
            "question": f"Where is bridge {n}?",
            "question_concept": "bridge",
            "choices": {"label": list("ABCDE"), "text": ["river", "road", "sea", "house", "tree"]},
            "answerKey": "ABCDE"[n % 5],
        },
        {},
    ),
    "socialiqa": (
        lambda n, split: {
            "context": f"Robin crossed bridge {n}.",
            "question": "Why?",
            "answerA": "To go home.",
            "answerB": "To swim.",
            "answerC": "To sing.",
            "label": str(n % 3 + 1),
        },
        {},
    ),
    "copa": (
        lambda n, split: {
            "premise": f"Bridge {n} fell.",
            "choice1": "It was old.",
            "choice2": "It was new.",
            "question": "cause" if n % 2 else "effect",
            "idx": n,
            "label": n % 2,
        },
        {"label": ("choice1", "choice2")},
    ),
    "xnli": (_pair("premise", "hypothesis", 3), {"label": NLI}),
    "pawsx": (_pair("sentence1", "sentence2", 2, id=lambda n: n), {"label": ("0", "1")}),
    "udpos": (_tags("pos_tags", 17), {"pos_tags": [UPOS]}),
    "panx": (_tags("ner_tags", 7), {"ner_tags": [IOB]}),
    "xquad": (_squad, {}),
    "mlqa": (_squad, {}),
    "tydiqa": (_tydiqa, {}),
    "xcopa": (
        lambda n, split: {
            "premise": f"Bridge {n} fell.",
            "choice1": "It was old.",
            "choice2": "It was new.",
            "question": "cause",
            "label": n % 2,
            "idx": n,
            "changed": False,
        },
        {},
    ),
    "tatoeba": (
        lambda n, split: {
            "source_sentence": f"Brücke {n} ",
            "target_sentence": f"Bridge {n}\n",
            "source_lang": "deu",
            "target_lang": "eng",
        },
        {},
    ),
}
