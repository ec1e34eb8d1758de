"""LAReQA and Mewsli-X with their English training: a dual encoder from its files to its score."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dual_files import COUNT, NAMES, TOPICS, write_lareqa, write_mewslix

from stilts_core.catalog.load import load_catalogue
from stilts_core.data.dataset import Dataset
from stilts_core.data.readers import read
from stilts_core.data.root import open_data_root
from stilts_core.data.vocabulary import train_tokenizer
from stilts_core.errors import DataError
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import EncoderSource, EvaluateParams, TaskParams, TrainParams
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.study import Study
from stilts_core.stages.context import Resources, StageContext
from stilts_core.stages.registry import stage_function

pytestmark = pytest.mark.train

SLICES = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
LEARNING = {"learning_rate": 3e-3, "epochs": 8, "batch_size": 24, "scale": 20, "max_length": 64, "question_length": 24}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    """An XLM-R of one layer with random weights, and a tokenizer that knows the words of the made files."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("encoder")
    words = [*TOPICS, *NAMES, "where is what about it was the of a { } : . ? ,"]
    tokenizer = train_tokenizer([" ".join(words), *(f"where is {word} ? {word} ." for word in words * 9)], 400, 128)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,  # what is learnt is a list of letters by heart
        attention_probs_dropout_prob=0.0,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return EncoderSource(location=str(folder), digest="e" * 64, max_length=128)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def plan_of(root: Path, encoder: EncoderSource, *targets: dict[str, Any], **settings: Any) -> Plan:
    study = Study.model_validate(
        {
            "metadata": {"name": "dual"},
            "spec": {
                "encoders": [{"name": "tiny", "source": encoder.location}],
                "curricula": ["baseline"],
                "targets": list(targets),
                "protocol": "corrected",
                "overrides": [{"set": {**LEARNING, **settings}}],
            },
        }
    )
    catalogue = load_catalogue(study.spec.tasks)
    return make_plan(study, catalogue, open_data_root(str(root), root.parent / "cache"), {"tiny": encoder})


def run(plan: Plan, root: Path, out: Path) -> dict[str, Path]:
    """Every stage of a plan, one after another, in this process."""
    done: dict[str, Path] = {}
    for stage in plan.stages:
        folder = out / stage.fingerprint
        folder.mkdir(parents=True)
        context = StageContext(
            stage=stage,
            inputs={role: done[parent] for role, parent in stage.parents.items()},
            data={file.path: root / file.path for file in stage.files},
            out=folder,
            resources=Resources(threads=1),
        )
        stage_function(stage.kind)(context)
        done[stage.fingerprint] = folder
    return done


def of_kind(plan: Plan, kind: StageKind) -> list[Stage]:
    return [stage for stage in plan.stages if stage.kind is kind]


def training_set(plan: Plan, done: dict[str, Path]) -> Dataset:
    [train] = of_kind(plan, StageKind.TRAIN)
    return Dataset.open(done[train.parents["data/0"]] / "data")


