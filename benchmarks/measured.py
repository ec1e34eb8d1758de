"""What the training benchmarks share: three tasks on the data slices, and their stages run one by one."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stilts_core.catalog.models import Head, Hyper, Metric
from stilts_core.planning.params import (
    UNCAPPED,
    EncoderSource,
    EvaluateParams,
    Params,
    TaskParams,
    TrainParams,
    TrainTask,
)
from stilts_core.planning.plan import DataFile, Stage, StageKind, fingerprint
from stilts_core.stages.context import Resources, StageContext
from stilts_core.stages.registry import stage_function

SEED = 42
TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"


@dataclass(frozen=True)
class Task:
    """A training and its evaluations, with the settings of the reference script ``hf_<name>.py``.

    Attributes:
        format: of all its files.
        train: the training file, under the data folder.
        targets: name → pattern of the evaluation files, and which part of a file's name is the language.
        train_limit, eval_limit: first records that are used of the training file and of each evaluation file.
    """

    head: Head
    metric: Metric
    format: str
    labels: tuple[str, ...]
    train: str
    targets: Mapping[str, tuple[str, Callable[[str], str]]]
    hyper: Hyper
    train_limit: int
    eval_limit: int


def _hyper(batch_size: int, learning_rate: float, max_length: int) -> Hyper:
    """As transformers' Trainer has it: no warm-up, no weight decay; without patience no development set is scored."""
    return Hyper(
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_length=max_length,
        doc_stride=128,
        epochs=1,
        warmup=0.0,
        weight_decay=0.0,
    )


TASKS = {
    "xnli": Task(
        head=Head.CLASSIFICATION,
        metric=Metric.ACCURACY,
        format="pairs-tsv",
        labels=("entailment", "neutral", "contradiction"),
        train="xnli/train-en.tsv",
        targets={"xnli": ("xnli/dev-*.tsv", lambda name: name[4:].partition(".")[0])},
        hyper=_hyper(32, 5e-5, 128),
        train_limit=384,
        eval_limit=100,
    ),
    "qa": Task(
        head=Head.SPAN,
        metric=Metric.SQUAD,
        format="squad-json",
        labels=(),
        train="squad/train-v1.1.json",
        targets={
            "xquad": ("xquad/xquad.*.json", lambda name: name.split(".")[1]),
            "mlqa": ("mlqa/MLQA_V1/dev/*.json", lambda name: name.split("-")[2]),
            "tydiqa": ("tydiqa/tydiqa-goldp-v1.1-dev/*.json", lambda name: name.split(".")[2]),
        },
        hyper=_hyper(12, 3e-5, 384),
        train_limit=192,
        eval_limit=20,
    ),
    "pos": Task(
        head=Head.TAGGING,
        metric=Metric.TAG_F1,
        format="tags-tsv",
        labels=tuple(TAGS.split()),
        train="udpos/xtreme/train-en.tsv",
        targets={"udpos": ("udpos/xtreme/dev-*.tsv", lambda name: name[4:].partition(".")[0])},
        hyper=_hyper(8, 5e-5, 128),
        train_limit=1000,
        eval_limit=40,
    ),
}


