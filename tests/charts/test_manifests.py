"""The files for kubectl are what the chart renders."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import has_go, helm
from restricted import pods, violations

ROOT = Path(__file__).parents[2]
FILES = {str(path.relative_to(ROOT / "manifests")): path for path in (ROOT / "manifests").glob("*/*.yaml")}


@pytest.mark.skipif(not has_go(), reason="Helm is built with Go")
@pytest.mark.xdist_group("helm")
@pytest.mark.timeout(900)  # Helm may have to be built
def test_the_files_are_those_that_the_chart_renders() -> None:
    spec = importlib.util.spec_from_file_location("chart_manifests", ROOT / "charts" / "manifests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wanted = module.manifests(helm)
    assert sorted(FILES) == sorted(wanted), "run `make manifests`"
    for name, path in FILES.items():
        assert path.read_text(encoding="utf-8") == wanted[name], f"{name}: run `make manifests`"


@pytest.mark.parametrize("folder", ["base", "trial"])
def test_a_folder_is_whole(folder: str) -> None:
    kustomization = yaml.safe_load(FILES[f"{folder}/kustomization.yaml"].read_text(encoding="utf-8"))
    mine = {name.partition("/")[2] for name in FILES if name.startswith(f"{folder}/")}
    assert {*kustomization["resources"], "kustomization.yaml"} == mine


@pytest.mark.parametrize("name", FILES)
def test_an_object_fits_its_namespace(name: str) -> None:
    for document in _documents(name):
        if document["kind"] in ("Kustomization", "Namespace"):
            continue
        assert document["metadata"]["namespace"] == "stilts"
        assert "Helm" not in document["metadata"]["labels"].values()
        assert all(violations(pod) == [] for pod in pods(document))


def test_no_file_holds_a_secret() -> None:
    assert not any(document["kind"] == "Secret" for name in FILES for document in _documents(name))


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILES[name].read_text(encoding="utf-8")))
