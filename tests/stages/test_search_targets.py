"""BUCC, LAReQA, Mewsli-X and Tatoeba through their stages, with a small encoder of the real class."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head, Metric
from stilts_core.data.dataset import Array, Dataset
from stilts_core.data.readers import read
from stilts_core.errors import StoppedError
from stilts_core.evaluation.scorers.bitext import above, best_threshold, pair_score
from stilts_core.evaluation.scorers.ranking import mean_average_precision, mean_reciprocal_rank
from stilts_core.planning.params import EncoderSource, EvaluateParams, TaskParams, TokenizerParams
from stilts_core.planning.plan import DataFile, Stage, StageKind
from stilts_core.spec.profile import StoreSettings
from stilts_core.stages import evaluate as evaluate_stage
from stilts_core.stages.context import Resources, StageContext
from stilts_core.stages.evaluate import evaluate
from stilts_core.stages.handoff import write_encoder
from stilts_core.stages.keeping import Journal
from stilts_core.stages.prepare import prepare
from stilts_core.stages.saving import Saving
from stilts_core.storage.manifest import Attempt

pytestmark = pytest.mark.train

SLICES = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
XQUAD_R = SLICES / "lareqa/xquad-r"
TATOEBA = SLICES / "tatoeba/v1"


def context(
    kind: StageKind, params: Any, out: Path, inputs: Mapping[str, Path], files: Any = (), data: Any = None
) -> Any:
    out.mkdir(parents=True)
    stage = Stage(fingerprint="0" * 64, kind=kind, version=1, params=params, files=tuple(files))
    return StageContext(stage=stage, inputs=inputs, data=data or {}, out=out, resources=Resources(threads=1))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers with random weights, and a tokenizer trained on a slice: means of random vectors of tokens."""
    if not XQUAD_R.is_dir():
        pytest.skip("the data slices are not there")
    from stilts_core.modeling.encoder import new_encoder
    from stilts_core.spec.study import Pretraining

    folder = tmp_path_factory.mktemp("encoder")
    file = DataFile(role="text/0/en", path="t", format="text-lines", sha256="0" * 64, size=1)
    params = TokenizerParams(vocabulary=600, max_length=128)
    prepare(context(StageKind.PREPARE, params, folder / "t", {}, [file], {"t": TATOEBA / "tatoeba.deu-eng.eng"}))
    text = {"path": "t", "format": "text-lines", "languages": ["en"], "parallel": True}
    settings = Pretraining(layers=2, hidden=32, heads=2, vocabulary=600, max_length=128, text=[text])
    torch.manual_seed(0)
    module = new_encoder(settings, 600, 1, 0, 2)
    weights = {name: tensor.detach() for name, tensor in module.named_parameters()}
    write_encoder(folder / "encoder", module, weights, folder / "t/tokenizer")
    return folder / "encoder"


class Counted(Journal):
    """Counts what it has to make."""

    made = 0

    def __call__(self, make: Callable[[], list[Array]]) -> list[Array]:
        def counted() -> list[Array]:
            Counted.made += 1
            return make()

        return super().__call__(counted)


