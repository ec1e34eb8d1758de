"""What holds of everything that is rendered, whatever study and profile say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_cluster_objects import FIRST, NAMESPACE, PLAN_DIGEST, SECOND, STUDY, SUBMISSION, stage
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_core.engine.kubernetes import labels, names
from stilts_core.engine.kubernetes.orders import parse_orders
from stilts_core.engine.kubernetes.render import StageAttempt, StudySource, render_stage, render_submission
from stilts_core.engine.kubernetes.yaml_text import to_yaml
from stilts_core.errors import EXIT_CODES, SpecError
from stilts_core.planning.plan import StageKind
from stilts_core.spec.load import load_profile
from stilts_core.spec.profile import Placement
from stilts_core.storage.manifest import Attempt

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
SHELLS = ("sh", "bash", "-c", "env")

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.text(max_size=60) | st.text("-._a0Zé", max_size=60)
STUDIES = st.builds(
    StudySource,
    name=NAMES,
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    plan_digest=HEX,
    data_root=st.none() | st.just("s3://corpora/x"),
)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    """Profiles of every way to run, with their parts combined at random."""

    def maybe(value: Any) -> Any:
        return value if draw(st.booleans()) else None

    scheduling = {
        "node_selector": maybe({"pool": "a"}) or {},
        "tolerations": maybe(({"key": "node.kubernetes.io/unreachable", "operator": "Exists"},)) or (),
        "priority_class": maybe("high"),
        "runtime_class": maybe("nvidia"),
    }
    kubernetes = {
        "nodes": draw(st.integers(1, 4)),
        "gpus_per_node": draw(st.sampled_from([0, 1, 8])),
        "jobset": draw(st.booleans()),
        "air_gapped": draw(st.booleans()),
        "user_id": maybe(1234),
        "cpu_pods": scheduling,
        "gpu_pods": scheduling,
        "images": {"registry": maybe("mirror.example.org"), "pull_secrets": maybe(("mirror",)) or ()},
        "kueue": maybe({"queue": "q", "priority_class": maybe("low"), "retry_priority_class": maybe("high")}),
        "spot": maybe({"tolerations": ({"key": "spot", "operator": "Exists"},), "node_selector": {"spot": "yes"}}),
        "credentials": maybe({"secret": "store", "file": maybe("file"), "session_token": maybe("token")}),
        "ca_bundle": maybe({"config_map": "ca"}),
        "proxies": {"http": maybe("http://proxy:3128"), "https": maybe("http://proxy:3128")},
    }
    return Placement.model_validate({"store": {"uri": "s3://studies/a"}, "kubernetes": kubernetes})


def everything(study: StudySource, placement: Placement, fingerprint: str) -> list[dict[str, Any]]:
    submission = replace(SUBMISSION, study=study.name, plan_digest=study.plan_digest)
    return render_submission(study, placement, NAMESPACE) + [
        render_stage(stage(kind, fingerprint), attempt, submission, placement)
        for kind in StageKind
        for attempt in (FIRST, SECOND)
    ]


def job_of(found: dict[str, Any]) -> dict[str, Any]:
    """The spec of a Job, or of a JobSet's only one."""
    spec: dict[str, Any] = found["spec"]
    return spec["replicatedJobs"][0]["template"]["spec"] if found["kind"] == "JobSet" else spec


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for found in objects:
        if found["kind"] in ("Job", "JobSet"):
            yield found, job_of(found)["template"]["spec"]


def metadata_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("metadata"), dict):
            yield value["metadata"]
        for part in value.values():
            yield from metadata_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from metadata_in(part)


