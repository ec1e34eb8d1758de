"""What the chart renders, with the real Helm."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, HelmError, has_go, helm, template
from restricted import pods, violations

from stilts_core.engine.kubernetes.images import image_reference
from stilts_core.engine.kubernetes.render import StudySource, render_submission
from stilts_core.engine.kubernetes.rights import DRIVER, DRIVER_JOBSETS, RESEARCHER, RESEARCHER_JOBSETS
from stilts_core.spec.kubernetes import Image, Images
from stilts_core.spec.load import load_profile
from stilts_core.spec.profile import Placement, Profile

pytestmark = [
    pytest.mark.skipif(not has_go(), reason="Helm is built with Go"),
    pytest.mark.xdist_group("helm"),
    pytest.mark.timeout(900),  # the first test builds Helm
]

NAMESPACE = "research"
DIGEST = f"sha256:{'ab' * 32}"
STORE: dict[str, Any] = {"uri": "s3://studies/team"}
STUDY = """\
# Quotes " and {{ braces }} stay what they are.
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: first}
spec: {encoders: [xlm-roberta-base], curricula: [baseline], targets: [xnli], data: {root: "sample://"}}
"""

LARGE: dict[str, Any] = {
    "store": {"uri": "s3://studies/team", "s3": {"endpoint": "https://s3.example.org:9443", "path_style": True}},
    "training": {"zero_stage": 3, "micro_tokens": 16384},
    "kubernetes": {
        "images": {
            "training": {"name": "ghcr.io/team/train:1", "digest": DIGEST},
            "light": {"name": "team/light:1"},
            "registry": "mirror.example.org:5000/hub",
            "pull_policy": "Always",
            "pull_secrets": ["registry"],
        },
        "nodes": 4,
        "gpus_per_node": 8,
        "jobset": True,
        "pods": {
            "train": {"cpu": 96, "memory": "1Ti"},
            "driver": {"cpu": 0.5, "memory": "1Gi", "scratch": "2Gi", "cpu_limit": 1},
        },
        "shared_memory": "4Gi",
        "cpu_pods": {
            "node_selector": {"pool": "small"},
            "tolerations": [
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
                {"key": "team", "value": "nlp"},
            ],
            "priority_class": "low",
            "runtime_class": "runc",
        },
        "gpu_pods": {"priority_class": "high"},
        "spot": {"node_selector": {"spot": "true"}},
        "user_id": 1000,
        "service_accounts": {"driver": "conductor", "stages": "player"},
        "credentials": {"secret": "keys", "access_key": "id", "secret_key": "key", "session_token": "token"},
        "ca_bundle": {"config_map": "certificates", "key": "all.pem"},
        "proxies": {"http": "http://proxy:3128", "https": "http://proxy:3128", "exclude": [".example.org"]},
        "air_gapped": True,
        "kueue": {"queue": "nlp", "priority_class": "normal", "retry_priority_class": "retry"},
        "ttl_seconds": 604800,
        "unreachable_seconds": 10,
    },
}
MOUNTED: dict[str, Any] = {
    "store": STORE,
    "kubernetes": {"user_id": None, "credentials": {"secret": "keys", "file": "credentials"}},
}
NODES: dict[str, Any] = {"store": STORE, "kubernetes": {"nodes": 2, "gpus_per_node": 1}}
PROFILES = {"plain": {"store": STORE}, "large": LARGE, "mounted": MOUNTED, "nodes": NODES}

COMBINATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "store": {"profile": {"store": STORE}},
    "large": {
        "profile": LARGE,
        "study": STUDY,
        "queue": {"cluster_queue": "gpus"},
        "monitor": {"enabled": True, "labels": {"team": "a"}},
        "network": {"metrics": [{"namespace": "monitoring"}]},
    },
    "mounted": {"profile": MOUNTED, "study": STUDY},
    "nodes": {"profile": NODES, "study": STUDY},
    "trial": {"s3": {"enabled": True}, "study": STUDY},
    "trial volume": {"s3": {"enabled": True, "size": "10Gi", "storage_class": "fast", "node_port": 30070}},
    "trial secret": {"s3": {"enabled": True}, "profile": {"kubernetes": {"credentials": {"secret": "keys"}}}},
    "existing accounts": {"accounts": {"create": False}, "rights": {"create": False}, "network": {"enabled": False}},
    "researchers": {"rights": {"researchers": [{"name": "ml"}, {"kind": "ServiceAccount", "name": "bot"}]}},
    "places": {
        "network": {
            "store": [{"cidrs": ["10.0.0.0/8"], "without": ["10.1.0.0/16"], "ports": [9000]}],
            "also": [{"namespace": "proxy"}, {"pods": {"app": "mirror"}, "ports": [80]}],
            "metrics": [{"namespace": "monitoring", "pods": {"app": "prometheus"}, "ports": [9090]}],
        },
    },
    "quiet": {"profile": {"store": STORE}, "test": {"enabled": False}},
}
API_VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "LocalQueue": "kueue.x-k8s.io/v1beta2",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[dict[str, Any]]]:
    return {name: template(values) for name, values in COMBINATIONS.items()}


def test_lint() -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_combination_is_objects_of_the_namespace(name: str, rendered: dict[str, list[dict[str, Any]]]) -> None:
    objects = rendered[name]
    assert {(each["kind"], each["apiVersion"]) for each in objects} <= set(API_VERSIONS.items())
    keys = [(each["kind"], each["metadata"]["name"], _hook(each)) for each in objects]
    assert len(set(keys)) == len(keys)
    for each in objects:
        about = each["metadata"]
        assert about["namespace"] == NAMESPACE
        assert len(about["name"]) <= 47
        assert about["labels"]["app.kubernetes.io/name"] == "stilts"
        for pod in pods(each):
            assert violations(pod) == []
            assert pod["automountServiceAccountToken"] is (each["kind"] == "Job")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_study_is_what_submit_makes_of_it(profile: str) -> None:
    ours = _study_objects(template({"profile": PROFILES[profile], "study": STUDY, "test": {"enabled": False}}))
    source = StudySource("first", STUDY, plan_digest="0" * 64)
    theirs = render_submission(source, Placement.model_validate(PROFILES[profile]), NAMESPACE)
    assert _alike(ours) == _alike(theirs)


def test_a_study_keeps_its_text() -> None:
    anchor, *_ = _study_objects(template({"profile": {"store": STORE}, "study": STUDY, "test": {"enabled": False}}))
    assert anchor["data"]["study.yaml"] == STUDY
    assert anchor["metadata"]["annotations"]["stilts/store"] == STORE["uri"]


@pytest.mark.parametrize("name", ["a.", "x-", "0" * 40, "plain"])
def test_a_name_that_no_label_holds_is_called_as_submit_calls_it(name: str) -> None:
    study = STUDY.replace("name: first", f'name: "{name}"')
    ours = _study_objects(template({"profile": {"store": STORE}, "study": study, "test": {"enabled": False}}))
    theirs = render_submission(
        StudySource(name, study, "0" * 64), Placement.model_validate({"store": STORE}), NAMESPACE
    )
    assert ours[0]["metadata"]["labels"]["stilts/study"] == theirs[0]["metadata"]["labels"]["stilts/study"]


def test_another_study_has_other_names_and_the_same_study_has_the_same() -> None:
    names = [
        _study_objects(template({"s3": {"enabled": True}, "study": text, "test": {"enabled": False}}, release=release))[
            0
        ]["metadata"]["name"]
        for text, release in ((STUDY, "a"), (STUDY, "a"), (f"{STUDY}\n", "a"), (STUDY, "b"))
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


@pytest.mark.parametrize("registry", [None, "mirror.example.org/hub"])
@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize("name", ["a:1", "team/a:1", "ghcr.io/team/a:1", "localhost/a:1", "host:5000/a:1"])
def test_one_registry_takes_the_place_of_all(name: str, digest: str | None, registry: str | None) -> None:
    images = {"light": {"name": name, "digest": digest}, "registry": registry}
    objects = template(
        {
            "s3": {"enabled": True, "image": {"name": name, "digest": digest}},
            "profile": {"kubernetes": {"images": images}},
        },
        "--show-only=templates/s3.yaml",
        "--show-only=templates/tests/check.yaml",
    )
    wanted = image_reference(Image(name=name, digest=digest), Images(registry=registry))
    found = [container["image"] for each in objects for pod in pods(each) for container in pod["containers"]]
    assert found == [wanted, wanted]


def test_the_driver_has_these_rights_and_no_other(rendered: dict[str, list[dict[str, Any]]]) -> None:
    assert _rights(rendered["store"], "driver") == DRIVER
    assert _rights(rendered["large"], "driver") == {**DRIVER, **DRIVER_JOBSETS}


def test_nobody_but_the_driver_has_rights(rendered: dict[str, list[dict[str, Any]]]) -> None:
    bindings = [each for each in rendered["large"] if each["kind"] == "RoleBinding"]
    assert [each["subjects"] for each in bindings] == [
        [{"kind": "ServiceAccount", "name": "conductor", "namespace": NAMESPACE}]
    ]
    accounts = [each for each in rendered["large"] if each["kind"] == "ServiceAccount"]
    assert {each["metadata"]["name"] for each in accounts} == {"conductor", "player"}
    assert not any(each["automountServiceAccountToken"] for each in accounts)


def test_researchers_may_submit_and_cancel_but_read_no_secret(rendered: dict[str, list[dict[str, Any]]]) -> None:
    assert _rights(rendered["researchers"], "researcher") == RESEARCHER
    with_jobsets = template({"profile": LARGE, "rights": {"researchers": [{"name": "ml"}]}})
    assert _rights(with_jobsets, "researcher") == {**RESEARCHER, **RESEARCHER_JOBSETS}
    for rights in (DRIVER, RESEARCHER):
        assert not any(word in resource for resource in rights for word in ("secrets", "exec", "roles", "*"))
    (binding,) = [each for each in rendered["researchers"] if each["metadata"]["name"].endswith("researcher")][1:]
    assert binding["subjects"] == [
        {"kind": "Group", "name": "ml", "apiGroup": "rbac.authorization.k8s.io"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": NAMESPACE},
    ]


def test_what_is_not_allowed_is_refused(rendered: dict[str, list[dict[str, Any]]]) -> None:
    for name in ("store", "large", "trial"):
        policies = _policies(rendered[name])
        assert policies["nothing"] == {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "stilts"}},
            "policyTypes": ["Ingress", "Egress"],
        }
        for policy in policies.values():
            assert {} not in policy.get("egress", [])
            assert all(rule.get("to") for rule in policy.get("egress", []))


def test_stages_reach_store_names_and_each_other(rendered: dict[str, list[dict[str, Any]]]) -> None:
    group = {"podSelector": {"matchLabels": _component("stage")}}
    names = {
        "to": [
            {
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            }
        ],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
    server = {"podSelector": {"matchLabels": {**_component("s3"), "app.kubernetes.io/instance": "trial"}}}
    store = {"to": [server], "ports": [{"port": 7070, "protocol": "TCP"}]}
    stages = _policies(rendered["trial"])["stages"]
    assert stages["podSelector"] == group["podSelector"]
    assert stages["ingress"] == [{"from": [group]}]
    assert stages["egress"] == [{"to": [group]}, store, names]
    driver = _policies(rendered["trial"])["driver"]
    api_server = {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}],
        "ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}],
    }
    assert driver["egress"] == [api_server, store, names]
    assert "ingress" not in driver


def test_a_store_elsewhere_is_public_addresses_at_its_port(rendered: dict[str, list[dict[str, Any]]]) -> None:
    for name, port in (("store", 443), ("large", 9443)):
        v4, v6 = _policies(rendered[name])["stages"]["egress"][1:3]
        assert v4["ports"] == v6["ports"] == [{"port": port, "protocol": "TCP"}]
        assert v4["to"][0]["ipBlock"]["cidr"] == "0.0.0.0/0"
        assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(v4["to"][0]["ipBlock"]["except"])
        assert v6["to"][0]["ipBlock"]["cidr"] == "::/0"
    alone = template({"profile": {"store": {**STORE, "s3": {"endpoint": "http://10.1.2.3:9000"}}}})
    assert _policies(alone)["stages"]["egress"][1] == {
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "ports": [{"port": 9000, "protocol": "TCP"}],
    }


def test_places_are_rules(rendered: dict[str, list[dict[str, Any]]]) -> None:
    policies = _policies(rendered["places"])
    assert policies["stages"]["egress"][1] == {
        "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
        "ports": [{"port": 9000, "protocol": "TCP"}],
    }
    anywhere_in_proxy = {
        "podSelector": {},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "proxy"}},
    }
    assert policies["stages"]["egress"][-2:] == [
        {"to": [anywhere_in_proxy]},
        {"to": [{"podSelector": {"matchLabels": {"app": "mirror"}}}], "ports": [{"port": 80, "protocol": "TCP"}]},
    ]
    (metrics,) = policies["driver"]["ingress"]
    assert metrics["ports"] == [{"port": 9090, "protocol": "TCP"}]
    assert metrics["from"][0]["podSelector"] == {"matchLabels": {"app": "prometheus"}}


def test_the_trial_server_is_the_store(rendered: dict[str, list[dict[str, Any]]]) -> None:
    objects = rendered["trial"]
    profile = _profile(objects, "trial-stilts-profile").spec
    assert profile.store.uri == "s3://stilts/studies"
    assert profile.store.s3.endpoint is None  # outside the cluster, AWS_ENDPOINT_URL says
    assert profile.kubernetes.store_endpoint == "http://trial-stilts-s3.research.svc:7070"
    anchors = [each["data"] for each in objects if "study.yaml" in each.get("data", {})]
    endpoints = {yaml.safe_load(anchor["profile.yaml"])["spec"]["store"]["s3"]["endpoint"] for anchor in anchors}
    assert endpoints == {profile.kubernetes.store_endpoint}
    assert profile.kubernetes.credentials is not None
    assert profile.kubernetes.credentials.secret == "trial-stilts-s3"
    (server,) = [each for each in objects if each["kind"] == "Deployment"]
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--port", ":7070", "posix", "/data"]
    (secret,) = [each for each in objects if each["kind"] == "Secret"]
    assert len(secret["data"]) == 2
    assert not any(each["kind"] == "Secret" for each in rendered["trial secret"])


def test_given_keys_are_the_keys() -> None:
    keys = {"access_key": "researcher", "secret_key": "correct horse"}
    (secret,) = [each for each in template({"s3": {"enabled": True, **keys}}) if each["kind"] == "Secret"]
    assert secret["data"] == {
        "AWS_ACCESS_KEY_ID": "cmVzZWFyY2hlcg==",
        "AWS_SECRET_ACCESS_KEY": "Y29ycmVjdCBob3JzZQ==",
    }


def test_the_profile_is_the_one_that_was_given(rendered: dict[str, list[dict[str, Any]]]) -> None:
    found = _profile(rendered["large"], "trial-stilts-profile").spec
    wanted = Placement.model_validate(LARGE)
    assert found == wanted.model_copy(
        update={"kubernetes": wanted.kubernetes.model_copy(update={"namespace": NAMESPACE})}
    )


def test_the_check_is_a_study_without_gpus(rendered: dict[str, list[dict[str, Any]]]) -> None:
    anchor, stand_in, driver = [each for each in rendered["large"] if "-check" in each["metadata"]["name"]]
    spec = Profile.model_validate(yaml.safe_load(anchor["data"]["profile.yaml"])).spec
    assert (spec.device, spec.kubernetes.gpus_per_node, spec.kubernetes.nodes) == ("cpu", 0, 1)
    assert spec.kubernetes.kueue is not None
    assert (CHART / "check.yaml").read_text(encoding="utf-8") == anchor["data"]["study.yaml"]
    assert [_hook(each) for each in (anchor, stand_in, driver)] == ["test", "post-delete", "test"]
    assert stand_in["metadata"]["name"] == anchor["metadata"]["name"]
    assert driver["spec"]["activeDeadlineSeconds"] == 900
    command = driver["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-3:] == ["--strict", "--store", "s3://studies/team/check/$(POD_NAME)"]
    assert not any("-check" in each["metadata"]["name"] for each in [*rendered["nothing"], *rendered["quiet"]])


def test_kueue_and_prometheus_are_asked_for(rendered: dict[str, list[dict[str, Any]]]) -> None:
    (queue,) = [each for each in rendered["large"] if each["kind"] == "LocalQueue"]
    assert (queue["metadata"]["name"], queue["spec"]) == ("nlp", {"clusterQueue": "gpus"})
    (monitor,) = [each for each in rendered["large"] if each["kind"] == "PodMonitor"]
    assert monitor["metadata"]["labels"]["team"] == "a"
    (driver,) = [each for each in rendered["large"] if each["metadata"]["name"].endswith("-check-driver")]
    pod = driver["spec"]["template"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]} <= ports


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"profile": {"store": STORE}}, ["stilts submit STUDY.yaml --profile profile.yaml\n", "--watch"]),
        ({}, ["stilts submit STUDY.yaml --profile profile.yaml --store s3://BUCKET/PREFIX\n"]),
        ({"s3": {"enabled": True}}, ["for trials, not for production", "gone with its pod", "helm test trial"]),
        ({"s3": {"enabled": True, "size": "1Gi"}}, ["Its volume is deleted with the release."]),
        ({"network": {"enabled": False}}, ["network.enabled is false"]),
        (
            {"profile": {"store": STORE}, "study": STUDY},
            ["The study first is submitted", "written to s3://studies/team"],
        ),
    ],
)
def test_notes_are_three_commands(values: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    # Helm shows notes only beside a cluster, so here they are a file that a template renders.
    chart = tmp_path / "stilts"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "notes")
    (chart / "templates" / "notes.yaml").write_text('notes: {{ tpl (.Files.Get "notes") . | toJson }}\n')
    (shown,) = template(values, "--show-only=templates/notes.yaml", chart=str(chart))
    commands = [line for line in shown["notes"].splitlines() if line.startswith("  ")]
    assert len(commands) == 3
    assert not any(line != line.rstrip() for line in shown["notes"].splitlines())
    for each in words:
        assert each in shown["notes"]


def test_examples_of_the_readme_are_values() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8").replace("sha256:…", DIGEST)
    first, second = re.findall(r"```yaml\n(.*?)```", text, re.S)
    assert template({**yaml.safe_load(first), **yaml.safe_load(second)})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"profil": {}}, "additional properties 'profil' not allowed"),
    ({"profile": {"kubernetes": {"gpus": 8}}}, "additional properties 'gpus' not allowed"),
    ({"profile": {"kubernetes": {"images": {"light": {"name": "a", "digest": "sha256:1"}}}}}, "digest"),
    ({"s3": {"enabled": "yes"}}, "got string, want boolean"),
    ({"profile": {"kubernetes": {"namespace": "other"}}}, "install with --namespace other"),
    ({"study": STUDY}, "a study needs a store that every node reaches"),
    ({"study": "no study"}, "give it as --set-file study=FILE"),
    ({"study": "kind: Study", "profile": {"store": STORE}}, "give it as --set-file study=FILE"),
    ({"s3": {"enabled": True}, "profile": {"kubernetes": {"store_endpoint": "http://a"}}}, "leave one of them out"),
    ({"s3": {"enabled": True}, "profile": {"store": STORE}}, "begin it with s3://stilts/"),
    (
        {"s3": {"enabled": True, "access_key": "abc"}, "profile": {"kubernetes": {"credentials": {"secret": "a"}}}},
        "leave one of them out",
    ),
    ({"monitor": {"enabled": True}}, "say in network.metrics where Prometheus is"),
    ({"queue": {"cluster_queue": "gpus"}}, "name the LocalQueue that leads to it in profile.kubernetes.kueue.queue"),
    (
        {"profile": {"store": {**STORE, "s3": {"endpoint": "http://s3.storage.svc:9000"}}}},
        "say in network.store which pods answer",
    ),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_what_cannot_be_is_refused_with_a_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmError) as refused:
        template(values)
    assert words in " ".join(str(refused.value).split())


def _study_objects(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = {"ConfigMap": 0, "Service": 1, "Job": 2}
    mine = [each for each in objects if "stilts/anchor" in each["metadata"]["labels"]]
    return sorted(mine, key=lambda each: order[each["kind"]])


def _alike(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A study's objects without what differs by design: names, the plan's digest, and who manages them."""
    anchor = objects[0]["metadata"]["name"]
    result: list[dict[str, Any]] = json.loads(json.dumps(objects).replace(anchor, "ANCHOR"))
    for each in result:
        about = each["metadata"]
        about["labels"] = _without(about["labels"], "stilts/plan", "app.kubernetes.io/managed-by")
        about["annotations"] = _without(about.get("annotations", {}), "stilts/plan-digest", "stilts/driver-spec")
        if each["kind"] == "ConfigMap":
            profile = yaml.safe_load(each["data"]["profile.yaml"])
            each["data"]["profile.yaml"] = Profile.model_validate(profile).spec.model_dump(mode="json")
        if each["kind"] == "Job":
            about["name"] = about["name"].removeprefix(f"{anchor}-")
            pod = each["spec"]["template"]
            pod["metadata"]["labels"] = _without(pod["metadata"]["labels"], "stilts/plan")
            command = pod["spec"]["containers"][0]["command"]
            if "--plan-digest" in command:
                place = command.index("--plan-digest")
                del command[place : place + 2]
    return result


def _without(mapping: dict[str, str], *keys: str) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _rights(objects: list[dict[str, Any]], whose: str) -> dict[str, frozenset[str]]:
    (role,) = [each for each in objects if each["kind"] == "Role" and each["metadata"]["name"].endswith(whose)]
    return {
        f"{group}/{resource}": frozenset(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def _policies(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"].rpartition("-")[2]: each["spec"] for each in objects if each["kind"] == "NetworkPolicy"
    }


def _hook(document: dict[str, Any]) -> str | None:
    return document["metadata"].get("annotations", {}).get("helm.sh/hook")


def _component(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "stilts", "app.kubernetes.io/component": name}


def _profile(objects: list[dict[str, Any]], name: str) -> Profile:
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", name)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(found["data"]["profile.yaml"])
        file.flush()
        return load_profile(Path(file.name))