def files_under(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Target:
    """A target of the catalogue on some files, prepared and evaluated in this process."""

    def __init__(self, folder: Path, encoder: Path) -> None:
        self.folder, self.encoder = folder, encoder

    def run(self, task: str, files: dict[str, tuple[Path, str]], **more: Any) -> tuple[Dataset, dict[str, Any], Path]:
        known = load_catalogue().task(task)
        source = EncoderSource(location=str(self.encoder), digest="0" * 64)
        described = [
            DataFile(role=role, path=role, format=kind, sha256="0" * 64, size=1) for role, (_, kind) in files.items()
        ]
        lengths = {"max_length": 96, "doc_stride": 0, "question_length": 32 if known.metric is Metric.MAP_20 else 0}
        params = TaskParams(task=task, head=Head.RETRIEVAL, purpose="evaluate", encoder=source, **lengths, **more)
        data = {role: path for role, (path, _) in files.items()}
        out = self.folder / f"{task}{len(list(self.folder.iterdir()))}"
        prepare(context(StageKind.PREPARE, params, out / "p", {}, described, data))
        scoring = EvaluateParams(
            task=task,
            head=Head.RETRIEVAL,
            metric=known.metric,
            answer_length=0,
            pooling="mean",
            retrieval_states={2: 1},
            encoder=source,
        )
        metrics = evaluate(context(StageKind.EVALUATE, scoring, out / "e", {"data": out / "p"}))
        assert metrics == json.loads((out / "e/metrics.json").read_text())
        self.interrupt(scoring, out)
        return Dataset.open(out / "p/data"), metrics["languages"], out / "e"

    def interrupt(self, params: EvaluateParams, out: Path) -> None:
        """Attempts that are asked to stop after a search, and one that is not, end as the one that was left alone."""
        Counted.made = 0
        evaluate(context(StageKind.EVALUATE, params, out / "whole/e", {"data": out / "p"}))
        wanted, Counted.made = Counted.made, 0
        for number in range(3):
            searches: list[int] = []
            folder = out / f"attempt-{number}"
            attempt = Attempt(number=number + 1, token=f"t{number}")
            saving = Saving(StoreSettings(uri=str(out / "store")), attempt, {}, folder / "saving", 1.0)
            cut = replace(
                context(StageKind.EVALUATE, params, folder / "e", {"data": out / "p"}),
                saving=saving,
                report=lambda at: searches.append(at.step) if at.activity == "searching" else None,  # noqa: B023
                stop_requested=lambda: number < 2 and len(searches) > number,  # noqa: B023
            )
            try:
                evaluate(cut)
            except StoppedError:
                continue
            break
        assert Counted.made == wanted
        assert number
        assert files_under(folder / "e") == files_under(out / "e")


@pytest.fixture
def target(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(evaluate_stage, "Journal", Counted)
    return Target(tmp_path, encoder)


def write_bucc(folder: Path, split: str, rows: range) -> dict[str, tuple[Path, str]]:
    """Sentences of Tatoeba as BUCC has them: two shuffled sides, two thirds of each with a translation."""
    lines = {side: (TATOEBA / f"tatoeba.deu-eng.{side}").read_text().splitlines() for side in ("deu", "eng")}
    draw = random.Random(split)
    sides = {side: draw.sample(rows, 2 * len(rows) // 3) for side in lines}
    ids = {side: {row: f"{side}-{number:09d}" for number, row in enumerate(chosen)} for side, chosen in sides.items()}
    files = {}
    for role, name, text in (
        ("", "de", "".join(f"{ids['deu'][row]}\t{lines['deu'][row]}\n" for row in sides["deu"])),
        ("/pair", "en", "".join(f"{ids['eng'][row]}\t{lines['eng'][row]}\n" for row in sides["eng"])),
        ("/gold", "gold", "".join(f"{i}\t{ids['eng'][row]}\n" for row, i in ids["deu"].items() if row in ids["eng"])),
    ):
        path = folder / f"de-en.{split}.{name}"
        path.write_text(text)
        files[f"{split}/de{role}"] = (path, "bucc")
    return files


def test_bucc(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = tmp_path / "bucc"
    fixture.mkdir()
    files = {**write_bucc(fixture, "dev", range(120)), **write_bucc(fixture, "test", range(120, 300))}
    dataset, languages, out = target.run("bucc", files)
    assert [(s.split, s.language, s.stop - s.start) for s in dataset.segments] == [
        ("dev", "de", 160),
        ("test", "de", 240),
    ]
    entry = languages["de"]
    gold = set((fixture / "de-en.test.gold").read_text().splitlines())
    lines = (out / "predictions/bucc/test-de.tsv").read_text().splitlines()
    assert entry["n"] == len(gold)
    assert entry["score"] == pair_score(gold, lines).f1 > entry["chance"]
    assert {name for name in entry["metrics"] if "@" in name} == {f"f1@state0{n}" for n in range(3)}
    assert best_threshold({}, gold) == 0
    assert above({("a", "b"): 1.0}, entry["thresholds"]["f1"]) in ([], ["a\tb"])
    # With little memory only the state that counts is kept, and the result is the same.
    monkeypatch.setattr(evaluate_stage, "STATES_BYTES", 1000)
    _, small, again = target.run("bucc", files)
    assert small["de"]["score"] == entry["score"]
    assert {name for name in small["de"]["metrics"] if "@" in name} == {"f1@state01"}
    assert (again / "predictions/bucc/test-de.tsv").read_text().splitlines() == lines
    # A limit bounds what looks for translations, not what is looked for.
    limited, _, _ = target.run("bucc", files, limit=30)
    assert [s.stop - s.start for s in limited.segments] == [30 + 80, 30 + 120]


def test_lareqa(target: Target) -> None:
    codes = ("de", "en", "es")
    files = {f"test/{code}": (XQUAD_R / f"{code}.json", "lareqa-json") for code in codes}
    dataset, languages, out = target.run("lareqa", files)
    lengths, side = dataset.lengths, dataset.columns["side"]
    assert lengths[side == 0].max() <= 32
    assert 32 < lengths[side == 1].max() <= 64
    right: dict[str, list[str]] = {}
    for code in codes:
        for record in read("lareqa-json", XQUAD_R / f"{code}.json", language=code):
            for key in record.keys if record.candidate else ():
                right.setdefault(key, []).append(record.id)
    for code in codes:
        entry = languages[code]
        rankings = json.loads((out / f"predictions/lareqa/test-{code}.json").read_text())
        assert entry["n"] == len(rankings) == 158
        assert {len(ranking) for ranking in rankings.values()} == {20}
        assert entry["score"] == pytest.approx(mean_average_precision(right, rankings), abs=1e-9)
        assert 0 < entry["chance"] < 5
        assert set(entry["metrics"]) == {"map@20", *(f"map@20@state0{n}" for n in range(3))}


def test_mewslix(target: Target, tmp_path: Path) -> None:
    """Each English sentence is an entity, each sentence in another language mentions the one it translates."""
    entities, gold = [], {}
    rows = []
    for code in ("en", "es", "tr"):
        document = json.loads((XQUAD_R / f"{code}.json").read_text())
        paragraphs = [paragraph for article in document["data"] for paragraph in article["paragraphs"]]
        for number, paragraph in enumerate(paragraphs):
            text, spans = paragraph["context"], paragraph["sentence_breaks"]
            mentions = []
            for place, (start, end) in enumerate(spans):
                entity, word = f"Q{number}-{place}", text[start:end].split()[0]
                if code == "en":
                    entities.append({"entity_id": entity, "title": "", "description": text[start:end]})
                    entities[-1]["sentence_spans"] = [{"start": 0, "end": end - start}]
                elif any(known["entity_id"] == entity for known in entities):
                    span = {"start": start, "end": start + len(word), "text": word}
                    mentions.append({"example_id": f"{code}{entity}", "entity_id": entity, "mention_span": span})
                    gold.setdefault(code, {})[f"{code}{entity}"] = [entity]
            sentences = [{"start": start, "end": end} for start, end in spans]
            article = {"document_id": str(number), "language": code, "text": text, "sentence_spans": sentences}
            rows.append({"context": article, "mentions": mentions})
    files = {}
    for name, content in (("mentions", rows), ("entities", entities)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content))
    for code in ("es", "tr"):
        files[f"test/{code}"] = (tmp_path / "mentions/mentions.jsonl", "mewslix-jsonl")
        files[f"test/{code}/pair"] = (tmp_path / "entities/entities.jsonl", "mewslix-jsonl")
    dataset, languages, out = target.run("mewslix", files)
    assert [segment.language for segment in dataset.segments] == ["es", "tr", "*"]
    assert dataset.segments[-1].stop - dataset.segments[-1].start == len(entities)
    for code in ("es", "tr"):
        rankings = json.loads((out / f"predictions/mewslix/test-{code}.json").read_text())
        assert set(rankings) == set(gold[code])
        assert languages[code]["score"] == pytest.approx(mean_reciprocal_rank(gold[code], rankings), abs=1e-9)
        assert languages[code]["score"] > languages[code]["chance"]


def test_tatoeba_is_as_it_was(target: Target) -> None:
    files = {
        "test/de": (TATOEBA / "tatoeba.deu-eng.deu", "parallel-lines"),
        "test/de/pair": (TATOEBA / "tatoeba.deu-eng.eng", "parallel-lines"),
    }
    dataset, languages, out = target.run("tatoeba", files, limit=200)
    found = (out / "predictions/tatoeba/test-de.tsv").read_text().splitlines()
    english = [example["text"] for example in dataset.examples[200:]]
    order = sorted(range(200), key=english.__getitem__)
    right = sum(int(row) == place for row, place in zip(found, order, strict=True))
    assert languages["de"]["score"] == 100 * right / 200
