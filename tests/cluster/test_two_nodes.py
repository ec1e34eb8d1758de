"""A training over two real nodes, each with a pretended GPU: the scheduler counts it, and processors compute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kubernetes import Kubernetes
from cluster.provider import Provider
from cluster.trial import Helm, Trial, installed, trial_values

pytestmark = pytest.mark.timeout(1200)

STUDY = """\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: two-nodes}
spec:
  encoders:
    - name: tiny
      pretrain: {layers: 1, hidden: 32, heads: 2, vocabulary: 1000, max_length: 64, sequence_length: 32, steps: 4,
                 batch_tokens: 256, objectives: {mlm: 1},
                 text: [{path: "text/{lang}.txt", format: text-lines, languages: [de, en]}]}
  curricula: [baseline]
  targets: [{task: xnli, languages: [en, de], limit: 20, train_limit: 60}]
  protocol: corrected
  data: {root: "sample://"}
  overrides: [{match: {}, set: {batch_size: 8, max_steps: 6, dev_examples: 10, max_length: 64}}]
"""
NODES = 2


@pytest.fixture
def trial(namespace: Kubernetes, provider: Provider, tmp_path: Path) -> Iterator[Trial]:
    helm = Helm(provider.programs["helm"], provider.kubeconfig, namespace.namespace, tmp_path / "helm")
    values = trial_values(namespace.namespace, nodes=NODES, gpus_per_node=1, rendezvous_seconds=300)
    values["profile"]["training"] = {"zero_stage": 2}
    with installed(namespace, helm, tmp_path, values) as made:
        yield made


def test_a_training_with_zero_2_runs_on_two_nodes(trial: Trial) -> None:
    (trial.folder / "study.yaml").write_text(STUDY)
    options = ("study.yaml", "--profile", "profile.yaml")
    trial.show("submit", *options)
    trial.show("status", *options, "--watch")
    pods = trial.kubernetes.get("pods", "--selector=stilts/kind=train")["items"]
    assert len(pods) == NODES
    assert len({pod["spec"]["nodeName"] for pod in pods}) == NODES
    assert {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods} == {"0", "1"}
    for pod in pods:
        assert pod["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] == "1"
        assert pod["status"]["phase"] == "Succeeded"
    trial.stilts("results", *options, "--out", "out")
    (training,) = [each for each in trial.manifests() if each["stage"]["kind"] == "train"]
    assert {name: training["run"][name] for name in ("ranks", "nodes", "zero_stage")} == {
        "ranks": NODES,
        "nodes": NODES,
        "zero_stage": 2,
    }
    scores = (trial.folder / "out" / "results.csv").read_text().splitlines()
    assert len(scores) > 1