class Meter:
    """Adds up wall and CPU seconds by section, as the reference's own meter does."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        try:
            yield
        finally:
            self.wall[section] = self.wall.get(section, 0.0) + time.perf_counter() - wall
            self.cpu[section] = self.cpu.get(section, 0.0) + _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Stages:
    """The stages of one task on the first records of its files, run in this process.

    Args:
        task: which one.
        data: folder of the data slices.
        encoder: folder with the encoder and its tokenizer.
        folder: empty; everything is written here.
        threads: that a stage uses.
        whole: the files as they are, not their first records.
    """

    def __init__(
        self, task: Task, data: Path, encoder: Path, folder: Path, threads: int, *, whole: bool = False
    ) -> None:
        self._task, self._folder, self._whole = task, folder, whole
        self._source = EncoderSource(location=str(encoder), digest="0" * 64)
        self._resources = Resources(threads=threads)
        self._train = self._files(data, "train", [(data / task.train, "en")], task.train_limit)
        self._evaluate = {
            target: self._files(
                data,
                f"test/{target}",
                [(path, language_of(path.name)) for path in sorted(data.glob(pattern))],
                task.eval_limit,
            )
            for target, (pattern, language_of) in task.targets.items()
        }

    @property
    def targets(self) -> list[str]:
        return list(self._evaluate)

    def prepare_training(self) -> tuple[Path, dict[str, Any]]:
        """What `prepare` committed for the training, and its metrics."""
        return self._run(StageKind.PREPARE, self._task_params("train"), "data-train", files=self._train)

    def train(self, prepared: Path) -> tuple[Path, dict[str, Any]]:
        task = self._task
        params = TrainParams(
            tasks=(TrainTask(task="bench", head=task.head, labels=task.labels, metric=task.metric, hyper=task.hyper),),
            hyper=task.hyper,
            mix_cap=UNCAPPED,
            seed=SEED,
            encoder=self._source,
        )
        return self._run(StageKind.TRAIN, params, "model", inputs={"data/0": prepared})

    def prepare_evaluation(self, target: str) -> tuple[Path, dict[str, Any]]:
        params = self._task_params("evaluate")
        return self._run(StageKind.PREPARE, params, f"data-{target}", files=self._evaluate[target])

    def evaluate(self, target: str, prepared: Path, model: Path) -> tuple[Path, dict[str, Any]]:
        task = self._task
        params = EvaluateParams(
            task=target,
            head=task.head,
            labels=task.labels,
            metric=task.metric,
            answer_length=task.hyper.answer_length,
        )
        return self._run(StageKind.EVALUATE, params, f"scores-{target}", inputs={"data": prepared, "model": model})

    def _task_params(self, purpose: Any) -> TaskParams:
        task, hyper = self._task, self._task.hyper
        return TaskParams(
            task="bench",
            head=task.head,
            labels=task.labels,
            purpose=purpose,
            max_length=hyper.max_length,
            doc_stride=hyper.doc_stride,
            question_length=hyper.question_length,
            encoder=self._source,
        )

    def _files(self, data: Path, split: str, found: list[tuple[Path, str]], limit: int) -> dict[str, tuple[str, Path]]:
        """Copies of the first records: role → (path under the data folder, the copy)."""
        files = {}
        for path, language in found:
            name = str(path.relative_to(data))
            copy = path
            if not self._whole:
                copy = self._folder / "files" / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(_FIRST[self._task.format](path.read_text(encoding="utf-8"), limit), encoding="utf-8")
            files[f"{split.partition('/')[0]}/{language}"] = (name, copy)
        if not files:
            raise SystemExit(f"{data} has no files of this task; --data names the folder of the data slices.")
        return files

    def _run(
        self,
        kind: StageKind,
        params: Params,
        name: str,
        *,
        files: Mapping[str, tuple[str, Path]] | None = None,
        inputs: Mapping[str, Path] | None = None,
    ) -> tuple[Path, dict[str, Any]]:
        described = tuple(
            DataFile(role=role, path=path, format=self._task.format, sha256="0" * 64, size=copy.stat().st_size)
            for role, (path, copy) in (files or {}).items()
        )
        mark = fingerprint(kind, params, {}, described)
        out = self._folder / name
        out.mkdir()
        context = StageContext(
            stage=Stage(fingerprint=mark, kind=kind, version=1, params=params, files=described, label=name),
            inputs=inputs or {},
            data=dict((files or {}).values()),
            out=out,
            resources=self._resources,
        )
        return out, stage_function(kind)(context)


def preparation(kind: str, path: Path, encoder: Path, folder: Path, threads: int) -> Stages:
    """The stages of one training file as it is, "mnli" or "squad" in the original layout; without evaluations."""
    base = TASKS["qa"]
    if kind == "mnli":
        xnli = TASKS["xnli"]
        base = replace(xnli, format="mnli-jsonl", hyper=xnli.hyper.model_copy(update={"max_length": 256}))
    return Stages(replace(base, train=path.name, targets={}), path.parent, encoder, folder, threads, whole=True)


def use_threads(threads: int) -> dict[str, str]:
    """The environment of a process with so many threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    if threads == 1:
        environment["TOKENIZERS_PARALLELISM"] = "false"
    return environment


def existing_encoder(folder: Path) -> Path:
    """The folder, or an exit that says how one is made."""
    if not (folder / "config.json").is_file():
        raise SystemExit(
            f"There is no encoder in {folder}. Make one in the folder of the reference scripts (about five minutes):\n"
            f"  python make_encoder.py {folder.absolute()}\n"
            "or name another with --encoder."
        )
    return folder.resolve()


def _first_lines(text: str, limit: int) -> str:
    return "".join(line + "\n" for line in text.split("\n")[:limit])


def _first_sentences(text: str, limit: int) -> str:
    """The first blocks between blank lines."""
    kept, sentences, inside = list[str](), 0, False
    for line in text.split("\n"):
        if line.strip():
            inside = True
        elif inside:
            inside = False
            sentences += 1
        kept.append(line)
        if sentences == limit:
            break
    return "\n".join(kept) + "\n"


def _first_questions(text: str, limit: int) -> str:
    articles = []
    for article in json.loads(text)["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            questions = paragraph["qas"][:limit]
            limit -= len(questions)
            if questions:
                paragraphs.append({**paragraph, "qas": questions})
        if paragraphs:
            articles.append({**article, "paragraphs": paragraphs})
    return json.dumps({"data": articles}, ensure_ascii=False)


_FIRST: dict[str, Callable[[str, int], str]] = {
    "pairs-tsv": _first_lines,
    "tags-tsv": _first_sentences,
    "squad-json": _first_questions,
}
