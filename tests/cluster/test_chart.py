"""The chart on a real cluster: installed, upgraded, its rights and policies enforced, and nothing left of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from helm import CHART, template
from restricted import pods

from cluster.commands import ClusterError, run, wait_until
from cluster.kubernetes import Kubernetes, has_condition
from cluster.machine.images import reference
from cluster.machine.pins import VERSITYGW
from cluster.pods import pod, probe_pod
from cluster.provider import Provider
from stilts_core import __version__
from stilts_core.engine.kubernetes.rights import DRIVER, JOBSETS

MANIFESTS = CHART.parents[1] / "manifests"
NODE_PORT = 30071
RELEASE = "trial"
NAME = "trial-stilts"
STUDY = """\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: waits}
spec: {encoders: [xlm-roberta-base], curricula: [baseline], targets: [xnli], data: {root: "sample://"}}
"""
SERVER: dict[str, Any] = {"enabled": True, "image": {"name": reference(VERSITYGW)}}
NOWHERE = {"cpu_pods": {"node_selector": {"stilts/no-such": "node"}}}


@dataclass(frozen=True)
class Release:
    """Helm on the chart, in a namespace."""

    program: Path
    cluster: Kubernetes
    folder: Path

    def install(self, values: dict[str, Any], *options: str) -> str:
        """Install the release, or upgrade it."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return self.helm("upgrade", "--install", RELEASE, str(CHART), f"--values={path}", *options)

    def uninstall(self) -> None:
        self.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout=90s")

    def helm(self, *arguments: str, seconds: float = 180) -> str:
        options = (f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.cluster.namespace}")
        return run(self.program, *arguments, *options, timeout=seconds).stdout


@pytest.fixture
def release(provider: Provider, namespace: Kubernetes, tmp_path: Path) -> Iterator[Release]:
    chart = Release(provider.programs["helm"], namespace, tmp_path)
    yield chart
    chart.uninstall()


def test_the_trial_server_serves_and_an_upgrade_keeps_its_keys(release: Release) -> None:
    cluster = release.cluster
    notes = release.install({"s3": {**SERVER, "node_port": NODE_PORT}}, "--wait", "--timeout=120s")
    assert "for trials, not for production" in notes
    client = _client(cluster)
    client.put_object(Bucket="stilts", Key="a/b", Body=b"kept", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="stilts", Key="a/b", Body=b"lost", IfNoneMatch="*")
    before = _uids(cluster, "pods", "secrets")
    release.install({"s3": {**SERVER, "node_port": NODE_PORT}, "rights": {"researchers": [{"name": "nlp"}]}}, "--wait")
    assert _uids(cluster, "pods", "secrets").items() >= before.items() - _helms(before)
    assert _client(cluster).get_object(Bucket="stilts", Key="a/b")["Body"].read() == b"kept"


def test_an_upgrade_leaves_a_study_alone(release: Release) -> None:
    cluster = release.cluster
    values: dict[str, Any] = {"profile": {"store": {"uri": "s3://a/b"}, "kubernetes": NOWHERE}, "study": STUDY}
    release.install(values)
    (driver,) = cluster.get("jobs")["items"]
    anchor = cluster.get("configmap", driver["metadata"]["name"].removesuffix("-driver"))
    pending = cluster.wait("pods", until=lambda found: len(found["items"]) == 1)["items"]
    values["profile"]["kubernetes"] = {
        **NOWHERE,
        "images": {"light": {"name": "another:2"}},
        "nodes": 2,
        "ttl_seconds": 100,
    }
    release.install(values)
    (same,) = cluster.get("jobs")["items"]
    assert (same["metadata"]["uid"], same["spec"]) == (driver["metadata"]["uid"], driver["spec"])
    kept = cluster.get("configmap", anchor["metadata"]["name"])
    assert (kept["metadata"]["uid"], kept["data"]) == (anchor["metadata"]["uid"], anchor["data"])
    assert _names(cluster.get("pods")["items"]) == _names(pending)
    assert "another:2" in cluster.get("configmap", f"{NAME}-profile")["data"]["profile.yaml"]
    release.helm("rollback", RELEASE, "1")
    assert cluster.get("jobs")["items"][0]["metadata"]["uid"] == driver["metadata"]["uid"]


def test_uninstalling_leaves_nothing(release: Release) -> None:
    cluster = release.cluster
    before = _everything(cluster)
    values = {
        "profile": {"store": {"uri": "s3://stilts/b"}, "kubernetes": {**NOWHERE, "nodes": 2}},
        "study": STUDY,
        "s3": {**SERVER, "size": None},
        "rights": {"researchers": [{"name": "nlp"}]},
    }
    release.install(values)
    anchor = cluster.get("jobs")["items"][0]["metadata"]["name"].removesuffix("-driver")
    # As the driver makes them: owned by the anchor, and unknown to Helm.
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": anchor}
    owner["uid"] = cluster.get("configmap", anchor)["metadata"]["uid"]
    stage = pod("stage", probe_pod("listen", "8000"))
    stage["metadata"]["ownerReferences"] = [owner]
    cluster.apply(stage)
    assert len(_everything(cluster)) > len(before)
    release.uninstall()
    wait_until(lambda: _everything(cluster) == before, "nothing is left of the release", 60)


