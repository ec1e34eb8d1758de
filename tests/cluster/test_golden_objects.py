"""A real API server takes what is rendered, as the golden files have it, where the restricted standard holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.commands import ClusterError
from cluster.kubernetes import Kubernetes, Object

GOLDEN = Path(__file__).parents[1] / "engine" / "kubernetes" / "golden"
FILES = sorted(path for path in GOLDEN.glob("*/*.yaml") if path.stem != "profile")
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="module")
def place(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    """A namespace with the accounts and classes that the files name: without them the server takes no pod."""
    name = "test-golden-objects"
    specs = [each["spec"] for path in FILES for each in _templates(_objects(path))]
    accounts = {spec["serviceAccountName"] for spec in specs}
    classes = [
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": found}, "value": 1000}
        for found in _named(specs, "priorityClassName")
    ] + [
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": found}, "handler": "runc"}
        for found in _named(specs, "runtimeClassName")
    ]
    made = [each for each in classes if not kubernetes.kubectl("get", *_which(each), "--ignore-not-found")]
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}, *made)
    inside = kubernetes.within(name)
    inside.apply(
        *({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}} for account in accounts)
    )
    yield inside
    kubernetes.kubectl("delete", "namespace", name, "--wait=false")
    for each in made:
        kubernetes.kubectl("delete", *_which(each))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_server_takes_it(place: Kubernetes, request: pytest.FixtureRequest, path: Path) -> None:
    objects = _objects(path)
    if any(each["kind"] == "JobSet" for each in objects):
        request.getfixturevalue("jobset")
    for each in objects:
        each["metadata"]["namespace"] = place.namespace
    # The standard is enforced on pods alone, so the pods that a controller would make are tried, too.
    _accepted(place, [*objects, *(_pod(index, each) for index, each in enumerate(_templates(objects)))])


def test_what_is_against_the_standard_is_refused(place: Kubernetes) -> None:
    (template,) = _templates(_objects(GOLDEN / "one-pod" / "train.yaml"))
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        _accepted(place, [_pod(0, template)])


def _accepted(place: Kubernetes, objects: list[Object]) -> None:
    """Have the server check objects as strictly as it can; a warning counts as a refusal."""
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    place.kubectl(
        *("create", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--filename=-"),
        text=json.dumps(listed),
    )


def _objects(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _templates(objects: list[Object]) -> list[Object]:
    """The pods that objects lead to."""
    jobs = [each["spec"] for each in objects if each["kind"] == "Job"]
    sets = [each["spec"]["replicatedJobs"] for each in objects if each["kind"] == "JobSet"]
    return [spec["template"] for spec in (*jobs, *(job["template"]["spec"] for jobs_ in sets for job in jobs_))]


def _pod(index: int, template: Object) -> Object:
    metadata = {**template.get("metadata", {}), "name": f"pod-{index}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _named(specs: list[dict[str, Any]], key: str) -> set[str]:
    return {spec[key] for spec in specs if key in spec}


def _which(found: Object) -> tuple[str, str]:
    return found["kind"].lower(), found["metadata"]["name"]
