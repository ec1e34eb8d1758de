"""Every task of the catalogue is prepared, trained and scored, from files in the format of its release."""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from task_files import MADE, SCORED, SCORED_IN, SLICED_IN, SLICES, TRAIN, link_slices, sentence, write_made

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head, Metric
from stilts_core.data.dataset import Dataset
from stilts_core.data.root import open_data_root
from stilts_core.data.vocabulary import train_tokenizer
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.study import Study
from stilts_core.stages.context import StageContext
from stilts_core.stages.registry import stage_function

CATALOGUE = load_catalogue()
TRAINED = [task.name for task in CATALOGUE.tasks.values() if task.head is not Head.RETRIEVAL]
DATA = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SCRIPTS = (
    "Der schnelle braune Fuchs springt über den faulen Hund. Wo schlief der Hund letzte Nacht?",
    "الثعلب البني السريع يقفز فوق الكلب الكسول. أين نام الكلب الليلة الماضية؟",
    "敏捷的棕色狐狸跳过懒狗。昨晚狗睡在哪里？ 素早い茶色の狐がのろまな犬を飛び越える。",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ เมื่อคืนสุนัขนอนที่ไหน",
)
SETTINGS = {
    "batch_size": 4,
    "max_steps": 2,
    "dev_examples": 4,
    "evaluate_every": 1,
    "patience": 5,
    "max_length": 64,
    "doc_stride": 16,
    "question_length": 16,
}
MEASURES = {
    Metric.ACCURACY: {"accuracy"},
    Metric.ACCURACY_F1: {"accuracy", "f1"},
    Metric.TAG_F1: {"f1", "precision", "recall", "token_accuracy"},
    Metric.TAG_ACCURACY: {"accuracy"},
    Metric.SQUAD: {"exact_match", "f1"},
    Metric.MLQA: {"exact_match", "f1"},
    Metric.SQUAD_V2: {"exact_match", "f1", "best_exact_match", "best_f1"},
}
SUFFIX = {Head.CLASSIFICATION: ".tsv", Head.TAGGING: ".tsv", Head.SPAN: ".json", Head.CHOICE: ".jsonl"}