def test_every_object_is_accepted_in_a_restricted_namespace(release: Release) -> None:
    cluster = release.cluster
    release.install({"profile": {"kubernetes": NOWHERE}})
    large = {
        "store": {"uri": "s3://a/b"},
        "kubernetes": {
            "nodes": 2,
            "user_id": 1000,
            "images": {"registry": "mirror.example.org", "pull_secrets": ["registry"]},
            "credentials": {"secret": "keys", "session_token": "token"},
            "ca_bundle": {"config_map": "certificates"},
            "proxies": {"https": "http://proxy:3128"},
            "air_gapped": True,
            "cpu_pods": {"tolerations": [{"operator": "Exists"}], "node_selector": {"pool": "a"}},
        },
    }
    network = {"also": [{"namespace": "proxy", "ports": [3128]}], "metrics": [{"cidrs": ["10.0.0.0/8"]}]}
    for values in (
        {"s3": {**SERVER, "size": "1Gi", "storage_class": "fast"}, "study": STUDY},
        {"profile": large, "study": STUDY, "network": network, "rights": {"researchers": [{"name": "nlp"}]}},
        {"profile": {"store": {"uri": "s3://a/b"}, "kubernetes": {"user_id": None}}, "study": STUDY},
    ):
        objects = template(values, release="other", namespace=cluster.namespace)
        taken = {(each["kind"], each["metadata"]["name"]) for each in objects if each["kind"] == "ServiceAccount"}
        cluster.accepts(*(each for each in objects if (each["kind"], each["metadata"]["name"]) not in taken))
        # Only pods themselves are held to the standard; what makes them is but warned about.
        cluster.accepts(*(pod(f"pod-{number}", spec) for number, spec in enumerate(_pods(objects))))


@pytest.mark.parametrize("folder", ["base", "trial"])
def test_plain_manifests_are_accepted(namespace: Kubernetes, folder: str) -> None:
    text = namespace.kubectl("kustomize", str(MANIFESTS / folder))
    for each in yaml.safe_load_all(text):
        if each["kind"] != "Namespace":
            assert each["metadata"].pop("namespace") == "stilts"
            namespace.accepts(each)


def test_the_driver_may_do_what_it_needs_and_nothing_else(release: Release) -> None:
    cluster = release.cluster
    release.install({})
    every = ("create", "delete", "get", "list", "patch", "update", "watch")
    others = (
        "/secrets",
        "/serviceaccounts",
        "/pods/exec",
        "/nodes",
        "rbac.authorization.k8s.io/roles",
        "apps/deployments",
    )
    asked = [(resource, verb) for resource in (*DRIVER, JOBSETS, *others) for verb in every]
    granted = {f"{verb} {resource}" for resource, verbs in DRIVER.items() for verb in verbs}
    assert _granted(cluster, "stilts-driver", asked, cluster.namespace) == granted
    assert _granted(cluster, "stilts-driver", asked, "default") == set()
    assert _granted(cluster, "stilts-stage", asked, cluster.namespace) == set()


def test_stages_reach_the_store_names_and_their_group_alone(release: Release) -> None:
    cluster = release.cluster
    release.install({"s3": SERVER}, "--wait", "--timeout=120s")
    stage = {"app.kubernetes.io/name": "stilts", "app.kubernetes.io/component": "stage"}
    cluster.apply(
        pod("peer", probe_pod("listen", "8000"), **stage),
        pod("stranger", probe_pod("listen", "8000")),
        pod("driver", probe_pod("listen", "8000"), **{**stage, "app.kubernetes.io/component": "driver"}),
    )
    listening = cluster.wait(
        "pods", until=lambda found: all(has_condition(each, "Ready") for each in found["items"]), seconds=60
    )["items"]
    address = {each["metadata"]["name"]: f"{each['status']['podIP']}:8000" for each in listening}
    endpoints = cluster.get("endpoints", "kubernetes", "--namespace=default")["subsets"][0]
    api_server = f"{endpoints['addresses'][0]['ip']}:{endpoints['ports'][0]['port']}"
    store = f"{NAME}-s3.{cluster.namespace}.svc.cluster.local:7070"
    refused = [address["stranger"], address["driver"], api_server]
    cluster.apply(pod("refused", probe_pod("closes", *refused), **stage))
    assert _said(cluster, "refused") == ["closed"] * len(refused)
    cluster.apply(pod("allowed", probe_pod("connect", address["peer"], store), **stage))
    assert _said(cluster, "allowed") == ["open", "open"]
    conductor = {**stage, "app.kubernetes.io/component": "driver"}
    cluster.apply(pod("conductor", probe_pod("connect", api_server, store), **conductor))
    assert _said(cluster, "conductor") == ["open", "open"]


