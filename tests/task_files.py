"""Small files of every task in the format of its release, for tests that read, train and score them.

Every set is made by a rule, so that its records are known: see `WORDS`. The slices of the real sets are the other half:
`SLICES` says which of a task's files they hold.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TEXT = "the quick brown fox jumps over a lazy dog where did that dog sleep last night"
WORDS = TEXT.split()
NLI = ("entailment", "neutral", "contradiction")
TRAIN, SCORED = 12, 9
"""Rows of a training set, and of a file that is scored."""

Files = dict[str, str]


def sentence(number: int, words: int = 6) -> str:
    """Words that differ from number to number."""
    return " ".join(WORDS[(number * 5 + place * (number % 3 + 1)) % len(WORDS)] for place in range(words))


def rows(split: str) -> range:
    """The numbers of a file's rows; no number is in two files."""
    return {"train": range(TRAIN), "dev": range(100, 100 + SCORED), "test": range(200, 200 + SCORED)}[split]


def json_lines(items: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def tab_lines(header: str | None, lines: list[list[str]]) -> str:
    return "".join("\t".join(line) + "\n" for line in ([header.split()] if header else []) + lines)


def _snli_like(name: str, identifier: str) -> Callable[[str], str]:
    def file(split: str) -> str:
        items = [
            {"gold_label": NLI[i % 3], "sentence1": sentence(i), "sentence2": sentence(i + 1), identifier: f"{name}{i}"}
            for i in rows(split)
        ]
        return json_lines([*items, {**items[0], "gold_label": "-"}])  # a row on which the annotators did not agree

    return file


def snli() -> Files:
    file = _snli_like("s", "pairID")
    return {f"snli_1.0/snli_1.0_{split}.jsonl": file(split) for split in ("train", "dev", "test")}


def mnli() -> Files:
    file = _snli_like("m", "pairID")
    return {
        "multinli_1.0/multinli_1.0_train.jsonl": file("train"),
        "multinli_1.0/multinli_1.0_dev_matched.jsonl": file("dev"),
    }


def anli(number: int) -> Callable[[], Files]:
    def files() -> Files:
        return {
            f"anli_v1.0/R{number}/{split}.jsonl": json_lines(
                [
                    {
                        "uid": f"r{number}-{i}",
                        "context": sentence(i),
                        "hypothesis": sentence(i + number),
                        "label": "enc"[i % 3],
                    }
                    for i in rows(split)
                ]
            )
            for split in ("train", "dev", "test")
        }

    return files


def anli_plus() -> Files:
    return snli() | mnli() | anli(1)() | anli(2)() | anli(3)()


def qqp() -> Files:
    header = "id qid1 qid2 question1 question2 is_duplicate"
    return {
        f"QQP/{split}.tsv": tab_lines(
            header, [[str(i), "1", "2", sentence(i), sentence(i + 2), str(i % 2)] for i in rows(split)]
        )
        for split in ("train", "dev")
    }


def squad(version: str, languages: tuple[str, ...] = ("en",)) -> Callable[[str, str], str]:
    """A file of one paragraph with a question a row; of version 2.0 every third has no answer."""

    def file(split: str, prefix: str) -> str:
        context = ". ".join(sentence(i, 8) for i in rows(split)) + "."
        questions: list[dict[str, Any]] = []
        for language in languages:
            for i in rows(split):
                answer = " ".join(sentence(i, 8).split()[2:4])
                start = context.index(sentence(i, 8)) + sentence(i, 8).index(answer)
                item: dict[str, Any] = {
                    "id": f"{prefix}{language}-{i}" if len(languages) > 1 else f"{prefix}{i}",
                    "question": sentence(i, 4),
                    "answers": [{"text": answer, "answer_start": start}],
                }
                if version == "v2.0":
                    item["is_impossible"] = i % 3 == 0
                    if i % 3 == 0:
                        item["answers"] = []
                questions.append(item)
        return json.dumps(
            {"version": version, "data": [{"title": "t", "paragraphs": [{"context": context, "qas": questions}]}]}
        )

    return file


def squad_v1() -> Files:
    return {f"squad/{split}-v1.1.json": squad("1.1")(split, "q") for split in ("train", "dev")}


def squad_v2() -> Files:
    return {f"squad_v2/{split}-v2.0.json": squad("v2.0")(split, "q") for split in ("train", "dev")}


def hellaswag() -> Files:
    return {
        f"hellaswag/hellaswag_{name}.jsonl": json_lines(
            [
                {
                    "ind": i,
                    "ctx_a": sentence(i),
                    "ctx_b": "the dog",
                    "endings": [sentence(i + k, 3) for k in range(4)],
                    "label": i % 4,
                }
                for i in rows(split)
            ]
        )
        for split, name in (("train", "train"), ("dev", "val"))
    }


CATEGORIES = ("NP/N", "N", "N/N", "(S[dcl]\\NP)/NP", ".", "(S\\NP)\\(S\\NP)")


def ccg() -> Files:
    """The categories of the test file are one more than those of the list, as can be in a real one."""

    def file(split: str) -> str:
        lines = []
        for i in rows(split):
            words = sentence(i, 4 + i % 3).split()
            tags = [CATEGORIES[len(word) % len(CATEGORIES)] for word in words]
            if split == "test" and i == rows(split)[-1]:
                tags[0] = "S[wq]/NP"
            lines.append([" ".join(words), " ".join(tags)])
        return tab_lines(None, lines)

    index = {tag: number for number, tag in enumerate(CATEGORIES)}
    return {f"ccg/ccg.{split}": file(split) for split in ("train", "dev", "test")} | {
        "ccg/tags_to_id.json": json.dumps(index)
    }


def cosmosqa() -> Files:
    def file(split: str) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label"])
        for i in rows(split):
            context = f'{sentence(i)},\n"{sentence(i + 1)}"'  # a line break and quotes, as in the release
            writer.writerow([f"{split}{i}", context, sentence(i, 3), *(sentence(i + k, 3) for k in range(4)), i % 4])
        return out.getvalue()

    return {"cosmosqa/train.csv": file("train"), "cosmosqa/valid.csv": file("dev")}


def commonsenseqa() -> Files:
    def item(i: int) -> dict[str, Any]:
        choices = [{"label": letter, "text": sentence(i + k, 2)} for k, letter in enumerate("ABCDE")]
        question = {"stem": sentence(i), "question_concept": WORDS[i % len(WORDS)], "choices": choices}
        return {"id": f"c{i}", "answerKey": "ABCDE"[i % 5], "question": question}

    return {
        f"commonsenseqa/{split}_rand_split.jsonl": json_lines([item(i) for i in rows(split)])
        for split in ("train", "dev")
    }


def socialiqa() -> Files:
    """The first release, whose answers are a file of their own."""

    def item(i: int) -> dict[str, Any]:
        answers = {f"answer{letter}": sentence(i + k, 3) for k, letter in enumerate("ABC")}
        return {"context": sentence(i), "question": "where did that dog sleep", **answers}

    folder = "siqa/socialiqa-train-dev"
    return {f"{folder}/{split}.jsonl": json_lines([item(i) for i in rows(split)]) for split in ("train", "dev")} | {
        f"{folder}/{split}-labels.lst": "".join(f"{i % 3 + 1}\n" for i in rows(split)) for split in ("train", "dev")
    }


def copa_item(i: int) -> dict[str, Any]:
    return {
        "premise": sentence(i),
        "choice1": sentence(i + 1, 4),
        "choice2": sentence(i + 2, 4),
        "question": ("cause", "effect")[i % 2],
        "label": i % 2,
        "idx": i,
    }


def copa() -> Files:
    items = "".join(
        f'<item id="{i}" asks-for="{("cause", "effect")[i % 2]}" most-plausible-alternative="{i % 2 + 1}">'
        f"<p>{sentence(i)}</p><a1>{sentence(i + 1, 4)}</a1><a2>{sentence(i + 2, 4)}</a2></item>\n"
        for i in rows("test")
    )
    return {
        "COPA/train.jsonl": json_lines([copa_item(i) for i in rows("train")]),
        "COPA/val.jsonl": json_lines([copa_item(i) for i in rows("dev")]),
        "copa/copa-test.xml": f'<?xml version="1.0"?>\n<copa-corpus version="1.0">\n{items}</copa-corpus>\n',
    }


def mlm() -> Files:
    return {f"mlm/{language}.txt": "".join(f"{sentence(i, 9)}\n" for i in range(30)) for language in ("en", "sw")}


def xnli() -> Files:
    """The release: one file of all languages."""
    header = (
        "language gold_label sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse sentence1"
    )
    header += " sentence2 promptID pairID genre"

    def file(split: str) -> str:
        lines = [
            [code, NLI[i % 3], "", "", "", "", f'"{sentence(i)}', sentence(i + 1), "1", str(i), "x"]
            for code in ("ar", "de", "en")
            for i in rows(split)
        ]
        return "".join("\t".join(line) + "\n" for line in [header.split(), *lines])

    train = [[sentence(i), sentence(i + 1), ("entailment", "neutral", "contradictory")[i % 3]] for i in rows("train")]
    return {
        "XNLI-1.0/xnli.dev.tsv": file("dev"),
        "XNLI-1.0/xnli.test.tsv": file("test"),
        "XNLI-MT-1.0/multinli/multinli.train.en.tsv": tab_lines("premise hypo label", train),
    }


def pawsx() -> Files:
    def file(split: str) -> str:
        lines = [[str(i), f"{sentence(i)} ''", f'"{sentence(i + 1)}"', str(i % 2)] for i in rows(split)]
        return tab_lines("id sentence1 sentence2 label", lines)

    found = {"x-final/en/train.tsv": file("train")}
    for code in ("en", "ko"):
        found |= {f"x-final/{code}/dev_2k.tsv": file("dev"), f"x-final/{code}/test_2k.tsv": file("test")}
    return found


def _conllu(split: str, shift: int) -> str:
    blocks = []
    for i in rows(split):
        lines = [f"# sent_id = {i}", f"# text = {sentence(i + shift, 5)}", "1-2\tthefox\t_\t_\t_\t_\t_\t_\t_\t_"]
        for place, word in enumerate(sentence(i + shift, 5).split(), start=1):
            tag = ("NOUN", "VERB", "DET", "ADJ")[len(word) % 4]
            lines.append(f"{place}\t{word}\t_\t{tag}\t_\t_\t{0 if place == 1 else 1}\t_\t_\t_")
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def udpos() -> Files:
    """Two treebanks of English, and languages with test data alone."""
    folder = "ud-treebanks-v2.5"
    found = {
        f"{folder}/UD_English-EWT/en_ewt-ud-{split}.conllu": _conllu(split, 0) for split in ("train", "dev", "test")
    }
    found |= {f"{folder}/UD_English-GUM/en_gum-ud-{split}.conllu": _conllu(split, 7) for split in ("train", "test")}
    found |= {f"{folder}/UD_Kazakh-KTB/kk_ktb-ud-test.conllu": _conllu("test", 3)}
    found |= {"ud-treebanks-v2.7/UD_Wolof-WTB/wo_wtb-ud-test.conllu": _conllu("test", 4)}
    return found


ENTITIES = ("O", "B-PER", "I-PER", "O", "B-LOC")


def panx() -> Files:
    """WikiAnn's files: every word after its language."""

    def file(split: str, language: str) -> str:
        return "".join(
            "".join(f"{language}:{word}\t{ENTITIES[k % 5]}\n" for k, word in enumerate(sentence(i, 5).split())) + "\n"
            for i in rows(split)
        )

    return {f"panx_dataset/en-{split}": file(split, "en") for split in ("train", "dev", "test")} | {
        "panx_dataset/qu-dev": file("dev", "qu"),
        "panx_dataset/qu-test": file("test", "qu"),
    }


def xquad() -> Files:
    return squad_v1() | {f"xquad/xquad.{code}.json": squad("1.1")("test", "x") for code in ("en", "ro")}


def mlqa() -> Files:
    found = squad_v1()
    for split in ("dev", "test"):
        for code in ("de", "zh"):
            found[f"MLQA_V1/{split}/{split}-context-{code}-question-{code}.json"] = squad("1.1")(split, "m")
        other = squad("1.1")(split, "other")
        found[f"MLQA_V1/{split}/{split}-context-de-question-zh.json"] = other  # not a part of the benchmarks
    return found


def tydiqa() -> Files:
    """Files of several languages, told apart by the ids."""
    mixed = squad("1.1", ("english", "finnish", "thai"))
    return {
        "tydiqa/tydiqa-goldp-v1.1-train.json": mixed("train", ""),
        "tydiqa/tydiqa-goldp-v1.1-dev.json": mixed("dev", ""),
    }


def xcopa() -> Files:
    found = socialiqa() | {f"xcopa/{name}.en.jsonl": text for name, text in _copa_in_xcopa().items()}
    for code in ("et", "qu"):
        found |= {
            f"xcopa/val.{code}.jsonl": json_lines([copa_item(i) for i in rows("dev")]),
            f"xcopa/test.{code}.jsonl": json_lines([copa_item(i) for i in rows("test")]),
        }
    return found


def _copa_in_xcopa() -> dict[str, str]:
    return {
        name: json_lines([copa_item(i) for i in rows(split)]) for split, name in (("train", "train"), ("dev", "val"))
    }


MADE: Mapping[str, Callable[[], Files]] = {
    "anli_plus": anli_plus,
    "snli": snli,
    "mnli": mnli,
    "anli_r1": anli(1),
    "anli_r2": anli(2),
    "anli_r3": anli(3),
    "qqp": qqp,
    "squad_v1": squad_v1,
    "squad_v2": squad_v2,
    "hellaswag": hellaswag,
    "ccg": ccg,
    "cosmosqa": cosmosqa,
    "commonsenseqa": commonsenseqa,
    "socialiqa": socialiqa,
    "copa": copa,
    "mlm": mlm,
    "xnli": xnli,
    "pawsx": pawsx,
    "udpos": udpos,
    "panx": panx,
    "xquad": xquad,
    "mlqa": mlqa,
    "tydiqa": tydiqa,
    "xcopa": xcopa,
}
"""Task → its files by path under a data root."""

SCORED_IN: Mapping[str, tuple[str, ...]] = {
    "xnli": ("ar", "de", "en"),
    "pawsx": ("en", "ko"),
    "udpos": ("en", "kk", "wo"),
    "panx": ("en", "qu"),
    "xquad": ("en", "ro"),
    "mlqa": ("de", "zh"),
    "tydiqa": ("en", "fi"),
    "xcopa": ("et", "qu"),
}
"""The languages of a task's files that can be scored, where they are not English alone."""

SLICES: Mapping[str, tuple[str, ...]] = {
    "squad_v1": ("squad",),
    "squad_v2": ("squad_v2",),
    "hellaswag": ("hellaswag",),
    "cosmosqa": ("cosmosqa",),
    "commonsenseqa": ("commonsenseqa",),
    "xnli": ("xnli",),
    "pawsx": ("pawsx",),
    "udpos": ("udpos",),
    "xquad": ("xquad", "squad"),
    "mlqa": ("mlqa", "squad"),
    "tydiqa": ("tydiqa",),
    "xcopa": ("xcopa", "siqa"),
}
"""Task → the folders of the slices of real data that hold its files."""

SLICED_IN: Mapping[str, tuple[str, ...]] = {
    "xnli": ("en", "sw", "th"),
    "pawsx": ("en", "fr", "ko"),
    "udpos": ("en", "ja", "kk", "th", "tl", "wo", "yo"),
    "xquad": ("ar", "en", "zh"),
    "mlqa": ("ar", "de", "en", "es", "hi", "vi", "zh"),
    "tydiqa": ("en", "fi", "te"),
    "xcopa": ("et", "ht", "qu", "th"),
}


def write_made(root: Path, task: str) -> None:
    for name, text in MADE[task]().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def link_slices(root: Path, slices: Path, task: str) -> None:
    """The folders of a task's slices; what they lack of its training is made."""
    for name in SLICES[task]:
        (root / name).symlink_to(slices / name)
    if task == "xcopa":  # the slices hold the development set of Social IQa alone, and no English COPA
        (root / "siqa").unlink()
        (root / "siqa").mkdir()
        for name in ("trn", "dev"):
            shutil.copyfile(slices / "siqa/socialIQa_v1.4_dev.jsonl", root / f"siqa/socialIQa_v1.4_{name}.jsonl")
        (root / "copa").mkdir()
        for name, text in _copa_in_xcopa().items():
            (root / f"copa/{name}.jsonl").write_text(text, encoding="utf-8")
