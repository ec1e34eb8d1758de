"""What is retained and how alike tasks are, from files to the results table, on an encoder with random weights."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from task_files import sentence, write_made

from stilts_core.analysis.rows import reading_rows
from stilts_core.catalog.load import load_catalogue
from stilts_core.data.root import open_data_root
from stilts_core.data.vocabulary import train_tokenizer
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import (
    CompareParams,
    EncoderSource,
    FisherParams,
    ProbeParams,
    RetainedParams,
    TrainParams,
)
from stilts_core.planning.plan import Plan, Stage
from stilts_core.spec.study import Study
from stilts_core.stages.context import StageContext
from stilts_core.stages.registry import stage_function
from stilts_core.storage.manifest import Attempt, Manifest

TASKS = ("qqp", "squad_v1", "ccg", "hellaswag")
SETTINGS = {
    "batch_size": 4,
    "max_steps": 3,
    "dev_examples": 4,
    "patience": 0,
    "max_length": 64,
    "doc_stride": 16,
    "question_length": 16,
    "learning_rate": 0.01,
}

Done = dict[str, tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Done]:
    """Every stage of a study of four kinds of task, one after another, in this process."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("similarity")
    tokenizer = train_tokenizer([*(sentence(number, 9) for number in range(60)), string.printable], 200, 64)
    tokenizer.save_pretrained(place / "encoder")
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(place / "encoder")
    source = EncoderSource(location=str(place / "encoder"), digest="e" * 64, max_length=64)
    for name in TASKS:
        write_made(place / "data", name)
    translations = place / "data" / "tatoeba" / "v1"
    translations.mkdir(parents=True)
    for side in ("deu", "eng"):
        lines = "".join(f"{sentence(number, 5)} {side}\n" for number in range(12))
        (translations / f"tatoeba.deu-eng.{side}").write_text(lines)
    study = Study.model_validate(
        {
            "metadata": {"name": "similar"},
            "spec": {
                "encoders": [{"name": "tiny", "source": source.location}],
                "curricula": ["baseline"],
                "sequences": {
                    "tasks": list(TASKS),
                    "begin": [["qqp", "squad_v1"]],
                    "joint": True,
                    "similarity": {"examples": 10, "tokens": 30, "gradients": 3},
                },
                "targets": ["qqp", "ccg", {"task": "tatoeba", "languages": ["de"]}],
                "protocol": "corrected",
                "overrides": [{"set": SETTINGS}],
            },
        }
    )
    root = place / "data"
    catalogue = load_catalogue()
    plan = make_plan(study, catalogue, open_data_root(str(root), place / "cache"), {"tiny": source})
    found: Done = {}
    for stage in plan.stages:
        out = place / "out" / stage.fingerprint
        out.mkdir(parents=True)
        context = StageContext(
            stage=stage,
            inputs={role: found[parent][0] for role, parent in stage.parents.items()},
            data={file.path: root / file.path for file in stage.files},
            out=out,
        )
        found[stage.fingerprint] = out, stage_function(stage.kind)(context)
    return plan, found


def of(plan: Plan, params: type[object]) -> list[Stage]:
    return [stage for stage in plan.stages if isinstance(stage.params, params)]


def test_a_task_is_scored_by_the_same_examples_before_and_after_a_later_step(done: tuple[Plan, Done]) -> None:
    plan, found = done
    stages = {stage.fingerprint: stage for stage in plan.stages}
    retained = of(plan, RetainedParams)
    assert retained
    for stage in retained:
        score = found[stage.fingerprint][1]
        assert 0 <= score["score"] <= 100
        assert score["examples"] == 4
    # With the encoder of its own training instead of a later one, it is the score of that training.
    for stage in retained:
        own = stages[stage.parents["heads"]]
        assert isinstance(own.params, TrainParams)
        params = stage.params
        assert isinstance(params, RetainedParams)
        inputs = {role: found[parent][0] for role, parent in stage.parents.items()} | {
            "model": found[own.fingerprint][0]
        }
        context = StageContext(stage=stage, inputs=inputs, data={}, out=found[stage.fingerprint][0])
        again = stage_function(stage.kind)(context)
        assert again["score"] == pytest.approx(found[own.fingerprint][1]["dev"][params.task.task])


def test_similarities_are_there_for_every_task_and_target(done: tuple[Plan, Done]) -> None:
    plan, found = done
    (stage,) = of(plan, CompareParams)
    folder, metrics = found[stage.fingerprint]
    assert json.loads((folder / "similarity.json").read_text()) == metrics
    for measure in ("text", "tokens"):
        assert {name: set(values) for name, values in metrics[measure].items()} == {
            name: {"qqp", "ccg", "tatoeba"} for name in TASKS
        }
    assert metrics["text"]["qqp"]["qqp"] == pytest.approx(1)
    assert metrics["text"]["ccg"]["ccg"] == pytest.approx(1)
    assert set(metrics["fisher"]["squad_v1"]) == {"qqp", "ccg"}
    assert metrics["fisher"]["qqp"]["qqp"] == pytest.approx(1)  # the target's training is the intermediate one
    assert metrics["fisher"]["squad_v1"]["qqp"] < 0.999


def test_the_fisher_information_is_the_mean_of_squared_gradients_by_unit(done: tuple[Plan, Done]) -> None:
    plan, found = done
    for stage in of(plan, FisherParams):
        folder, metrics = found[stage.fingerprint]
        units = json.loads((folder / "fisher.json").read_text())
        diagonal = np.load(folder / "fisher.npy")
        assert sum(units.values()) == len(diagonal) == metrics["units"]
        assert metrics["examples"] == 3
        assert (diagonal >= 0).all()
        assert diagonal.any()
        assert "embeddings.word_embeddings.weight" not in units


def test_probes_need_labels_for_logme_alone(done: tuple[Plan, Done]) -> None:
    plan, found = done
    by_label = {stage.label: found[stage.fingerprint][1] for stage in of(plan, ProbeParams)}
    assert len(by_label) == 4 * 3
    for label, metrics in by_label.items():
        assert (metrics["logme"] is None) == label.startswith("tatoeba"), label
        assert 1 <= metrics["rank"] <= 10
        assert 0 < metrics["cka"] <= 1 + 1e-9


def test_the_readings_are_rows_of_the_results(done: tuple[Plan, Done]) -> None:
    plan, found = done
    manifests = {
        stage.fingerprint: Manifest(
            fingerprint=stage.fingerprint,
            stage=stage.model_dump(mode="json"),
            attempt=Attempt(number=1, token="0123456789abcdef"),
            files={},
            metrics=found[stage.fingerprint][1],
            run={"seconds": 2.0},
        )
        for stage in plan.stages
    }
    rows = reading_rows(plan, manifests)
    assert {row.language for row in rows} == {"-"}
    named = {(row.curriculum, row.target, row.metric): row for row in rows}
    assert named["qqp", "ccg", "similarity_logme"].n == 10
    assert named["qqp-squad_v1-ccg", "-", "after_3_qqp"].split == "dev"
    assert named["qqp.squad_v1", "-", "after_1_squad_v1"].value >= 0
    assert ("ccg", "tatoeba", "similarity_logme") not in named
    assert named["qqp", "ccg", "cost_trial"].value == 2.0
    assert not reading_rows(plan, {})