def test_helm_test_runs_a_study_through_driver_stages_and_store(release: Release) -> None:
    cluster = release.cluster
    wanted = {f"localhost/{name}:{__version__}" for name in ("stilts", "stilts-train")}
    there = {
        name for node in cluster.get("nodes")["items"] for each in node["status"]["images"] for name in each["names"]
    }
    if not wanted <= there:
        pytest.fail(
            f"the cluster lacks {', '.join(sorted(wanted - there))}: make image-archive, and load it", pytrace=False
        )
    compute = {"cpu": "250m", "memory": "512Mi"}
    values = {
        "s3": {**SERVER, "node_port": NODE_PORT},
        "profile": {"kubernetes": {"images": {"registry": "localhost"}, "pods": {"driver": compute}}},
        "test": {"cpu": "500m", "memory": "2Gi"},
    }
    release.install(values, "--wait", "--timeout=120s")
    for run_number in (1, 2):
        said = release.helm("test", RELEASE, "--timeout=420s", seconds=450)
        assert "Phase:          Succeeded" in said
        keys = [each["Key"] for each in _client(cluster).list_objects_v2(Bucket="stilts")["Contents"]]
        manifests = [key for key in keys if key.startswith("studies/check/") and key.endswith("/manifest.json")]
        assert len(manifests) == 5 * run_number
        assert sum(key.endswith("/results/report.html") for key in keys) == run_number
    release.uninstall()
    wait_until(lambda: not cluster.get("jobs,pods")["items"], "no Job or pod of the test is left", 60)


def test_a_failed_test_can_be_looked_at_and_goes_with_the_release(release: Release) -> None:
    cluster = release.cluster
    before = _everything(cluster)
    image = {"name": "localhost/no-such-image:0"}
    values = {"profile": {"store": {"uri": "s3://a/b"}, "kubernetes": {"images": {"light": image}}}}
    release.install(values)
    with pytest.raises(ClusterError, match=r"timed out|deadline exceeded"):
        release.helm("test", RELEASE, "--timeout=5s")
    (driver,) = cluster.get("jobs")["items"]
    assert driver["metadata"]["name"] == f"{NAME}-check-driver"
    # As the driver does when it starts, which this one cannot.
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"{NAME}-check"}
    owner["uid"] = cluster.get("configmap", f"{NAME}-check")["metadata"]["uid"]
    owners = json.dumps({"metadata": {"ownerReferences": [owner]}})
    cluster.kubectl("patch", "job", driver["metadata"]["name"], "--type=merge", f"--patch={owners}")
    release.uninstall()
    wait_until(lambda: _everything(cluster) == before, "nothing is left of the release", 60)


def _client(cluster: Kubernetes) -> Any:
    keys = {
        name: base64.b64decode(value).decode() for name, value in cluster.get("secret", f"{NAME}-s3")["data"].items()
    }
    (server,) = cluster.get("pods", "--selector=app.kubernetes.io/component=s3")["items"]
    return boto3.session.Session().client(
        "s3",
        endpoint_url=f"http://{server['status']['hostIP']}:{NODE_PORT}",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )


def _uids(cluster: Kubernetes, *kinds: str) -> dict[str, str]:
    found = cluster.get(",".join(kinds))["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in found}


def _helms(uids: dict[str, str]) -> set[tuple[str, str]]:
    return {(name, uid) for name, uid in uids.items() if "sh.helm.release" in name}


def _names(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(each["metadata"]["name"] for each in objects)


def _everything(cluster: Kubernetes) -> list[str]:
    """Every object of the namespace but events, by kind and name."""
    kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    asked = ",".join(kind for kind in kinds if not kind.startswith("events"))
    return sorted(cluster.kubectl("get", asked, "--output=name", "--ignore-not-found").split())


def _pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in objects:
        for spec in pods(each):
            yield {**spec, "restartPolicy": "Never"}


def _granted(cluster: Kubernetes, account: str, asked: list[tuple[str, str]], namespace: str) -> set[str]:
    """What the API server would let an account of the cluster's namespace do in a namespace."""
    reviews = []
    for resource, verb in asked:
        group, _, plural = resource.partition("/")
        name, _, subresource = plural.partition("/")
        what = {"namespace": namespace, "verb": verb, "resource": name, "subresource": subresource, "group": group}
        spec = {"user": f"system:serviceaccount:{cluster.namespace}:{account}", "resourceAttributes": what}
        reviews.append({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    answers = cluster.kubectl("create", "--filename=-", '--output=jsonpath={.status.allowed}{"\\n"}', text=text).split()
    return {f"{verb} {resource}" for (resource, verb), said in zip(asked, answers, strict=True) if said == "true"}


def _said(cluster: Kubernetes, name: str) -> list[str]:
    """The first words of the lines that a probe printed before it ended."""
    try:
        cluster.wait("pod", name, until=lambda found: found["status"]["phase"] == "Succeeded", seconds=60)
    except ClusterError as error:
        raise AssertionError(cluster.kubectl("logs", name, check=False)) from error
    return [line.split()[0] for line in cluster.kubectl("logs", name).splitlines()]
