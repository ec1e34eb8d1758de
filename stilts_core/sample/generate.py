"""Writes the sample benchmark: every file of `tasks.yaml`, and the texts that an encoder is pretrained on.

Evaluation files are drawn first, then training files, then texts; a sentence that says what an earlier file has said is
drawn again, so that no sentence of an evaluation file is in a training file or a text. Each file has its own stream of
draws and no clock, so the same version writes the same bytes everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from stilts_core.sample.draw import Draw, Mix, clause, same_event
from stilts_core.sample.endings import endings
from stilts_core.sample.inference import Pair, pairs
from stilts_core.sample.languages import GRAMMARS, LANGUAGES
from stilts_core.sample.meaning import Clause, Kind
from stilts_core.sample.questions import Story, ask, squad, stories
from stilts_core.sample.tokens import Sentence

MOVES = (Kind.GO, Kind.RETURN, Kind.AT)
ROWS = 150  # of an evaluation file
SENTENCES = 2000  # of a text, and of each side of a parallel text
TYDI_NAMES = {"ar": "arabic", "en": "english", "fi": "finnish", "ja": "japanese", "ru": "russian", "sw": "swahili"}

ALSO_TRAINED = ("ar", "de", "sw", "tr", "zh")  # languages beside English that inference can be trained in

PREMISES = Mix((*(Kind.DO,) * 12, *(Kind.ACT,) * 2, *MOVES, Kind.BE), negated=0.5, general=0.25, definite=0.15)
ANY = Mix()


def write_sample(folder: Path) -> None:
    """Write the whole sample under ``folder``, which is made if need be.

    Raises:
        OSError: the folder cannot be written.
    """
    taken: set[Clause] = set()
    _write_retrieval(folder / "tatoeba", taken)
    _write_inference(folder, taken)
    _write_tagging(folder / "udpos", taken)
    _write_questions(folder, taken)
    _write_endings(folder / "hellaswag")
    _write_texts(folder, taken)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in lines)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _texts(language: str, meanings: Iterable[Clause]) -> list[str]:
    realise = GRAMMARS[language].realise
    return [realise(meaning).text for meaning in meanings]


def _meanings(draw: Draw, count: int, taken: set[Clause], questions: float = 0.0) -> list[Clause]:
    """Different meanings that are not taken, a share of them as questions; they are not added to the taken ones."""
    result: list[Clause] = []
    seen: set[Clause] = set()
    while len(result) < count:
        meaning = clause(draw, ANY)
        if draw.chance(questions) and not meaning.negated and meaning.kind not in (Kind.BE, Kind.AT):
            meaning = ask(draw, meaning)
        key = same_event(meaning)
        if key not in taken and key not in seen:
            seen.add(key)
            result.append(meaning)
    return result


def _write_retrieval(folder: Path, taken: set[Clause]) -> None:
    """Rows whose sentences differ in every language, also in those that do not tell "a" from "the"."""
    chosen: list[Clause] = []
    texts: dict[str, set[str]] = {language: set() for language in LANGUAGES}
    for meaning in _meanings(Draw("tatoeba"), 2 * ROWS, taken, questions=0.15):
        said = {language: GRAMMARS[language].realise(meaning).text for language in LANGUAGES}
        if len(chosen) < ROWS and all(said[language] not in texts[language] for language in LANGUAGES):
            chosen.append(meaning)
            for language in LANGUAGES:
                texts[language].add(said[language])
    taken.update(map(same_event, chosen))
    english = _texts("en", chosen)
    for language in LANGUAGES:
        if language != "en":
            _write(folder / f"{language}-en.{language}", _texts(language, chosen))
            _write(folder / f"{language}-en.en", english)


def _pair_texts(language: str, pair: Pair) -> tuple[str, str]:
    realise = GRAMMARS[language].realise
    return realise(pair.premise).text, realise(pair.hypothesis).text


def _write_inference(folder: Path, taken: set[Clause]) -> None:
    premises: set[Clause] = set()

    def drawn(name: str, count: int) -> list[Pair]:
        return pairs(Draw(name), count, PREMISES, premises)

    def rows(language: str, chosen: list[Pair]) -> list[str]:
        return ["\t".join((*_pair_texts(language, pair), pair.label)) for pair in chosen]

    test = drawn("xnli/test", ROWS)
    for language in LANGUAGES:
        _write(folder / f"xnli/test-{language}.tsv", rows(language, test))
    for pair in test:
        taken.update((same_event(pair.premise), same_event(pair.hypothesis)))
    for split, count in (("dev", ROWS), ("train", 600)):
        _write(folder / f"xnli/{split}-en.tsv", rows("en", drawn(f"xnli/{split}", count)))
    for split, count in (("dev_matched", ROWS), ("train", 2400)):
        lines = []
        chosen = drawn(f"mnli/{split}", count)
        for language in ALSO_TRAINED if split == "train" else ():
            _write(folder / f"mnli/train-{language}.tsv", rows(language, chosen))
        for number, pair in enumerate(chosen):
            premise, hypothesis = _pair_texts("en", pair)
            record = {"annotator_labels": [pair.label], "genre": "sample", "gold_label": pair.label}
            record |= {"pairID": f"{number}{pair.label[0]}", "promptID": str(number)}
            lines.append(_json(record | {"sentence1": premise, "sentence2": hypothesis}))
        _write(folder / f"mnli/multinli_1.0_{split}.jsonl", lines)


def _tagged(sentence: Sentence) -> Iterable[str]:
    for token in sentence.tokens:
        yield f"{token.text}\t{token.upos}"
    yield ""


def _write_tagging(folder: Path, taken: set[Clause]) -> None:
    def write(name: str, language: str, chosen: list[Clause]) -> None:
        sentences = map(GRAMMARS[language].realise, chosen)
        _write(folder / name, (line for sentence in sentences for line in _tagged(sentence)))

    for split, count in (("test", ROWS), ("dev", ROWS), ("train", 600)):
        chosen = _meanings(Draw(f"udpos/{split}"), count, taken, questions=0.15)
        taken.update(map(same_event, chosen))
        for language in LANGUAGES if split == "test" else ("en",):
            write(f"{split}-{language}.tsv", language, chosen)


def _write_questions(folder: Path, taken: set[Clause]) -> None:
    def told(name: str, questions: int, length: tuple[int, int], impossible: float = 0.0) -> list[Story]:
        return stories(Draw(name), taken, questions, length, impossible)

    def write(path: str, language: str, chosen: list[Story], prefix: str, version: str = "1.1") -> None:
        document = squad(GRAMMARS[language], chosen, lambda story, own: f"{prefix}{story:04}-{own}", version)
        _write(folder / path, [_json(document)])

    parallel = told("xquad", ROWS, (3, 5))
    for language in LANGUAGES:
        write(f"xquad/xquad.{language}.json", language, parallel, "xquad-")
    for language, name in TYDI_NAMES.items():
        path = f"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.{language}.dev.json"
        write(path, language, told(f"tydiqa/{language}", ROWS, (4, 6)), f"{name}-")
    train = told("tydiqa/train", 600, (4, 6))
    write("tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json", "en", train, "english-train-")
    for split, count in (("dev", ROWS), ("train", 2400)):
        write(f"squad/{split}-v1.1.json", "en", told(f"squad/{split}", count, (3, 5)), f"{split}-")
        chosen = told(f"squad_v2/{split}", count, (3, 5), impossible=1 / 3)
        write(f"squad_v2/{split}-v2.0.json", "en", chosen, f"{split}-", version="v2.0")


def _write_endings(folder: Path) -> None:
    taken: set[str] = set()
    for split, count in (("val", ROWS), ("train", 2000)):
        records = endings(Draw(f"hellaswag/{split}"), count, taken, split)
        _write(folder / f"hellaswag_{split}.jsonl", map(_json, records))


def _lines(draw: Draw, sentences: list[str], blank: str) -> Iterable[str]:
    """Lines of one to four sentences, so that an encoder also meets what is longer than one."""
    start = 0
    while start < len(sentences):
        count = draw.pick((1, 1, 1, 2, 3, 4))
        yield blank.join(sentences[start : start + count])
        start += count


def _write_texts(folder: Path, taken: set[Clause]) -> None:
    for language in LANGUAGES:
        draw = Draw(f"text/{language}")
        texts = _texts(language, _meanings(draw, SENTENCES, taken, questions=0.2))
        blank = " " if GRAMMARS[language].style.spaces else ""
        _write(folder / f"text/{language}.txt", _lines(draw, texts, blank))
        if language != "en":
            chosen = _meanings(Draw(f"parallel/{language}"), SENTENCES, taken, questions=0.2)
            _write(folder / f"parallel/{language}-en.{language}", _texts(language, chosen))
            _write(folder / f"parallel/{language}-en.en", _texts("en", chosen))
