"""What the real pods of a study can do and reach, and what they cannot."""

from __future__ import annotations

import json
from collections.abc import Callable

from cluster.kubernetes import Kubernetes, has_condition
from cluster.pods import pod, probe_pod
from cluster.s3 import ClusterS3
from cluster.stand_in_stages import release, said, tell
from cluster.studies import ClusterStudy

Studies = Callable[..., ClusterStudy]
DRIVER, STAGE = "stilts-driver", "stilts-stage"
_FORBIDDEN = (
    ("get", "secrets"),
    ("list", "secrets"),
    ("get", "nodes"),
    ("list", "nodes"),
    ("list", "pods", "--namespace=default"),
    ("create", "jobs.batch", "--namespace=default"),
    ("list", "configmaps", "--all-namespaces"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("create", "serviceaccounts/token"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("impersonate", "serviceaccounts"),
    ("*", "*"),
)


def may(cluster: Kubernetes, account: str, verb: str, what: str, *options: str) -> bool:
    """Whether the API server would let a service account of the namespace do something."""
    who = f"--as=system:serviceaccount:{cluster.namespace}:{account}"
    answer = cluster.kubectl("auth", "can-i", verb, what, who, *options, check=False).strip()
    assert answer in {"yes", "no"}, answer
    return answer == "yes"


def test_what_the_driver_and_the_stages_cannot_do(new_study: Studies) -> None:
    cluster = new_study().cluster
    for account in (DRIVER, STAGE):
        allowed = [question for question in _FORBIDDEN if may(cluster, account, *question)]
        assert allowed == [], account
    assert may(cluster, DRIVER, "create", "jobs.batch")
    assert may(cluster, DRIVER, "watch", "pods")
    assert not may(cluster, STAGE, "create", "jobs.batch")
    assert not may(cluster, STAGE, "get", "pods")


def test_a_stage_reaches_the_store_and_names_alone_and_has_no_token(
    kubernetes: Kubernetes, s3: ClusterS3, new_study: Studies, undisturbed: dict[str, bytes]
) -> None:
    study = new_study()
    study.cluster.apply(pod("stranger", probe_pod("listen", "8000")))
    stranger = study.cluster.wait("pod", "stranger", until=lambda found: has_condition(found, "Ready"))
    tell(study.store, study.stage("prepare-mnli"), ["hold"])
    study.submit()
    study.await_activity("prepare-mnli", "hold")
    (driver,) = study.driver_pods()
    (subset,) = kubernetes.get("endpoints", "kubernetes")["subsets"]
    api = kubernetes.get("service", "kubernetes")["spec"]["clusterIP"]
    store = s3.in_cluster.endpoint.removeprefix("http://")
    refused = {
        "API server": f"{api}:443",
        "API server's own address": f"{subset['addresses'][0]['ip']}:{subset['ports'][0]['port']}",
        "kubelets": f"{stranger['status']['hostIP']}:10250",
        "another pod": f"{stranger['status']['podIP']}:8000",
    }
    metrics = f"{driver['status']['podIP']}:9464"
    tell(study.store, study.stage("mnli"), [f"look={','.join([store, *refused.values(), metrics])}"])
    # the same addresses from a pod that no policy selects
    study.cluster.apply(pod("free", probe_pod("connect", store, *refused.values())))
    release(study.store, study.stage("prepare-mnli"))
    assert study.end() == "done", study.log()
    found = said(study.store, study.stage("mnli"))
    assert found == {"reached": [store], "token": False, "user": 65532, "root_writable": False}
    free = study.cluster.kubectl("logs", "free").splitlines()
    assert [line.split()[0] for line in free] == ["open"] * (1 + len(refused)), json.dumps(free)
    assert study.results() == undisturbed