@given(STUDIES, placements(), HEX)
def test_names_and_labels_are_taken_by_every_server(study: StudySource, placement: Placement, fingerprint: str) -> None:
    for found in everything(study, placement, fingerprint):
        assert DNS_LABEL.fullmatch(found["metadata"]["name"])
        assert len(found["metadata"]["name"]) < 48
        assert found["metadata"]["namespace"] == NAMESPACE
        for metadata in metadata_in(found):
            for key, value in metadata.get("labels", {}).items():
                assert LABEL_KEY.fullmatch(key)
                assert LABEL_VALUE.fullmatch(value)
            assert all(isinstance(value, str) for value in metadata.get("annotations", {}).values())


@given(STUDIES, placements(), HEX)
def test_every_pod_is_restricted_and_bounded(study: StudySource, placement: Placement, fingerprint: str) -> None:
    for found, pod in pods(everything(study, placement, fingerprint)):
        driver = found["metadata"]["labels"][labels.COMPONENT] == labels.DRIVER
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"].get("runAsUser") == placement.kubernetes.user_id
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is driver
        assert pod["restartPolicy"] == "Never"
        assert pod["terminationGracePeriodSeconds"] > 0
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert all(not {"hostPath"} & volume.keys() for volume in pod["volumes"])
        assert len({volume["name"] for volume in pod["volumes"]}) == len(pod["volumes"])
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert not set(SHELLS) & set(container["command"])
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert requests.keys() == limits.keys() >= {"cpu", "memory", "ephemeral-storage"}
        assert driver or requests == limits
        tolerated = [each.get("key") for each in pod["tolerations"]]
        assert tolerated.count("node.kubernetes.io/unreachable") == 1
        assert tolerated.count("node.kubernetes.io/not-ready") == 1