def scores(plan: Plan, done: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Target → language → what was measured."""
    return {
        cell.target: json.loads((done[cell.fingerprint] / "metrics.json").read_text())["languages"]
        for cell in plan.cells
    }


@pytest.mark.parametrize(("task", "write", "epochs"), [("lareqa", write_lareqa, 8), ("mewslix", write_mewslix, 50)])
def test_training_finds_more_than_the_encoder_as_it_is(
    task: str, write: Callable[[Path], None], epochs: int, encoder: EncoderSource, tmp_path: Path
) -> None:
    """What belongs together has no word in common: only who has learnt it can find it."""
    root = tmp_path / "data"
    write(root)
    trained = {"task": task, "languages": ["en", "de"]}
    plan = plan_of(root, encoder, trained, {**trained, "name": "as-it-is", "training": False}, epochs=epochs)
    done = run(plan, root, tmp_path / "out")
    found = scores(plan, done)
    for language in trained["languages"]:
        before, after = found["as-it-is"][language], found[task][language]
        assert set(after["metrics"]) == {"map@20", "map@20@state00", "map@20@state01"}, "every state is scored"
        assert after["score"] == after["metrics"]["map@20@state01"], "the last one is what was trained"
        assert before["score"] == before["metrics"]["map@20@state01"]  # 0.6 of one layer
        assert before["n"] == after["n"] == COUNT
        assert after["score"] > 80 > 40 > before["score"]
    [train] = of_kind(plan, StageKind.TRAIN)
    history = json.loads((done[train.fingerprint] / "history.json").read_text())
    assert history["loss"][-1] < 1 < 3 < history["loss"][0]
    assert history["dev"] == [], "the last weights are kept"
    assert json.loads((done[train.fingerprint] / "heads.json").read_text()) == [{"head": "retrieval", "labels": 0}]
    assert {cell.target: cell.labelled for cell in plan.cells} == {task: ("en",), "as-it-is": ()}
    assert {cell.target: cell.zero_shot("en") for cell in plan.cells} == {task: False, "as-it-is": True}


def test_lareqa_learns_from_the_sentences_of_squad(encoder: EncoderSource, tmp_path: Path) -> None:
    if not (SLICES / "squad").is_dir():
        pytest.skip("the data slices are not there")
    root = tmp_path / "data"
    root.mkdir()
    for name in ("squad", "lareqa"):
        (root / name).symlink_to(SLICES / name)
    targets = [{"task": "lareqa", "languages": ["en", "tr"], "train_limit": 60}, {"task": "squad_v1"}]
    plan = plan_of(root, encoder, targets[0], max_steps=3, pool=8)
    done = run(plan, root, tmp_path / "out")
    dataset = training_set(plan, done)
    side, answer, lengths = dataset.columns["side"], dataset.columns["answer"], dataset.lengths
    assert np.count_nonzero(side == 0) == 60
    assert 20 < np.count_nonzero(side == 1) <= 60, "a sentence that answers two questions stands once"
    assert lengths[side == 0].max() <= 24
    assert lengths[side == 1].max() == 40, "a sentence and its paragraph have what the question leaves"
    assert not answer[side == 1].any()
    records = {record.id: record for record in read("squad-json", SLICES / "squad/train-v1.1.json")}
    for number in np.flatnonzero(side == 0):
        asked, found = dataset.examples[number], dataset.examples[number + answer[number]]
        assert set(asked["keys"]) <= set(found["keys"])
        assert asked["id"] in records
    for entry in scores(plan, done)["lareqa"].values():
        assert entry["n"] == 158
        assert entry["chance"] < entry["score"] < 100
    [train] = of_kind(plan, StageKind.TRAIN)
    assert isinstance(train.params, TrainParams)
    assert train.params.tasks[0].pooling == "cls"
    assert train.params.tasks[0].hyper.pool == 8
    [evaluation] = of_kind(plan, StageKind.EVALUATE)
    assert isinstance(evaluation.params, EvaluateParams)
    assert (evaluation.params.pooling, evaluation.params.retrieval_share) == ("cls", 1.0)
    # The file is SQuAD's own: a study of spans reads it once more, for spans.
    both = plan_of(root, encoder, *targets, max_steps=3, doc_stride=16)
    files = [
        file
        for stage in of_kind(both, StageKind.PREPARE)
        if isinstance(stage.params, TaskParams) and stage.params.purpose == "train"
        for file in stage.files
        if file.role == "train/en"
    ]
    assert [(file.path, file.format) for file in files] == [
        ("squad/train-v1.1.json", "squad-sentences"),
        ("squad/train-v1.1.json", "squad-json"),
    ]
    assert len({file.sha256 for file in files}) == 1


def test_translations_can_be_learnt_from_too(encoder: EncoderSource, tmp_path: Path) -> None:
    """An own retrieval task whose training set is a parallel text."""
    root = tmp_path / "data"
    root.mkdir()
    for split, rows in (("train", range(24)), ("test", range(24))):
        (root / f"{split}.de").write_text("".join(f"{TOPICS[row]} .\n" for row in rows))
        (root / f"{split}.en").write_text("".join(f"{NAMES[row]} .\n" for row in rows))
    source = {"format": "parallel-lines", "languages": ["de"]}
    task = {
        "name": "pairs",
        "title": "Pairs",
        "head": "retrieval",
        "metric": "retrieval-accuracy",
        "languages": ["de"],
        "train": [{**source, "path": "train.de", "pair": "train.en"}],
        "test": [{**source, "path": "test.de", "pair": "test.en"}],
    }
    study = Study.model_validate(
        {
            "metadata": {"name": "own"},
            "spec": {
                "encoders": [{"name": "tiny", "source": encoder.location}],
                "curricula": ["baseline"],
                "targets": ["pairs", {"task": "pairs", "name": "untrained", "training": False}],
                "protocol": "corrected",
                "overrides": [{"set": {**LEARNING, "epochs": 60, "batch_size": 12}}],
                "tasks": [task],
            },
        }
    )
    files = open_data_root(str(root), tmp_path / "cache")
    plan = make_plan(study, load_catalogue(study.spec.tasks), files, {"tiny": encoder})
    done = run(plan, root, tmp_path / "out")
    found = scores(plan, done)
    assert found["pairs"]["de"]["score"] > 90 > 50 > found["untrained"]["de"]["score"]
    assert {cell.target: cell.labelled for cell in plan.cells} == {"pairs": ("de",), "untrained": ()}


def test_a_training_set_in_which_nothing_finds_anything_is_refused(encoder: EncoderSource, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_lareqa(root)
    squad = json.loads((root / "squad/train-v1.1.json").read_text())
    for article in squad["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                question["answers"] = [{"text": "", "answer_start": 0}]
    (root / "squad/train-v1.1.json").write_text(json.dumps(squad))
    plan = plan_of(root, encoder, {"task": "lareqa", "languages": ["en"]})
    with pytest.raises(DataError, match="no label or answer to learn from"):
        run(plan, root, tmp_path / "out")
