"""`stilts doctor --cluster` on clusters that can run a study and clusters that cannot."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "engine" / "kubernetes"))

from fake_api import FakeApi, Object, serving, status  # noqa: E402

from stilts_core.cli.main import main  # noqa: E402
from stilts_core.engine.check import Check  # noqa: E402
from stilts_core.engine.kubernetes.client import Cluster  # noqa: E402
from stilts_core.engine.kubernetes.probes import encode  # noqa: E402

PROFILE = """apiVersion: stilts/v1alpha1
kind: Profile
spec:
  store: {uri: "s3://studies/team"}
  kubernetes: {namespace: lab%s}
"""
Doctor = Callable[..., int]
SAYS = {"driver": [Check("rights", "all that are needed"), Check("store", "s3://studies/team")]}
SAYS["stage"] = [Check("packages", "torch 2"), Check("store, create-only", "it holds", "Nothing to do.")]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with serving() as api:
        monkeypatch.setattr(Cluster, "connect", lambda **_: api.cluster())
        monkeypatch.setattr("stilts_core.engine.kubernetes.probes._PAUSE_SECONDS", 0.01)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        api.put("namespaces", {"metadata": {"name": "lab", "labels": labels}})
        yield api


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    def run(*more: str, kubernetes: str = "") -> int:
        profile = tmp_path / "profile.yaml"
        profile.write_text(PROFILE % kubernetes)
        return main(["doctor", "--cluster", "--profile", str(profile), *more])

    return run


def run_pods(api: FakeApi, made: Callable[[FakeApi, str, Object], None]) -> None:
    """Has every Job get its pod, before anybody looks for it."""

    def look(method: str, path: str) -> None:
        if method != "GET" or "/pods" not in path:
            return
        for job in list(api.objects.get("jobs", {}).values()):
            if job["metadata"]["name"] not in api.objects.get("pods", {}):
                made(api, job["spec"]["template"]["spec"]["containers"][0]["name"], job)

    api.refuse = look


def pod(job: Object, phase: str, state: Object, node: str = "node-a") -> Object:
    return {
        "metadata": {"name": job["metadata"]["name"], "labels": job["metadata"]["labels"]},
        "spec": {"nodeName": node},
        "status": {"phase": phase, "containerStatuses": [{"name": "x", "image": "stilts:1", "state": state}]},
    }


def ended(api: FakeApi, component: str, job: Object) -> None:
    api.logs[job["metadata"]["name"]] = "\n".join(encode(check) for check in SAYS[component]).encode()
    api.put("pods", pod(job, "Succeeded", {"terminated": {"exitCode": 0}}))


def test_a_good_cluster(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    run_pods(api, ended)
    assert doctor() == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    assert "ok    cluster: Kubernetes v1.34.1 at http://127.0.0.1" in out
    assert "ok    your rights: all that are wanted in namespace lab" in out
    assert "ok    driver's pod, store: s3://studies/team" in out
    assert "note  stage's pod, store, create-only: it holds\n      Nothing to do." in out
    assert out.endswith("A study can run there.\n")
    assert not api.objects["jobs"]
    assert not api.objects["configmaps"]


def test_the_pods_are_those_of_a_study(api: FakeApi, doctor: Doctor) -> None:
    jobs: dict[str, Object] = {}

    def keep(api: FakeApi, component: str, job: Object) -> None:
        jobs[component] = job
        ended(api, component, job)

    run_pods(api, keep)
    assert doctor() == 0
    driver, stage = (jobs[name]["spec"]["template"]["spec"] for name in ("driver", "stage"))
    assert driver["serviceAccountName"] == "stilts-driver"
    assert driver["automountServiceAccountToken"] is True
    assert stage["serviceAccountName"] == "stilts-stage"
    assert stage["automountServiceAccountToken"] is False
    assert stage["securityContext"]["runAsNonRoot"] is True
    assert stage["containers"][0]["command"][:4] == ["stilts", "doctor", "--as", "stage"]
    (owner,) = jobs["stage"]["metadata"]["ownerReferences"]
    assert owner["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("kubernetes", "sentences"),
    [
        (", jobset: true", ["FAIL  JobSet: the cluster has none", "plain Jobs do the same"]),
        (", kueue: {queue: q}", ["FAIL  Kueue: the cluster has none", "leave `kubernetes.kueue` out"]),
        (", gpus_per_node: 8", ["note  GPUs: 0 of 1 nodes are ready and have 8 nvidia.com/gpu"]),
    ],
)
def test_what_the_profile_asks_for(
    kubernetes: str, sentences: list[str], api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = [{"type": "Ready", "status": "True"}]
    node = {"metadata": {"name": "a"}, "status": {"conditions": ready, "allocatable": {"nvidia.com/gpu": "1"}}}
    api.put("nodes", node)
    run_pods(api, ended)
    assert doctor(kubernetes=kubernetes) == int(sentences[0].startswith("FAIL"))
    out = capsys.readouterr().out
    assert all(sentence in out for sentence in sentences)
    if sentences[0].startswith("FAIL"):
        assert "not looked at, because of the above" in out
        assert not api.objects.get("jobs")


def test_rights_that_are_missing_are_named(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    api.allowed = lambda verb, resource: (verb, resource) not in {("create", "jobs.batch"), ("get", "pods/log")}
    assert doctor() == 1
    out = capsys.readouterr().out
    assert "FAIL  your rights: without create on jobs.batch; get on pods/log" in out
    assert "Ask who runs the cluster for a Role in lab" in out


def test_reasons_and_logs_may_be_missing(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    api.allowed = lambda verb, resource: resource not in {"events", "pods/log"}
    run_pods(api, ended)
    assert doctor() == 0
    assert "note  your rights: without get on pods/log; list, watch on events" in capsys.readouterr().out


def test_who_may_not_read_namespaces_and_nodes_is_not_stopped(
    api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]
) -> None:
    run_pods(api, ended)
    pods = api.refuse
    forbidden = (403, status(403, "Forbidden", "no"))
    api.refuse = lambda method, path: (
        forbidden if "/nodes" in path or path.endswith("/namespaces/lab") else pods(method, path)
    )
    assert doctor(kubernetes=", gpus_per_node: 1") == 0
    assert "is not known" in capsys.readouterr().out


def test_a_namespace_that_is_not_there(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    api.remove("namespaces", "lab")
    assert doctor() == 1
    assert "kubectl create namespace lab" in capsys.readouterr().out


def test_an_image_that_cannot_be_pulled(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    def wait(api: FakeApi, component: str, job: Object) -> None:
        if component == "driver":
            ended(api, component, job)
        else:
            waiting = {"reason": "ImagePullBackOff", "message": "pull access denied"}
            api.put("pods", pod(job, "Pending", {"waiting": waiting}))

    run_pods(api, wait)
    assert doctor("--patience", "1") == 1
    out = capsys.readouterr().out
    assert "FAIL  stage's pod: it has not begun: the image stilts:1 cannot be pulled: pull access denied" in out
    assert "ok    driver's pod, store" in out
    assert not api.objects["jobs"]


def test_an_image_that_is_not_of_stilts(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(api: FakeApi, component: str, job: Object) -> None:
        api.logs[job["metadata"]["name"]] = b"No such option: --as"
        api.put("pods", pod(job, "Failed", {"terminated": {"exitCode": 64}}))

    run_pods(api, fail)
    assert doctor() == 1
    assert "FAIL  stage's pod: it failed: No such option: --as" in capsys.readouterr().out


def test_a_pod_that_a_policy_refuses(api: FakeApi, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(api: FakeApi, component: str, job: Object) -> None:
        message = 'Error creating: pods "x" is forbidden: error looking up service account lab/stilts-driver: not found'
        named = {"name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
        event = {"metadata": {"name": component}, "involvedObject": named, "reason": "FailedCreate", "message": message}
        if component not in api.objects.get("events", {}):
            api.put("events", event)

    run_pods(api, refuse)
    assert doctor() == 1
    assert "error looking up service account lab/stilts-driver" in capsys.readouterr().out


@pytest.mark.parametrize(("role", "names"), [("driver", ["rights", "store"]), ("stage", ["packages", "store"])])
def test_a_pod_prints_its_findings_for_programs(
    role: str, names: list[str], api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE.replace("s3://studies/team", str(tmp_path / "store")) % "")
    status = main(["doctor", "--as", role, "--profile", str(profile)])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [check["name"] for check in found][:2] == names
    assert status == int(any(check["blocks"] for check in found))
