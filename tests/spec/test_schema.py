"""The JSON Schema accepts what the loader accepts, and refuses what it refuses by shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from stilts_core.spec.load import load_study
from stilts_core.spec.schema import profile_schema, study_schema

STUDY = Draft202012Validator(study_schema())


def study(**spec: Any) -> dict[str, Any]:
    base = {"encoders": ["xlm-roberta-base"], "curricula": ["baseline"], "targets": ["xnli"]}
    return {"kind": "Study", "metadata": {"name": "a"}, "spec": base | spec}


GOOD = [
    study(),
    study(curricula=["mnli", {"name": "b", "steps": ["mnli", {"mix": ["mnli", {"mlm": "xtreme"}]}, {"mlm": "de"}]}]),
    study(curricula=[{"name": "b", "steps": [{"task": "mnli", "languages": ["de"], "limit": 5}]}], seeds=[1, 2]),
    study(targets=["xnli", {"task": "xquad", "languages": ["de"]}]),
    study(overrides=[{"match": {"task": "mnli"}, "set": {"epochs": 0.5, "max_steps": None}}]),
    study(encoders=[{"name": "e", "pretrain": {"text": [{"path": "a", "format": "text-lines", "parallel": True}]}}]),
]
BAD = [
    {},
    study(curricula=[{"name": "b", "steps": [{"mixx": ["mnli"]}]}]),
    study(curricula=[{"name": "b", "steps": [{"languages": ["de"]}]}]),
    study(targets=[{"task": "xnli", "split": "validation"}]),
    study(protocol="xtrem"),
    study(overrides=[{"set": {"epoch": 1}}]),
    study(seeds="5"),
]


def test_the_schemas_are_schemas() -> None:
    for schema in (study_schema(), profile_schema()):
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("document", GOOD)
def test_what_loads_is_valid(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(document))
    load_study(path)
    assert not list(STUDY.iter_errors(document))


@pytest.mark.parametrize("document", BAD)
def test_what_has_another_shape_is_not_valid(document: dict[str, Any]) -> None:
    assert list(STUDY.iter_errors(document))


def test_docstrings_become_descriptions() -> None:
    definitions = study_schema()["$defs"]
    assert definitions["Target"]["anyOf"][1]["properties"]["limit"]["description"].startswith(
        "evaluate a seeded sample"
    )
    assert definitions["Spec"]["description"] == "What is compared with what."
    profile = profile_schema()["$defs"]
    assert profile["Training"]["properties"]["zero_stage"]["description"] == "DeepSpeed ZeRO stage."
