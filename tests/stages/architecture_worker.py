"""Run as a program: every stage on small encoders of the named cases (`architectures`); writes results as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
sys.path.insert(0, str(Path(__file__).parent.parent / "modeling"))

from architectures import write_case
from safetensors.numpy import load_file

from stilts_core.catalog.models import Head, Hyper, Metric
from stilts_core.planning.params import (
    EncoderSource,
    EvaluateParams,
    Params,
    TaskParams,
    TextParams,
    TrainParams,
    TrainTask,
)
from stilts_core.planning.plan import DataFile, Stage, StageKind
from stilts_core.stages.context import Resources, StageContext
from stilts_core.stages.registry import stage_function

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog . Where did the dog sleep last night ?",
    "tr": "Hızlı kahverengi tilki tembel köpeğin üzerinden atlar . Köpek dün gece nerede uyudu ?",
    "zh": "敏捷 的 棕色 狐狸 跳过 懒 狗 。 昨晚 狗 睡 在 哪里 ？",
    "th": "สุนัข จิ้งจอก สี น้ำตาล กระโดด ข้าม สุนัข ขี้เกียจ เมื่อคืน สุนัข นอน ที่ไหน",
}
JOINED = {language: text if language in ("en", "tr") else text.replace(" ", "") for language, text in SENTENCES.items()}
LABELS = ("other", "same")
METRICS = {
    Head.CLASSIFICATION: Metric.ACCURACY,
    Head.CHOICE: Metric.ACCURACY,
    Head.SPAN: Metric.SQUAD,
    Head.TAGGING: Metric.TAG_F1,
    Head.RETRIEVAL: Metric.RETRIEVAL_ACCURACY,
}
FORMATS = {
    Head.CLASSIFICATION: ("pairs-{}.tsv", "pairs-tsv"),
    Head.CHOICE: ("choices-{}.jsonl", "hellaswag-jsonl"),
    Head.SPAN: ("squad-{}.json", "squad-json"),
    Head.TAGGING: ("tags-{}.tsv", "tags-tsv"),
}
HYPER = Hyper(
    learning_rate=1e-3, batch_size=4, max_steps=3, epochs=3, max_length=64, doc_stride=8, question_length=16, patience=9
)
SUPERVISED = tuple(FORMATS)


def write_data(root: Path) -> None:
    """A few examples of every format in every language."""
    root.mkdir()
    for language, text in JOINED.items():
        words = SENTENCES[language].split()
        half = len(text) // 2
        pairs = [(text[: half + i], text[i:half], LABELS[i % 2]) for i in range(8)]
        (root / f"pairs-{language}.tsv").write_text("".join("\t".join(row) + "\n" for row in pairs))
        tags = "".join(f"{word}\t{LABELS[i % 2]}\n" for i, word in enumerate(words))
        (root / f"tags-{language}.tsv").write_text((tags + "\n") * 4)
        (root / f"lines.{language}").write_text("".join(f"{text[i:]}\n" for i in range(6)))
        answer = words[3]
        at = text.index(answer)
        questions = [
            {"id": f"{language}{i}", "question": words[i], "answers": [{"text": answer, "answer_start": at}]}
            for i in range(5)
        ]
        document = {"data": [{"paragraphs": [{"context": text, "qas": questions}]}]}
        (root / f"squad-{language}.json").write_text(json.dumps(document))
        choice = {"ctx_a": text[:half], "ctx_b": "", "endings": [text[half:], *words[:3]], "label": 0}
        (root / f"choices-{language}.jsonl").write_text((json.dumps(choice) + "\n") * 5)


def file(role: str, path: str, kind: str) -> DataFile:
    return DataFile(role=role, path=path, format=kind, sha256="0" * 64, size=1)


class Case:
    """One encoder through all stages."""

    def __init__(self, folder: Path, name: str, data: Path) -> None:
        self.folder, self.data = folder, data
        write_case(folder / "published", name, JOINED.values())
        self.source = EncoderSource(location=str(folder / "published"), digest="0" * 64)

    def run(self, kind: StageKind, out: str, params: Params, files: tuple[DataFile, ...] = (), **inputs: str) -> Any:
        folder = self.folder / out
        folder.mkdir()
        context = StageContext(
            stage=Stage(fingerprint="0" * 64, kind=kind, version=1, params=params, files=files),
            inputs={role.replace("_", "/"): self.folder / made for role, made in inputs.items()},
            data={f.path: self.data / f.path for f in files},
            out=folder,
            resources=Resources(precision="fp32"),
        )
        return stage_function(kind)(context)

    def prepare(self, head: Head, purpose: str) -> str:
        path, kind = FORMATS[head]
        roles = ("train/en", "dev/en") if purpose == "train" else tuple(f"test/{code}" for code in JOINED)
        params = TaskParams(
            task=head.value,
            head=head,
            labels=LABELS if head in (Head.CLASSIFICATION, Head.TAGGING) else (),
            purpose=purpose,
            max_length=64,
            doc_stride=8,
            question_length=16,
            encoder=self.source,
        )
        files = tuple(file(role, path.format(role.split("/")[1]), kind) for role in roles)
        self.run(StageKind.PREPARE, f"{purpose}-{head.value}", params, files)
        return f"{purpose}-{head.value}"

    def task(self, head: Head) -> TrainTask:
        labels = LABELS if head in (Head.CLASSIFICATION, Head.TAGGING) else ()
        return TrainTask(task=head.value, head=head, labels=labels, metric=METRICS.get(head), hyper=HYPER)

    def train(self, out: str, heads: tuple[Head, ...], data: tuple[str, ...], encoder: str | None) -> dict[str, Any]:
        params = TrainParams(
            tasks=tuple(map(self.task, heads)),
            hyper=HYPER,
            mix_cap=100,
            seed=1,
            encoder=self.source if encoder is None else None,
        )
        inputs = {f"data_{at}": folder for at, folder in enumerate(data)}
        if encoder is not None:
            inputs["encoder"] = encoder
        metrics: dict[str, Any] = self.run(StageKind.TRAIN, out, params, **inputs)
        return metrics

    def evaluate(self, head: Head, data: str, model: str | None) -> dict[str, Any]:
        retrieval = head is Head.RETRIEVAL
        params = EvaluateParams(
            task="tatoeba" if retrieval else head.value,
            head=head,
            labels=LABELS if head in (Head.CLASSIFICATION, Head.TAGGING) else (),
            metric=METRICS[head],
            answer_length=30 if head is Head.SPAN else 0,
            pooling="mean" if retrieval else None,
            retrieval_share=0.6 if retrieval else None,
            encoder=self.source if model is None else None,
        )
        inputs = {"data": data} if model is None else {"data": data, "model": model}
        metrics: dict[str, Any] = self.run(StageKind.EVALUATE, f"scores-{head.value}", params, **inputs)
        return metrics

    def all_stages(self, mask: bool) -> dict[str, Any]:
        """Each head trained and evaluated by itself, retrieval, and a mix of all that begins with the first model."""
        result: dict[str, Any] = {}
        train = {head: self.prepare(head, "train") for head in SUPERVISED}
        for head in SUPERVISED:
            trained = self.train(f"model-{head.value}", (head,), (train[head],), None)
            scored = self.evaluate(head, self.prepare(head, "evaluate"), f"model-{head.value}")
            result[head.value] = {"train": trained, "evaluate": scored}
        lines = tuple(
            file(role, f"lines.{language}", "parallel-lines")
            for code in list(JOINED)[1:]
            for role, language in ((f"test/{code}", code), (f"test/{code}/pair", "en"))
        )
        params = TaskParams(
            task="tatoeba",
            head=Head.RETRIEVAL,
            purpose="evaluate",
            max_length=64,
            doc_stride=8,
            question_length=16,
            encoder=self.source,
        )
        self.run(StageKind.PREPARE, "retrieval", params, lines)
        result["retrieval"] = {"evaluate": self.evaluate(Head.RETRIEVAL, "retrieval", None)}
        heads, data = SUPERVISED, tuple(train.values())
        if mask:
            texts = tuple(file(f"text/0/{code}", f"lines.{code}", "text-lines") for code in JOINED)
            self.run(StageKind.PREPARE, "text", TextParams(sequence_length=64, encoder=self.source), texts)
            heads, data = (*heads, Head.MLM), (*data, "text")
        result["mix"] = {"train": self.train("model-mix", heads, data, "model-classification")}
        first, later = (load_file(self.folder / name / "encoder/model.safetensors") for name in MODELS)
        still = [name for name in first if not (first[name] != later[name]).any()]
        result["weights"] = {"same_names": sorted(first) == sorted(later), "still": still}
        return result


MODELS = ("model-classification", "model-mix")


if __name__ == "__main__":
    root, *names = sys.argv[1:]
    write_data(Path(root) / "data")
    for name in names:
        case = Case(Path(root) / name, name, Path(root) / "data")
        result = case.all_stages(mask=name not in ("mt5", "umt5", "t5"))
        (Path(root) / f"{name}.json").write_text(json.dumps(result))
