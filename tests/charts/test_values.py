"""The chart's files follow from the models, and its schema refuses what they refuse by shape."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from stilts_core import __version__
from stilts_core.spec.chart import Values, values_schema
from stilts_core.spec.profile import Placement

CHART = Path(__file__).parents[2] / "charts" / "stilts"
VALUES = Draft202012Validator(values_schema())


def test_the_files_are_those_that_the_models_make() -> None:
    generate = _generator()
    advice = "run `make chart`"
    assert (CHART / "values.schema.json").read_text(encoding="utf-8") == generate.schema_text(), advice
    assert (CHART / "values.yaml").read_text(encoding="utf-8") == generate.values_text(), advice


def test_the_values_are_the_defaults() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert not list(VALUES.iter_errors(values))
    assert Values.model_validate(values) == Values()
    assert Placement.model_validate(values["profile"]) == Placement()


def test_every_value_is_explained_where_it_first_stands() -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    for key in ("gpus_per_node", "api_server", "node_port", "cluster_queue"):
        assert re.search(rf"# .*\n *{key}:", text), key
    assert max(map(len, text.splitlines())) <= 120


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_every_object_is_closed_but_the_values_of_other_charts() -> None:
    schema = values_schema()
    Draft202012Validator.check_schema(schema)
    is_open = [path for path, node in _objects(schema, ()) if node.get("additionalProperties") is not False]
    assert is_open == [("properties", "global")]


GOOD: list[dict[str, Any]] = [
    {},
    {"profile": {"kubernetes": {"gpus_per_node": 8, "nodes": 4, "jobset": True}}},
    {"profile": {"kubernetes": {"pods": {"train": {"cpu": 32, "memory": "256Gi"}}}}},
    {"profile": {"kubernetes": {"images": {"training": {"name": "a/b:1", "digest": f"sha256:{'0' * 64}"}}}}},
    {"accounts": {"driver_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}}},
    {"rights": {"researchers": [{"name": "ml-team"}, {"kind": "User", "name": "ada@example.org"}]}},
    {"network": {"store": [{"cidrs": ["10.0.0.0/8"], "without": ["10.1.0.0/16"], "ports": [9000]}]}},
    {"network": {"metrics": [{"namespace": "monitoring"}]}},
    {"global": {"anything": {"of": "others"}}},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"profil": {}}, "profil"),
    ({"profile": {"kubernetes": {"gpu_per_node": 1}}}, "gpu_per_node"),
    ({"profile": {"kubernetes": {"images": {"training": {"name": "a@sha256:0"}}}}}, "name"),
    ({"profile": {"kubernetes": {"images": {"training": {"name": "a", "digest": "sha256:0"}}}}}, "digest"),
    ({"profile": {"kubernetes": {"cpu_pods": {"node_selector": {"no key!": "a"}}}}}, "node_selector"),
    ({"profile": {"kubernetes": {"kueue": {}}}}, "kueue"),
    ({"profile": {"kubernetes": {"user_id": 0}}}, "user_id"),
    ({"profile": {"store": {"s3": {"secret_key": "a"}}}}, "secret_key"),
    ({"network": {"store": [{"ports": [9000]}]}}, "store"),
    ({"network": {"also": [{"cidrs": ["everywhere"]}]}}, "cidrs"),
    ({"rights": {"researchers": [{"kind": "Robot", "name": "a"}]}}, "researchers"),
    ({"s3": {"bucket": "No Bucket"}}, "bucket"),
    ({"s3": {"secret_key": "short"}}, "secret_key"),
    ({"test": {"enabled": "yes"}}, "enabled"),
]


@pytest.mark.parametrize("values", GOOD)
def test_what_the_models_take_is_valid(values: dict[str, Any]) -> None:
    Values.model_validate(values)
    assert not list(VALUES.iter_errors(values))


@pytest.mark.parametrize(("values", "named"), BAD)
def test_what_has_another_shape_is_refused_by_both(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Values.model_validate(values, strict=True)
    assert list(VALUES.iter_errors(values))


def test_a_place_is_addresses_or_pods() -> None:
    both = {"network": {"also": [{"cidrs": ["10.0.0.0/8"], "pods": {"app": "a"}}]}}
    with pytest.raises(ValidationError, match="either `cidrs` or pods"):
        Values.model_validate(both)


def _objects(node: Any, path: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    found = []
    if isinstance(node, dict):
        if node.get("type") == "object":
            found.append((path, node))
        for key, child in node.items():
            found += _objects(child, (*path, key))
    elif isinstance(node, list):
        for number, child in enumerate(node):
            found += _objects(child, (*path, number))
    return found


def _generator() -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location("chart_generate", CHART.parent / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
