"""The Kubernetes part of a profile: what is accepted, and what a person reads when something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from stilts_core.errors import SpecError
from stilts_core.spec.load import load_profile
from stilts_core.spec.profile import Placement
from stilts_core.spec.schema import profile_schema

SCHEMA = Draft202012Validator(profile_schema())
DIGEST = "sha256:" + "0a" * 32
WHOLE = f"""\
kind: Profile
metadata: {{name: cluster}}
spec:
  store: {{uri: "s3://studies/team-a"}}
  kubernetes:
    namespace: research
    images:
      training: {{name: "registry.example.org:5000/team/stilts-train:1.0", digest: "{DIGEST}"}}
      registry: mirror.example.org/cache
      pull_secrets: [mirror]
    nodes: 4
    gpus_per_node: 8
    pods:
      train: {{cpu: 64, memory: 400Gi, scratch: 1Ti}}
      prepare: {{cpu: 0.5, memory: 4096Mi, cpu_limit: 1500m}}
    shared_memory: 2Gi
    cpu_pods: {{node_selector: {{pool: cpu}}}}
    gpu_pods:
      node_selector: {{pool: gpu, "example.org/size": large}}
      tolerations:
        - {{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}}
        - {{key: team, value: a, effect: NoExecute, tolerationSeconds: 60}}
      priority_class: high
      runtime_class: nvidia
    spot: {{node_selector: {{spot: "true"}}, tolerations: [{{key: spot, operator: Exists}}]}}
    user_id: null
    service_accounts: {{driver: mine}}
    credentials: {{secret: store, file: credentials}}
    ca_bundle: {{config_map: ca}}
    proxies: {{https: "http://proxy.example.org:3128", exclude: [example.org]}}
    air_gapped: true
    jobset: true
    kueue: {{queue: main, priority_class: low, retry_priority_class: high}}
    grace_seconds: 300
"""


def profile(text: str) -> str:
    return f"kind: Profile\nspec:\n  kubernetes:\n    {text}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "profile.yaml"
    path.write_text(text)
    return path


def test_a_whole_profile_is_read(tmp_path: Path) -> None:
    spec = load_profile(write(tmp_path, WHOLE)).spec
    kubernetes = spec.kubernetes
    assert kubernetes.pods.train.cpu == "64"
    assert kubernetes.pods.prepare.cpu == "0.5"
    assert kubernetes.gpu_pods.tolerations[1].tolerationSeconds == 60
    assert kubernetes.images.light == Placement().kubernetes.images.light
    assert spec.cluster_retries.infrastructure == 50
    assert spec.cluster_retries.application == spec.retries.application
    assert not list(SCHEMA.iter_errors(yaml.safe_load(WHOLE)))


def test_budgets_are_those_of_the_profile_without_spot() -> None:
    assert Placement().cluster_retries == Placement().retries


BAD = [
    ("nodes: 0", "4:12: spec.kubernetes.nodes: must be at least 1, not 0"),
    ("node: 2", '4:5: spec.kubernetes: unknown key "node"'),
    ("namespace: Research", '4:16: spec.kubernetes.namespace: "Research" is no name of a namespace'),
    ("gpu_resource: gpu", '"gpu" is no extended resource: write `vendor/name`, as in `nvidia.com/gpu`'),
    ("shared_memory: lots", '4:20: spec.kubernetes.shared_memory: "lots" is no quantity of Kubernetes'),
    ("shared_memory: 0", "shared_memory must be above 0"),
    ("shared_memory: 8Gi", "shared_memory (8Gi) is part of a pod's memory, and pods.prepare has 8Gi"),
    ("user_id: 0", "spec.kubernetes.user_id: must be at least 1, not 0"),
    ("pods: {train: {cpu: 2, cpu_limit: 1}}", "spec.kubernetes.pods.train: cpu_limit (1) is below cpu (2)"),
    ("pods: {train: {memory: 0}}", "spec.kubernetes.pods.train: memory must be above 0"),
    ("pods: {score: {}}", 'unknown key "score"'),
    ("images: {light: {name: 'stilts@sha256:00'}}", "a digest belongs into the key `digest`"),
    ("images: {light: {name: stilts, digest: abc}}", '"abc" is no digest: write `sha256:` and 64'),
    ("images: {registry: 'https://mirror'}", '"https://mirror" is no registry'),
    ("images: {pull_secrets: [My_Secret]}", 'pull_secrets[0]: "My_Secret" is no name of an object'),
    ("proxies: {http: 'http://me:secret@proxy'}", "without a name and password"),
    ("cpu_pods: {node_selector: {'a b': c}}", '"a b" is no key of a label'),
    ("cpu_pods: {node_selector: {a: 'b c'}}", '"b c" is no value of a label'),
    ("cpu_pods: {node_selector: {a: true}}", "must be text, not true; put it in quotes"),
    ("cpu_pods: {tolerations: [{value: x}]}", "a toleration needs a `key`"),
    ("cpu_pods: {tolerations: [{operator: Exists, value: x}]}", "a toleration with `operator: Exists` has no `value`"),
    (
        "cpu_pods: {tolerations: [{key: a, tolerationSeconds: 1}]}",
        "`tolerationSeconds` goes with `effect: NoExecute` alone",
    ),
    ("credentials: {secret: a, access_key: 'a/b'}", '"a/b" is no key of a Secret or ConfigMap'),
    ("credentials: {file: a}", 'the key "secret" is missing'),
    ("kueue: {}", 'the key "queue" is missing'),
    ("ca_bundle: {config_map: '" + "a" * 300 + "'}", "is too long: 300 characters, at most 253"),
    ("ttl_seconds: 1", "must be at least 60, not 1"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_what_is_wrong_is_said(text: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path, profile(text))
    with pytest.raises(SpecError) as caught:
        load_profile(path)
    found = str(caught.value)
    assert found.startswith(f"{path}:4:")
    assert sentence in found


BEYOND_SHAPE = ("above 0", "part of", "below", "toleration", "no key of a label")
"""What a JSON Schema does not say: how values stand to each other, and what the keys of a mapping look like."""


@pytest.mark.parametrize("text", [text for text, sentence in BAD if not any(word in sentence for word in BEYOND_SHAPE)])
def test_the_schema_refuses_what_has_another_shape(text: str) -> None:
    assert list(SCHEMA.iter_errors(yaml.safe_load(profile(text))))


GOOD_QUANTITIES: list[Any] = [1, 0.5, "500m", "16Gi", "1.5G", "2k"]


@pytest.mark.parametrize("value", GOOD_QUANTITIES)
def test_quantities(value: Any, tmp_path: Path) -> None:
    document = {"kind": "Profile", "spec": {"kubernetes": {"pods": {"driver": {"cpu": value, "cpu_limit": None}}}}}
    path = write(tmp_path, yaml.safe_dump(document))
    assert load_profile(path).spec.kubernetes.pods.driver.cpu == str(value)
    assert not list(SCHEMA.iter_errors(document))