Outputs = dict[str, Path]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    """An XLM-R of one layer with random weights, and a tokenizer of some hundred pieces."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("encoder")
    made = [sentence(number, 9) for number in range(60)]
    tokenizer = train_tokenizer([*made, *SCRIPTS, string.printable], 300, 64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return EncoderSource(location=str(folder), digest="e" * 64, max_length=64)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def plan_of(root: Path, encoder: EncoderSource, **spec: Any) -> Plan:
    study = Study.model_validate(
        {
            "metadata": {"name": "every-task"},
            "spec": {
                "encoders": [{"name": "tiny", "source": encoder.location}],
                "curricula": ["baseline"],
                "protocol": "corrected",
                "overrides": [{"set": SETTINGS}],
                **spec,
            },
        }
    )
    return make_plan(study, CATALOGUE, open_data_root(str(root), root / "cache"), {"tiny": encoder})


def run(plan: Plan, root: Path, out: Path) -> Outputs:
    """Every stage of a plan, one after another, in this process."""
    done: Outputs = {}
    for stage in plan.stages:
        folder = out / stage.fingerprint
        folder.mkdir(parents=True)
        context = StageContext(
            stage=stage,
            inputs={role: done[parent] for role, parent in stage.parents.items()},
            data={file.path: root / file.path for file in stage.files},
            out=folder,
        )
        stage_function(stage.kind)(context)
        done[stage.fingerprint] = folder
    return done


def of_kind(plan: Plan, kind: StageKind) -> list[Stage]:
    return [stage for stage in plan.stages if stage.kind is kind]


def check_scores(plan: Plan, done: Outputs, name: str, languages: tuple[str, ...]) -> dict[str, Any]:
    """The committed result of a target has everything that a report needs, and predictions in the official format."""
    task = CATALOGUE.task(name)
    assert task.metric is not None
    [stage] = of_kind(plan, StageKind.EVALUATE)
    folder = done[stage.fingerprint]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["metric"] == task.metric.value
    assert tuple(metrics["languages"]) == languages
    outcomes = pq.read_table(folder / "outcomes.parquet").to_pylist()
    for language, entry in metrics["languages"].items():
        assert entry["note"] is None, entry["note"]
        assert set(entry["metrics"]) == MEASURES[task.metric]
        assert 0 <= entry["score"] <= 100
        assert 0 <= entry["chance"] <= 100
        assert isinstance(entry["at_chance"], bool)
        assert isinstance(entry["degenerate"], bool)
        predictions = folder / f"predictions/{name}/{entry['split']}-{language}{SUFFIX[task.head]}"
        assert official_items(task.head, predictions) == entry["n"]
        ids = [row["id"] for row in outcomes if row["language"] == language]
        kinds = {row["metric"] for row in outcomes}
        assert len(ids) == entry["n"] * len(kinds)
        assert len(set(ids)) == entry["n"], "an id stands for two examples"
    return dict(metrics["languages"])


def official_items(head: Head, path: Path) -> int:
    """The examples of a prediction file."""
    text = path.read_text(encoding="utf-8")
    match head:
        case Head.SPAN:
            answers = json.loads(text)
            assert all(isinstance(answer, str) for answer in answers.values())
            return len(answers)
        case Head.TAGGING:
            assert text.endswith("\n\n")
            return text.count("\n\n")
        case Head.CHOICE:
            assert all(isinstance(json.loads(line)["label"], int) for line in text.splitlines())
    return len(text.splitlines())


def test_there_are_small_files_of_every_task_that_is_trained() -> None:
    assert set(MADE) >= set(TRAINED) - {"lareqa", "mewslix"}


@pytest.mark.parametrize("name", [name for name in TRAINED if name in MADE and name != "mlm"])
def test_a_task_from_its_files_to_its_score(name: str, encoder: EncoderSource, tmp_path: Path) -> None:
    write_made(tmp_path / "data", name)
    languages = SCORED_IN.get(name, ("en",))
    plan = plan_of(tmp_path / "data", encoder, targets=[{"task": name, "languages": list(languages)}])
    done = run(plan, tmp_path / "data", tmp_path / "out")
    scores = check_scores(plan, done, name, languages)
    expected = {"anli_plus": 5 * SCORED, "udpos": SCORED}.get(name, SCORED)
    for language, entry in scores.items():
        assert entry["n"] == (2 * SCORED if (name, language) == ("udpos", "en") else expected)
    for stage in of_kind(plan, StageKind.TRAIN):
        history = json.loads((done[stage.fingerprint] / "history.json").read_text())
        assert len(history["loss"]) == SETTINGS["max_steps"]
        assert [point["step"] for point in history["dev"]] == [1, 2]


@pytest.mark.parametrize("name", list(SLICES))
def test_a_task_from_slices_of_the_real_files_to_its_score(name: str, encoder: EncoderSource, tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(f"needs the data slices; STILTS_TEST_DATA names their folder (looked in {DATA})")
    root = tmp_path / "data"
    root.mkdir()
    link_slices(root, DATA, name)
    languages = SLICED_IN.get(name, ("en",))
    target = {"task": name, "languages": list(languages), "limit": 6, "train_limit": 12}
    plan = plan_of(root, encoder, targets=[target])
    done = run(plan, root, tmp_path / "out")
    scores = check_scores(plan, done, name, languages)
    assert {entry["n"] for entry in scores.values()} == {6}


def test_masked_text_joins_any_task(encoder: EncoderSource, tmp_path: Path) -> None:
    write_made(tmp_path / "data", "mlm")
    write_made(tmp_path / "data", "qqp")
    curriculum = {"name": "masked", "steps": [{"mix": ["qqp", {"mlm": "en, sw"}]}]}
    plan = plan_of(tmp_path / "data", encoder, curricula=[curriculum], targets=["qqp"])
    done = run(plan, tmp_path / "data", tmp_path / "out")
    check_scores(plan, done, "qqp", ("en",))
    mix, _ = of_kind(plan, StageKind.TRAIN)
    heads = json.loads((done[mix.fingerprint] / "heads.json").read_text())
    assert [head["head"] for head in heads] == ["classification", "mlm"]


def test_the_parts_of_anli_plus_share_one_head_and_are_sampled_by_size(encoder: EncoderSource, tmp_path: Path) -> None:
    """Every example of the parts is one example of the whole, so that an epoch takes each of them once."""
    write_made(tmp_path / "data", "anli_plus")
    write_made(tmp_path / "data", "qqp")
    curriculum = {"name": "mixed", "steps": [{"mix": ["anli_plus", "qqp"]}]}
    plan = plan_of(tmp_path / "data", encoder, curricula=[curriculum], targets=["qqp"])
    done = run(plan, tmp_path / "data", tmp_path / "out")
    mix, _ = of_kind(plan, StageKind.TRAIN)
    heads = json.loads((done[mix.fingerprint] / "heads.json").read_text())
    assert heads == [{"head": "classification", "labels": 3}, {"head": "classification", "labels": 2}]
    dataset = Dataset.open(done[mix.parents["data/0"]] / "data")
    sizes = {split: sum(s.stop - s.start for s in dataset.select(split)) for split in ("train", "dev")}
    assert sizes == {"train": 5 * TRAIN, "dev": 5 * SCORED}
    ids = [
        example["id"] for segment in dataset.select("dev") for example in dataset.examples[segment.start : segment.stop]
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "snli:s100"


def test_the_labels_of_ccg_come_with_the_data(encoder: EncoderSource, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_made(root, "ccg")
    plan = plan_of(root, encoder, targets=["ccg"])
    done = run(plan, root, tmp_path / "out")
    [train] = of_kind(plan, StageKind.TRAIN)
    assert train.params.model_dump()["tasks"][0]["labels"] == ()
    assert json.loads((done[train.fingerprint] / "heads.json").read_text()) == [{"head": "tagging", "labels": 6}]
    [scored] = of_kind(plan, StageKind.EVALUATE)
    dataset = Dataset.open(done[scored.parents["data"]] / "data")
    assert dataset.labels(()) == ("NP/N", "N", "N/N", "(S[dcl]\\NP)/NP", ".", "(S\\NP)\\(S\\NP)")
    assert "S[wq]/NP" in dataset.examples[-1]["tags"]

    # Without a list the training data give it, in ascending order; another list gives other stages.
    (root / "ccg/tags_to_id.json").unlink()
    again = plan_of(root, encoder, targets=["ccg"])
    assert {stage.fingerprint for stage in again.stages}.isdisjoint(stage.fingerprint for stage in plan.stages)
    folders = run(again, root, tmp_path / "again")
    [evaluation] = of_kind(again, StageKind.EVALUATE)
    labels = Dataset.open(folders[evaluation.parents["data"]] / "data").labels(())
    assert list(labels) == sorted(labels)


def test_xcopa_goes_on_with_the_head_that_social_iqa_made(encoder: EncoderSource, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    root = tmp_path / "data"
    write_made(root, "xcopa")
    frozen = {"match": {}, "set": SETTINGS | {"learning_rate": 1e-12, "max_steps": 1, "patience": 0}}
    plan = plan_of(root, encoder, targets=[{"task": "xcopa", "languages": ["et"]}], overrides=[frozen])
    first, second = of_kind(plan, StageKind.TRAIN)
    assert second.parents["encoder"] == first.fingerprint
    assert [stage.params.model_dump()["tasks"][0]["task"] for stage in (first, second)] == ["socialiqa", "copa"]
    done = run(plan, root, tmp_path / "out")
    heads = [load_file(done[stage.fingerprint] / "heads.safetensors") for stage in (first, second)]
    for name, weights in heads[0].items():
        torch.testing.assert_close(weights, heads[1][name])


def test_a_constant_model_is_found_out(encoder: EncoderSource, tmp_path: Path) -> None:
    """A learning rate that destroys the model gives one answer to everything: said for each kind of score."""
    for name in ("qqp", "ccg", "mlqa"):
        root = tmp_path / name
        write_made(root, name)
        languages = SCORED_IN.get(name, ("en",))
        ruined = {"match": {}, "set": SETTINGS | {"learning_rate": 10.0, "max_steps": 3, "patience": 0, "warmup": 0.0}}
        plan = plan_of(root, encoder, targets=[{"task": name, "languages": list(languages)}], overrides=[ruined])
        done = run(plan, root, tmp_path / f"out-{name}")
        for entry in check_scores(plan, done, name, languages).values():
            assert entry["at_chance"] or entry["degenerate"], (name, entry)
