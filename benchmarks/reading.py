"""How fast files of MNLI's and SQuAD's full size become training data, beside the tokenizer alone.

    python benchmarks/reading.py [--encoder FOLDER] [--threads 2] [--repeats 3] [--share 1.0]

The files are synthetic, in the formats and of the sizes of the originals: 392,702 pairs of sentences with 130,900
different premises; 87,599 questions on 18,891 paragraphs. The words are drawn from the encoder's own vocabulary by
Zipf's law. In turn, each in a process of its own: the tokenizer on all texts with its special tokens and nothing else
(texts in memory, one batched call), and the `prepare` stage: read, check, tokenise, cut into windows, write.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measured import existing_encoder, preparation, use_threads

from stilts_core.engine.environment import ENVIRONMENT

WANTED = 1.25
"""Times the tokenizer's time; that is its speed less a fifth."""

PAIRS, PREMISES = 392_702, 130_900
QUESTIONS, PARAGRAPHS = 87_599, 18_891
LABELS = ("entailment", "neutral", "contradiction")


class Words:
    """Texts of words from a tokenizer's vocabulary, the frequent ones first."""

    def __init__(self, encoder: Path, seed: int) -> None:
        pieces = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        words = [piece[1:] for piece, _ in pieces if piece.startswith("▁") and piece[1:].isalpha()]
        # Words of two pieces too, as in any text.
        self._words = np.array(words + [one + other for one, other in zip(words[::3], words[1::3], strict=False)])
        self._rng = np.random.default_rng(seed)
        weights = 1 / np.arange(10, 10 + len(self._words))
        self._bounds = np.cumsum(weights / weights.sum())

    def texts(self, count: int, words: int) -> list[str]:
        """So many texts of about so many words."""
        lengths = np.maximum(1, self._rng.poisson(words, count))
        drawn = np.searchsorted(self._bounds, self._rng.random(lengths.sum())).clip(max=len(self._words) - 1)
        chosen = self._words[drawn]
        ends = np.cumsum(lengths)
        return [" ".join(chosen[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def write_mnli(folder: Path, words: Words, share: float) -> Path:
    """A file in MultiNLI's JSON-lines layout."""
    count, different = round(PAIRS * share), max(1, round(PREMISES * share))
    premises, hypotheses = words.texts(different, 20), words.texts(count, 10)
    path = folder / "mnli" / "multinli_1.0_train.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        for number, hypothesis in enumerate(hypotheses):
            premise = premises[number % different]
            record = {
                "gold_label": LABELS[number % 3],
                "sentence1": premise,
                "sentence2": hypothesis,
                "pairID": str(number),
            }
            file.write(json.dumps(record) + "\n")
    return path


def write_squad(folder: Path, words: Words, share: float) -> Path:
    """A file in SQuAD v1.1's layout."""
    count, different = round(QUESTIONS * share), max(1, round(PARAGRAPHS * share))
    contexts, questions = words.texts(different, 117), iter(words.texts(count, 10))
    paragraphs = []
    for number, context in enumerate(contexts):
        share_of_this = count // different + (number < count % different)
        answer = context.split(" ", 4)[2]
        answers = [{"text": answer, "answer_start": len(" ".join(context.split(" ")[:2])) + 1}]
        asked = [
            {"id": f"{number}-{turn}", "question": next(questions), "answers": answers} for turn in range(share_of_this)
        ]
        paragraphs.append({"context": context, "qas": asked})
    path = folder / "squad" / "train-v1.1.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8"
    )
    return path


def pairs_of(kind: str, path: Path) -> Iterator[tuple[str, str]]:
    """What the tokenizer gets: premise and hypothesis, question and context."""
    if kind == "mnli":
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            yield record["sentence1"], record["sentence2"]
        return
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question["question"], paragraph["context"]


def tokenizer_alone(kind: str, path: Path, encoder: Path) -> float:
    """Seconds of one batched call, windows included."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    if kind == "mnli":
        tokenizer.enable_truncation(256)
    else:
        tokenizer.enable_truncation(384, stride=128, strategy="only_second")
    texts = list(pairs_of(kind, path))
    call = tokenizer.encode_batch_fast if kind == "mnli" else tokenizer.encode_batch
    begin = time.perf_counter()
    call(texts)
    return time.perf_counter() - begin


def stage(kind: str, path: Path, encoder: Path, threads: int) -> float:
    """Seconds of the `prepare` stage."""
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as folder:
        stages = preparation(kind, path, encoder, Path(folder), threads)
        begin = time.perf_counter()
        stages.prepare_training()
        return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--encoder", type=Path, default=Path("out/enc"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the files' size, to try it out")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "KIND", "FILE"), help="run one of them in this process")
    arguments = parser.parse_args()
    encoder = existing_encoder(arguments.encoder)
    if arguments.one:
        what, kind, file = arguments.one
        path = Path(file)
        seconds = (
            tokenizer_alone(kind, path, encoder) if what == "alone" else stage(kind, path, encoder, arguments.threads)
        )
        print(seconds)
        return 0
    met = True
    again = [*(sys.executable, str(Path(__file__).resolve()), "--encoder", str(encoder))]
    again += ["--threads", str(arguments.threads)]
    environment = {
        **use_threads(arguments.threads),
        **ENVIRONMENT,
        "TOKENIZERS_PARALLELISM": "true",
        "RAYON_NUM_THREADS": str(arguments.threads),
    }
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as name:
        words = Words(encoder, seed=0)
        for kind, write in (("mnli", write_mnli), ("squad", write_squad)):
            path = write(Path(name), words, arguments.share)
            found: dict[str, list[float]] = {"alone": [], "stage": []}
            for _ in range(arguments.repeats):
                for what, seconds in found.items():
                    command = [*again, "--one", what, kind, str(path)]
                    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                    seconds.append(float(done.stdout.splitlines()[-1]))
            alone, ours = (statistics.median(seconds) for seconds in found.values())
            met &= ours <= WANTED * alone
            print(
                f"{kind}, {path.stat().st_size / 1e6:.0f} MB: the tokenizer alone {alone:.2f} s, ours {ours:.2f} s, "
                f"{ours / alone:.2f} times; wanted: {WANTED} at most (load {os.getloadavg()[0]:.1f})"
            )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
