"""A small plan as it was written once: fingerprints are what joins a plan to a store, so they must not drift.

A change that is meant (a new parameter, say) is written with ``pytest tests/planning --update-golden``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from planning_support import SOURCE, Files, pretraining

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Protocol
from stilts_core.planning.expand import make_plan
from stilts_core.planning.plan import Plan
from stilts_core.spec.study import Study

GOLDEN = Path(__file__).with_name("golden_plan.json")
PROTOCOL = Protocol.model_validate(
    {
        "name": "fixed",
        "title": "fixed",
        "defaults": {"epochs": 2, "max_length": 128},
        "heads": {"span": {"max_length": 256, "doc_stride": 64}},
        "tasks": {"mix": {"epochs": 1}, "mlm": {"learning_rate": 5e-6}, "pairs": {"batch_size": 8}},
        "retrieval": {"layers": {"12": 8}},
    }
)
TASKS = [
    {
        "name": "pairs",
        "title": "Pairs",
        "head": "classification",
        "metric": "accuracy",
        "labels": ["no", "yes"],
        "train": [{"path": "pairs/train-{lang}.tsv", "format": "pairs-tsv"}],
        "dev": [{"path": "pairs/dev-{lang}.tsv", "format": "pairs-tsv"}],
        "languages": ["en", "de"],
    },
    {
        "name": "spans",
        "title": "Spans",
        "head": "span",
        "metric": "squad",
        "train": [{"path": "spans/train.json", "format": "squad-json"}],
        "dev": [{"path": "spans/dev.json", "format": "squad-json"}],
    },
    {
        "name": "far-spans",
        "title": "Spans abroad",
        "head": "span",
        "metric": "squad",
        "train_on": "spans",
        "test": [{"path": "far/{lang}.json", "format": "squad-json"}],
        "languages": ["de", "sw"],
    },
    {
        "name": "rows",
        "title": "Rows",
        "head": "retrieval",
        "metric": "retrieval-accuracy",
        "test": [{"path": "rows/{iso3}.a", "pair": "rows/{iso3}.b", "format": "parallel-lines"}],
        "languages": ["de", "sw"],
    },
    {"name": "mlm", "title": "MLM", "head": "mlm", "train": [{"path": "mlm/{lang}.txt", "format": "text-lines"}]},
]
PATHS = [
    *(f"pairs/{name}.tsv" for name in ("train-en", "dev-en", "dev-de")),
    *("spans/train.json", "spans/dev.json", "far/de.json", "far/sw.json"),
    *(f"rows/{name}.{side}" for name in ("deu", "swh") for side in "ab"),
    *(f"mlm/{name}.txt" for name in ("en", "de")),
    *("tatoeba/v1/tatoeba.swh-eng.swh", "tatoeba/v1/tatoeba.swh-eng.eng"),
]


def small_plan() -> Plan:
    study = Study.model_validate(
        {
            "metadata": {"name": "golden"},
            "spec": {
                "encoders": [{"name": "base", "source": "somewhere/base"}, pretraining()],
                "curricula": [
                    "baseline",
                    "pairs",
                    {"name": "two", "steps": ["pairs", "spans"]},
                    {
                        "name": "mixed",
                        "steps": [{"mix": ["pairs", "spans", {"task": "mlm", "languages": ["en", "de"]}]}],
                    },
                ],
                "targets": ["pairs", "far-spans", "rows"],
                "protocol": "fixed",
                "seeds": 2,
                "tasks": TASKS,
            },
        }
    )
    catalogue = replace(load_catalogue(study.spec.tasks), protocols={"fixed": PROTOCOL})
    return make_plan(study, catalogue, Files(PATHS), {"base": SOURCE})


def test_the_plan_of_a_small_study_is_what_it_was(update_golden: bool) -> None:
    plan = small_plan()
    found = {
        "digest": plan.digest(),
        "stages": [[stage.kind.value, stage.label, stage.fingerprint, stage.parents] for stage in plan.stages],
        "cells": [[c.encoder, c.curriculum, c.target, c.seed, c.fingerprint, c.languages] for c in plan.cells],
        "notes": list(plan.notes),
    }
    if update_golden:
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_json_gives_back_the_same_plan() -> None:
    plan = small_plan()
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