@given(STUDIES, placements(), HEX)
def test_an_attempt_is_one_job_that_nothing_begins_anew(
    study: StudySource, placement: Placement, fingerprint: str
) -> None:
    for found in everything(study, placement, fingerprint):
        if found["metadata"]["labels"][labels.COMPONENT] != labels.STAGE:
            continue
        (owner,) = found["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["blockOwnerDeletion"]) == (SUBMISSION.anchor_uid, False)
        spec = job_of(found)
        assert spec["backoffLimit"] == 0
        assert spec["podReplacementPolicy"] == "Failed"
        assert spec["completions"] == spec["parallelism"]
        assert spec["activeDeadlineSeconds"] > 0
        assert found["spec"]["ttlSecondsAfterFinished"] > 0
        rules = spec["podFailurePolicy"]["rules"]
        (ignored,) = (rule for rule in rules if rule["action"] != "FailJob")
        assert (ignored["action"], ignored["onExitCodes"]["values"]) == ("Ignore", [75])
        assert rules.index(ignored) > next(at for at, rule in enumerate(rules) if "onPodConditions" in rule)
        values = [rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule]
        assert all(codes == sorted(codes) for codes in values)
        assert sorted(code for codes in values for code in codes) == sorted(code for code in EXIT_CODES if code)
        if found["kind"] == "JobSet":
            assert found["spec"]["failurePolicy"] == {"maxRestarts": 0}
        assert (found["kind"] == "JobSet") == (placement.kubernetes.jobset and spec["completions"] > 1)


@settings(max_examples=10)  # PyYAML takes its time
@given(STUDIES, placements(), HEX)
def test_the_same_gives_the_same_text(study: StudySource, placement: Placement, fingerprint: str) -> None:
    objects = everything(study, placement, fingerprint)
    text = to_yaml(objects)
    assert list(yaml.safe_load_all(text)) == objects == json.loads(json.dumps(objects))
    assert text == to_yaml(everything(study, placement, fingerprint))


def placement(**kubernetes: Any) -> Placement:
    return Placement.model_validate({"store": {"uri": "s3://studies/a"}, "kubernetes": kubernetes})


def attempt_at(kind: StageKind, where: Placement, attempt: StageAttempt = FIRST) -> dict[str, Any]:
    return render_stage(stage(kind), attempt, SUBMISSION, where)


def command_of(found: dict[str, Any]) -> list[str]:
    command: list[str] = job_of(found)["template"]["spec"]["containers"][0]["command"]
    return command


def option(found: dict[str, Any], name: str) -> str | None:
    command = command_of(found)
    return command[command.index(name) + 1] if name in command else None


@pytest.mark.parametrize("kind", StageKind)
@pytest.mark.parametrize("jobset", [False, True])
def test_the_supervisor_understands_its_orders(kind: StageKind, jobset: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    where = placement(nodes=3, gpus_per_node=2, jobset=jobset, grace_seconds=90, stall_seconds=0)
    found = attempt_at(kind, where)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", str(job_of(found)["completions"] - 1))
    program, orders = command_of(found)[:3], parse_orders(command_of(found)[3:])
    assert program == ["python", "-m", "stilts_core.engine.kubernetes.supervisor"]
    assert (orders.stage, orders.attempt, orders.plan_digest) == (stage(kind).fingerprint, FIRST.stored, PLAN_DIGEST)
    assert (orders.store, orders.plan) == (SUBMISSION.store, SUBMISSION.plan)
    assert orders.nodes == job_of(found)["completions"]
    assert (orders.grace, orders.stall, orders.patience) == (90, 0, 600)
    assert orders.profile == Path("/etc/stilts/profile.yaml")
    mounts = job_of(found)["template"]["spec"]["containers"][0]["volumeMounts"]
    assert str(orders.work.parent) in {mount["mountPath"] for mount in mounts}


def test_a_name_follows_from_the_attempt_and_not_from_its_token() -> None:
    one = attempt_at(StageKind.TRAIN, placement())
    other = attempt_at(StageKind.TRAIN, placement(), replace(FIRST, stored=Attempt(number=9, token="ffffff")))
    assert one["metadata"]["name"] == other["metadata"]["name"]
    assert option(one, "--attempt") == "001-7f3a9c"
    assert option(other, "--attempt") == other["metadata"]["annotations"][labels.STORED_ATTEMPT] == "009-ffffff"
    later = attempt_at(StageKind.TRAIN, placement(), SECOND)
    assert later["metadata"]["name"] != one["metadata"]["name"]


def test_jobs_are_found_by_their_plan() -> None:
    found = attempt_at(StageKind.TRAIN, placement())["metadata"]["labels"]
    wanted = dict(part.split("=") for part in labels.plan_selector(SUBMISSION.plan_digest).split(","))
    assert wanted.items() <= found.items()
    driver = render_submission(STUDY, placement(), NAMESPACE)[-1]["metadata"]["labels"]
    assert not wanted.items() <= driver.items()


@pytest.mark.parametrize(
    ("kind", "nodes", "ranks", "gpus"),
    [
        (StageKind.PREPARE, "1", "1", None),
        (StageKind.PRETRAIN, "4", "8", "8"),
        (StageKind.TRAIN, "4", "8", "8"),
        (StageKind.EVALUATE, "1", "1", "1"),
    ],
)
def test_each_kind_gets_the_gpus_that_it_can_use(kind: StageKind, nodes: str, ranks: str, gpus: str | None) -> None:
    found = attempt_at(kind, placement(nodes=4, gpus_per_node=8, gpu_resource="example.org/gpu"))
    assert (option(found, "--nodes"), option(found, "--ranks-per-node")) == (nodes, ranks)
    pod = job_of(found)["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"].get("example.org/gpu") == gpus
    assert any(each["key"] == "example.org/gpu" for each in pod["tolerations"]) == (gpus is not None)


def test_on_processors_a_pretraining_is_one_process() -> None:
    where = placement(nodes=2)
    assert option(attempt_at(StageKind.PRETRAIN, where), "--nodes") == "1"
    assert option(attempt_at(StageKind.TRAIN, where), "--nodes") == "2"


def test_pods_of_several_nodes_are_apart_and_find_each_other() -> None:
    found = attempt_at(StageKind.TRAIN, placement(nodes=2))
    pod = job_of(found)["template"]["spec"]
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {"batch.kubernetes.io/job-name": found["metadata"]["name"]}
    assert pod["subdomain"] == option(found, "--service") == SUBMISSION.anchor
    _, service, _ = render_submission(STUDY, placement(nodes=2), NAMESPACE)
    assert service["metadata"]["name"] == names.study_name(STUDY.name, STUDY.plan_digest)
    assert service["spec"]["publishNotReadyAddresses"] is True
    chosen = {**service["spec"]["selector"], labels.ANCHOR: SUBMISSION.anchor}
    assert chosen.items() <= job_of(found)["template"]["metadata"]["labels"].items()


def test_the_service_is_only_there_for_jobs_of_several_nodes() -> None:
    for where in (placement(), placement(nodes=2, jobset=True)):
        assert [each["kind"] for each in render_submission(STUDY, where, NAMESPACE)] == ["ConfigMap", "Job"]


def test_pods_of_a_jobset_find_each_other_by_its_own_service() -> None:
    found = attempt_at(StageKind.TRAIN, placement(nodes=2, jobset=True))
    pod = job_of(found)["template"]["spec"]
    assert option(found, "--service") == found["metadata"]["name"]
    assert "subdomain" not in pod
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"] == {
        "batch.kubernetes.io/job-name": f"{found['metadata']['name']}-node-0"
    }


def test_another_attempt_goes_before_what_waits_in_the_queue() -> None:
    def queue(attempt: StageAttempt, **kueue: str) -> list[str | None]:
        found = attempt_at(StageKind.TRAIN, placement(kueue={"queue": "q", **kueue}), attempt)["metadata"]["labels"]
        return [found.get(f"kueue.x-k8s.io/{name}") for name in ("queue-name", "priority-class")]

    assert queue(FIRST) == ["q", None]
    assert queue(SECOND, priority_class="low") == ["q", "low"]
    assert queue(SECOND, priority_class="low", retry_priority_class="high") == ["q", "high"]
    assert queue(FIRST, priority_class="low", retry_priority_class="high") == ["q", "low"]
    driver = render_submission(STUDY, placement(kueue={"queue": "q"}), NAMESPACE)[-1]
    assert not any(key.startswith("kueue") for key in driver["metadata"]["labels"])


def test_the_driver_stays_off_nodes_that_may_be_taken_away() -> None:
    where = placement(spot={"node_selector": {"capacity": "spot"}}, cpu_pods={"node_selector": {"pool": "a"}})
    driver = job_of(render_submission(STUDY, where, NAMESPACE)[-1])["template"]["spec"]
    prepare = job_of(attempt_at(StageKind.PREPARE, where))["template"]["spec"]
    assert driver["nodeSelector"] == {"pool": "a"}
    assert prepare["nodeSelector"] == {"pool": "a", "capacity": "spot"}


@pytest.mark.parametrize("credentials", [{}, {"file": "aws"}])
def test_secrets_go_by_name(credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    where = placement(credentials={"secret": "store", **credentials})
    found = attempt_at(StageKind.TRAIN, where)
    assert "wJalrXUtnFEMI" not in to_yaml([*render_submission(STUDY, where, NAMESPACE), found])
    pod = job_of(found)["template"]["spec"]
    environment = {each["name"]: each for each in pod["containers"][0]["env"]}
    if credentials:
        assert environment["AWS_SHARED_CREDENTIALS_FILE"]["value"] == "/etc/stilts/credentials"
        assert {"secret": {"name": "store", "items": [{"key": "aws", "path": "credentials"}]}} in pod["volumes"][0][
            "projected"
        ]["sources"]
    else:
        reference = environment["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "store", "key": "AWS_SECRET_ACCESS_KEY"}


def test_proxies_leave_out_the_cluster() -> None:
    where = placement(proxies={"https": "http://proxy:3128", "exclude": (".example.org",)})
    container = job_of(attempt_at(StageKind.TRAIN, where))["template"]["spec"]["containers"][0]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["https_proxy"] == environment["HTTPS_PROXY"] == "http://proxy:3128"
    assert not {"http_proxy", "HTTP_PROXY"} & environment.keys()
    direct = str(environment["NO_PROXY"]).split(",")
    assert environment["no_proxy"] == environment["NO_PROXY"]
    assert {".svc", ".cluster.local", "$(KUBERNETES_SERVICE_HOST)", ".example.org"} <= set(direct)


def test_the_anchor_holds_the_study_and_a_profile_that_pods_can_load(tmp_path: Path) -> None:
    given_placement = Placement.model_validate(
        {
            "store": {
                "uri": "s3://studies/a",
                "s3": {"endpoint": "http://localhost:9000", "ca_bundle": "certificates/mine.pem"},
            },
            "training": {"zero_stage": 2, "ranks": 4},
            "kubernetes": {
                "nodes": 2,
                "store_endpoint": "http://s3.store.svc:9000",
                "ca_bundle": {"config_map": "ca"},
                "user_id": None,
                "pods": {"train": {"cpu": "500m", "memory": "2Gi"}},
            },
        }
    )
    anchor = render_submission(STUDY, given_placement, NAMESPACE)[0]
    assert anchor["data"]["study.yaml"] == STUDY.text
    path = tmp_path / "profile.yaml"
    path.write_text(anchor["data"]["profile.yaml"])
    loaded = load_profile(path).spec
    assert loaded.store.s3.ca_bundle == "/etc/stilts/ca.crt"
    assert loaded.store.s3.endpoint == "http://s3.store.svc:9000"
    assert loaded.kubernetes == given_placement.kubernetes.model_copy(update={"namespace": NAMESPACE})
    assert loaded.training == given_placement.training
    assert attempt_at(StageKind.TRAIN, loaded) == attempt_at(StageKind.TRAIN, given_placement)


def test_nothing_speaks_of_this_machine() -> None:
    text = to_yaml([*render_submission(STUDY, placement(), NAMESPACE), attempt_at(StageKind.TRAIN, placement())])
    assert str(Path.cwd()) not in text
    assert os.uname().nodename not in text


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ({}, "The profile names none."),
        ({"store": {"uri": "/data/store"}}, "/data/store is a folder of this machine."),
        ({"store": {"uri": "s3://a", "s3": {"proxy": "http://me:secret@proxy"}}}, "`store.s3.proxy` holds a name"),
        ({"store": {"uri": "s3://a", "s3": {"endpoint": "http://me:x@s3"}}}, "`store.s3.endpoint` holds a name"),
        ({"store": {"uri": "s3://a", "s3": {"ca_bundle": "ca.pem"}}}, "ca.pem, are a file of this machine"),
        ({"device": "cuda", "store": {"uri": "s3://a"}}, "no pod would have a GPU"),
        (
            {"device": "cpu", "store": {"uri": "s3://a"}, "kubernetes": {"gpus_per_node": 2}},
            "would hold 2 GPUs without using them",
        ),
        (
            {"store": {"uri": "s3://a"}, "training": {"ranks": 3}, "kubernetes": {"nodes": 2}},
            "3 ranks cannot be shared out evenly to 2 nodes.",
        ),
        (
            {"store": {"uri": "s3://a"}, "training": {"ranks": 4}, "kubernetes": {"nodes": 2, "gpus_per_node": 8}},
            "4 ranks cannot be shared out evenly to 2 nodes of 8 GPUs.",
        ),
    ],
)
def test_what_cannot_run_is_not_submitted(where: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        render_submission(STUDY, Placement.model_validate(where), NAMESPACE)
    assert sentence in str(caught.value)
    assert caught.value.hint


def test_a_study_that_is_too_large_is_not_submitted() -> None:
    with pytest.raises(SpecError, match="can be sent to a cluster"):
        render_submission(replace(STUDY, text="#" * 1_000_000), placement(), NAMESPACE)
