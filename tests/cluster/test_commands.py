"""The verbs for a cluster, on a real one: what they make, what they say of it, and that they leave nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.kubernetes import Kubernetes
from stilts_core.cli.main import main
from stilts_core.engine.kubernetes.client import Cluster

STUDY = """\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: commands}
spec:
  encoders:
    - name: tiny
      pretrain: {layers: 1, hidden: 32, heads: 2, vocabulary: 1000, steps: 2, objectives: {mlm: 1}, text:
        [{path: "text/{lang}.txt", format: text-lines, languages: [de, en]}]}
  curricula: [baseline]
  targets: [{task: tatoeba, languages: [de], limit: 20}]
  protocol: corrected
  data: {root: "sample://"}
"""
PLACEMENT: dict[str, Any] = {
    "store": {"uri": "s3://studies/commands"},
    "kubernetes": {"nodes": 2, "images": {"light": {"name": "nowhere.invalid/stilts:1"}}},
}
MADE = ("configmaps", "services", "jobs")
Stilts = Callable[..., int]


@pytest.fixture
def stilts(namespace: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stilts:
    """Runs a verb on the study, in a namespace of its own with the driver's account."""
    connect = Cluster.connect
    monkeypatch.setattr(Cluster, "connect", partial(connect, kubeconfig=namespace.kubeconfig))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stilts-driver"}}
    namespace.apply(account)
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY)
    place(PLACEMENT)

    def run(verb: str, *more: str) -> int:
        return main([verb, "study.yaml", "--profile", "profile.yaml", "--namespace", namespace.namespace, *more])

    return run


def place(placement: dict[str, Any], **kubernetes: Any) -> None:
    """Write the profile."""
    spec = {**placement, "kubernetes": {**placement["kubernetes"], **kubernetes}}
    document = {"apiVersion": "stilts/v1alpha1", "kind": "Profile", "spec": spec}
    Path("profile.yaml").write_text(yaml.safe_dump(document))


def ours(namespace: Kubernetes) -> dict[str, Any]:
    """What a study has in the namespace: kind and name → what was said of it."""
    selector = "--selector=app.kubernetes.io/name=stilts"
    found = namespace.get(",".join(MADE), selector)["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


def essence(found: dict[str, Any]) -> str:
    """An object without what the server and its controllers put into it for each anew."""
    kept = {name: found.get(name) for name in ("kind", "data", "spec")}
    text = json.dumps(kept, sort_keys=True)
    return text.replace(str(found["metadata"]["uid"]), "UID")


def test_what_is_rendered_and_applied_is_what_is_submitted(
    namespace: Kubernetes, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit", "--dry-run") == 0
    assert not ours(namespace)
    assert stilts("submit") == 0
    submitted = {name: essence(found) for name, found in ours(namespace).items()}
    assert sorted(name.split("/")[0] for name in submitted) == ["ConfigMap", "Job", "Service"]
    assert stilts("cancel") == 0
    assert not ours(namespace)
    capsys.readouterr()
    assert stilts("render") == 0
    namespace.kubectl("apply", "--filename=-", text=capsys.readouterr().out)
    applied = {name: essence(found) for name, found in ours(namespace).items()}
    assert applied == submitted
    assert stilts("submit") == 0
    assert "It is running already" in capsys.readouterr().out


def test_status_says_why_the_driver_waits_and_cancelling_leaves_nothing(
    namespace: Kubernetes, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    def waits() -> str:
        capsys.readouterr()
        assert stilts("status", "--store", "store") == 0
        return capsys.readouterr().out

    def until(sentence: str) -> None:
        namespace.wait("jobs", until=lambda _: sentence in waits(), seconds=90)

    assert stilts("submit") == 0
    until("the image nowhere.invalid/stilts:1 cannot be pulled")
    assert stilts("cancel") == 0
    assert "Kept: what has committed, in s3://studies/commands" in capsys.readouterr().out
    assert not ours(namespace)
    assert not namespace.get("pods")["items"]
    place(PLACEMENT, cpu_pods={"node_selector": {"stilts/no-such": "node"}})
    assert stilts("submit") == 0
    until("no node takes it")
    assert stilts("cancel") == 0
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.apply(quota)
    namespace.wait("resourcequota", "none", until=lambda found: bool(found.get("status", {}).get("hard")))
    assert stilts("submit") == 0
    until("exceeded quota")
    assert stilts("cancel") == 0
    assert not ours(namespace)


def test_a_driver_that_has_ended_is_made_anew(
    namespace: Kubernetes, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    (name,) = (name for name in ours(namespace) if name.startswith("Job/"))
    first = ours(namespace)[name]
    ended = {"spec": {"activeDeadlineSeconds": 1}}
    namespace.kubectl("patch", name, "--type=merge", f"--patch={json.dumps(ended)}")
    over = lambda job: any(each["type"] == "Failed" for each in job["status"].get("conditions") or ())  # noqa: E731
    namespace.wait(name, until=over, seconds=90)
    assert stilts("status", "--store", "store") == 1
    assert "driver: failed" in capsys.readouterr().out
    assert stilts("submit") == 0
    assert "It goes on: what has committed is kept." in capsys.readouterr().out
    second = ours(namespace)[name]
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert stilts("cancel") == 0


def test_doctor_says_what_is_missing_and_leaves_nothing(
    namespace: Kubernetes, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    place(PLACEMENT, gpus_per_node=1)
    options = ["--cluster", "--namespace", namespace.namespace, "--profile", "profile.yaml", "--patience", "20"]
    assert main(["doctor", *options]) == 1
    out = capsys.readouterr().out
    assert "ok    your rights" in out
    assert "ok    pod security: the restricted standard is enforced" in out
    assert "nodes are ready and have 1 nvidia.com/gpu" in out
    assert "FAIL  driver's pod: it has not begun: the image nowhere.invalid/stilts:1 cannot be pulled" in out
    assert "FAIL  stage's pod: it cannot be made" in out
    assert 'serviceaccount "stilts-stage" not found' in out
    assert not ours(namespace)
