"""`submit`, `render`, `cancel`, `retry`, `status` and `logs` of a study in a cluster of which only HTTP is real."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine" / "kubernetes")]

from cli_fakes import fake_plan, install  # noqa: E402
from cluster_play import Play  # noqa: E402
from fake_api import FakeApi, Object, serving, status  # noqa: E402

from stilts_core.cli.main import main  # noqa: E402
from stilts_core.engine.kubernetes.anchor_notes import Outcome, forgiven, outcome_patch, read_outcome  # noqa: E402
from stilts_core.engine.kubernetes.client import Cluster  # noqa: E402
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS  # noqa: E402
from stilts_core.engine.kubernetes.labels import study_labels  # noqa: E402
from stilts_core.storage.open import open_store  # noqa: E402

PLAN = fake_plan("")
TOP = PLAN.stages[0].fingerprint
STUDY = """apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: fake}
spec: {encoders: [ENCODER], curricula: [baseline], targets: [xnli], data: {root: "s3://corpora/x"}}
"""
PROFILE = """apiVersion: stilts/v1alpha1
kind: Profile
spec: {store: {uri: "s3://studies/team"}, kubernetes: {namespace: lab, nodes: 2}}
"""
Stilts = Callable[..., int]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with serving() as api:
        api.collects = True
        monkeypatch.setattr(Cluster, "connect", lambda **_: api.cluster())
        monkeypatch.setattr("stilts_core.engine.kubernetes.cancelling._PAUSE_SECONDS", 0.01)
        monkeypatch.setattr("stilts_core.engine.kubernetes.submitting._PAUSE_SECONDS", 0.01)
        yield api


@pytest.fixture
def stilts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stilts:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "study.yaml").write_text(STUDY.replace("ENCODER", "xlm-roberta-base"))
    (tmp_path / "profile.yaml").write_text(PROFILE)

    def run(verb: str, *more: str, program: str = "stilts") -> int:
        install("", monkeypatch.setattr)
        return main([verb, "study.yaml", *more, "--profile", "profile.yaml"], program=program)

    return run


def anchor(api: FakeApi) -> Object:
    (found,) = api.objects["configmaps"].values()
    return found


def driver_job(api: FakeApi) -> Object:
    (found,) = (job for name, job in api.objects["jobs"].items() if name.endswith("-driver"))
    return found


def end_driver(api: FakeApi, outcome: Outcome, counts: str) -> None:
    """What a driver does at its end, and its Job's controller."""
    api.cluster().patch(CONFIG_MAPS, anchor(api)["metadata"]["name"], outcome_patch(outcome, counts))
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-05-04T12:10:00Z"}
    api.put("jobs", {**driver_job(api), "status": {"conditions": [ended]}})


def driver_pod(api: FakeApi, phase: str, state: Object) -> None:
    job = driver_job(api)
    containers = [{"name": "driver", "image": "stilts:1", "state": state}]
    owner = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    api.put(
        "pods",
        {
            "metadata": {"name": "driver-pod", "labels": job["metadata"]["labels"], "ownerReferences": [owner]},
            "spec": {"nodeName": "node-a", "containers": [{"name": "driver"}]},
            "status": {"phase": phase, "containerStatuses": containers},
        },
    )


def without_server_fields(found: Object) -> Object:
    ours = {k: v for k, v in found["metadata"].items() if k not in ("uid", "creationTimestamp", "resourceVersion")}
    return {**found, "metadata": ours}


def test_a_study_is_submitted_once_whatever_is_said_again(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    out = capsys.readouterr().out
    name = anchor(api)["metadata"]["name"]
    assert f"ConfigMap {name}  created" in out
    assert f"Service   {name}  created" in out
    assert f"Job       {name}-driver  created" in out
    assert out.splitlines()[-3:] == [
        "  stilts status study.yaml --watch --profile profile.yaml",
        "  stilts results study.yaml --profile profile.yaml",
        "  stilts cancel study.yaml --profile profile.yaml",
    ]
    before = api.version
    assert stilts("submit") == 0
    assert "It is running already; nothing was changed." in capsys.readouterr().out
    assert api.version == before


def test_what_is_rendered_is_what_is_submitted(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("render") == 0
    rendered = list(yaml.safe_load_all(capsys.readouterr().out))
    assert not api.requests
    assert stilts("submit") == 0
    made = [anchor(api), *api.objects["services"].values(), *api.objects["jobs"].values()]
    assert [without_server_fields(each) for each in made] == rendered


def test_a_dry_run_makes_nothing(api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]) -> None:
    assert stilts("submit", "--dry-run") == 0
    assert "nothing was made" in capsys.readouterr().out
    assert not any(api.objects.values())
    assert all("dryRun=All" in path for verb, path in api.requests if verb != "GET")


def test_a_study_that_has_ended_goes_on_with_a_new_driver(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    first = driver_job(api)["metadata"]["uid"]
    end_driver(api, Outcome.FAILED, "4 of 5 stages done, 1 failed")
    capsys.readouterr()
    assert stilts("submit") == 0
    assert "made anew" in capsys.readouterr().out
    assert driver_job(api)["metadata"]["uid"] != first
    assert len(api.objects["configmaps"]) == 1


def test_another_profile_does_not_get_under_a_running_driver(
    api: FakeApi, stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    before = api.version
    (tmp_path / "profile.yaml").write_text(PROFILE.replace("nodes: 2", "nodes: 4"))
    assert stilts("submit") == 1
    assert "with another profile or another text" in capsys.readouterr().err
    assert api.version == before


def test_a_study_that_is_being_cancelled_is_not_submitted(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    found = anchor(api)
    api.put("configmaps", {**found, "metadata": {**found["metadata"], "deletionTimestamp": "2026-05-04T12:10:00Z"}})
    assert stilts("submit") == 1
    assert "is being cancelled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "encoder", "sentence"),
    [
        (["--data", "data"], "xlm-roberta-base", "The data lie in data, a folder of this machine"),
        (["--store", "here"], "xlm-roberta-base", "here is a folder of this machine"),
        ([], "{name: own, source: /models/own}", "The encoder own lies in /models/own, a folder of this machine"),
    ],
)
def test_folders_are_refused_with_what_to_do(
    more: list[str],
    encoder: str,
    sentence: str,
    api: FakeApi,
    stilts: Stilts,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("ENCODER", encoder))
    assert stilts("submit", *more) == 64
    said = capsys.readouterr().err
    assert sentence in said
    assert "s3://" in said.splitlines()[1]
    assert not any(api.objects.values())


@pytest.mark.parametrize(
    ("code", "reason", "message", "sentence"),
    [
        (401, "Unauthorized", "Unauthorized", "does not accept the credentials"),
        (404, "NotFound", 'namespaces "lab" not found', "there is no such namespace"),
        (
            403,
            "Forbidden",
            'configmaps is forbidden: User "ann" cannot patch resource "configmaps" in API group "" in the namespace',
            "ann has no right to it",
        ),
    ],
)
def test_a_cluster_that_refuses_is_a_sentence(
    code: int,
    reason: str,
    message: str,
    sentence: str,
    api: FakeApi,
    stilts: Stilts,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.refuse = lambda method, path: (code, status(code, reason, message)) if method != "GET" else None
    assert stilts("submit") == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert "lab" in said
    assert "Traceback" not in said


def test_cancelling_leaves_nothing_and_says_what_is_kept(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    driver_pod(api, "Running", {"running": {"startedAt": "2026-05-04T12:00:00Z"}})
    api.put("jobs", {"metadata": {"name": "other", "labels": study_labels("stage", "other", "other", "ab")}})
    capsys.readouterr()
    assert stilts("cancel") == 0
    out = capsys.readouterr().out
    assert "Kept: what has committed, in s3://studies/team." in out
    assert "To go on: stilts submit study.yaml --profile profile.yaml" in out
    assert {name: list(found) for name, found in api.objects.items() if found} == {"jobs": ["other"]}
    assert stilts("cancel") == 66
    assert "was not submitted there, or was cancelled" in capsys.readouterr().err


def test_cancelling_says_what_stays(
    api: FakeApi, stilts: Stilts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    driver_pod(api, "Running", {"running": {"startedAt": "2026-05-04T12:00:00Z"}})
    api.collects = False
    monkeypatch.setattr("stilts_core.engine.kubernetes.cancelling._patience", lambda submitted: 0.0)
    assert stilts("cancel") == 1
    said = capsys.readouterr().err
    assert "1 pod" in said
    assert "node-a" in said


def test_a_single_submission_is_cancelled_though_the_study_has_changed(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit") == 0
    found = anchor(api)
    api.remove("configmaps", found["metadata"]["name"])
    older = {**found, "metadata": {**found["metadata"], "name": "fake-older"}}
    older["metadata"]["annotations"] = {**found["metadata"]["annotations"], "stilts/plan-digest": "ab" * 32}
    api.put("configmaps", older)
    assert stilts("status", "--store", "store") == 0
    assert "with another plan than the file has now: fake-older" in capsys.readouterr().err
    assert stilts("cancel") == 0
    assert not api.objects["configmaps"]


def test_status_says_why_everything_waits(api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]) -> None:
    assert stilts("submit") == 0
    capsys.readouterr()
    assert stilts("status", "--store", "store") == 0
    assert "driver: queued for " in capsys.readouterr().out
    message = 'Back-off pulling image "stilts:1": not found'
    driver_pod(api, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": message}})
    assert stilts("status", "--store", "store") == 0
    said = capsys.readouterr()
    assert "the image stilts:1 cannot be pulled" in said.out
    assert "the driver is not at work" in said.out
    assert "Name images that the nodes can pull" in said.err
    assert stilts("status", "--store", "store", "--no-cluster") == 0
    assert "driver" not in capsys.readouterr().out


def test_status_without_a_cluster_falls_back_to_the_store_and_says_so(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    api.refuse = lambda method, path: (403, status(403, "Forbidden", "no"))
    assert stilts("status", "--store", "store") == 0
    said = capsys.readouterr()
    assert "0 of 5 stages done" in said.out
    assert "The cluster could not be asked" in said.err
    assert stilts("status", "--store", "store", "--cluster") == 1
    assert "error: Could not list configmaps" in capsys.readouterr().err


@pytest.fixture
def failed(api: FakeApi, stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Play:
    """A submitted study whose first stage has failed, so that the others are blocked."""
    assert stilts("submit") == 0
    play = Play(api, open_store(str(tmp_path / "store")), tmp_path / "work", submission=anchor(api)["metadata"]["uid"])
    play.deed = lambda fingerprint, number: 65
    with play:
        drive(api, tmp_path)
    end_driver(api, Outcome.FAILED, "0 of 5 stages done, 1 failed, 4 blocked")
    capsys.readouterr()
    return play


def drive(api: FakeApi, tmp_path: Path) -> int:
    arguments = ["--anchor", anchor(api)["metadata"]["name"], "--store", "store", "--profile", "profile.yaml"]
    return main(["drive", "study.yaml", "--metrics-port", "0", *arguments])


@pytest.mark.parametrize("kept", [True, False])
def test_a_failure_is_seen_retried_and_done(
    kept: bool, failed: Play, api: FakeApi, stilts: Stilts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("status", "--store", "store") == 1
    said = capsys.readouterr()
    out = said.out
    assert "stilts retry study.yaml --store store --profile profile.yaml" in said.err
    assert "fake: 0 of 5 stages done, 1 failed, 4 blocked" in out
    assert "driver: failed" in out
    assert "It ended with 65." in out
    assert stilts("retry", "last", "--store", "store") == 64
    assert "it is blocked by prepare top" in capsys.readouterr().err
    before = driver_job(api)["metadata"]["uid"]
    assert stilts("retry", "--store", "store") == 0
    assert "prepare top: tried again, with fresh budgets" in capsys.readouterr().out
    assert forgiven(anchor(api), [TOP]) == {TOP: 1}
    assert read_outcome(anchor(api)) is None
    assert driver_job(api)["metadata"]["uid"] != before
    assert stilts("status", "--store", "store") == 0
    assert "0 of 5 stages done, 1 queued, 4 waiting" in capsys.readouterr().out
    if not kept:  # the failed Job has been there for as long as the profile says
        (name,) = (name for name in api.objects["jobs"] if not name.endswith("-driver"))
        api.remove("jobs", name)
        api.remove("pods", f"{name}-0-x")
    failed.deed = lambda fingerprint, number: 65 if (fingerprint, number) == (TOP, 1) else 0
    failed.over = False
    with failed:
        assert drive(api, tmp_path) == 0
    assert (TOP, 2) in failed.made
    assert read_outcome(anchor(api)) == (Outcome.DONE, "5 of 5 stages done")
    end_driver(api, Outcome.DONE, "5 of 5 stages done")
    capsys.readouterr()
    assert stilts("status", "--store", "store", "--watch") == 0
    assert stilts("retry", "--store", "store") == 64
    assert "No stage has failed" in capsys.readouterr().err


def test_logs_come_from_the_pod_while_it_runs_and_then_from_the_store(
    failed: Play, api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = (job for name, job in api.objects["jobs"].items() if not name.endswith("-driver"))
    pod = api.objects["pods"][f"{job['metadata']['name']}-0-x"]
    running = [{"name": "stage", "state": {"running": {"startedAt": "2026-05-04T12:00:00Z"}}}]
    pod = {**pod, "spec": {"containers": [{"name": "stage"}]}, "status": {"containerStatuses": running}}
    api.put("pods", pod)
    assert stilts("logs", "top", "--store", "store", "--follow") == 0
    said = capsys.readouterr()
    assert said.out == "printed\n"
    assert pod["metadata"]["name"] in said.err
    api.remove("pods", pod["metadata"]["name"])
    assert stilts("logs", "top", "--store", "store", "--follow") == 0
    assert "attempt 001-" in capsys.readouterr().err
    assert stilts("logs", "driver", "--store", "store") == 66
    assert "The driver has no pod now" in capsys.readouterr().err


def test_as_a_plugin_it_says_what_it_is_called(
    api: FakeApi, stilts: Stilts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stilts("submit", program="kubectl stilts") == 0
    assert "\n  kubectl stilts status study.yaml --watch --profile profile.yaml\n" in capsys.readouterr().out
    assert stilts("submit", "--what", program="kubectl stilts") == 64
    assert "Usage: kubectl stilts submit [OPTIONS] STUDY" in capsys.readouterr().err
    assert main(["submit", "--help"], program="kubectl stilts") == 0
    assert "Example: kubectl stilts submit" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["submit", "cancel", "retry"])
def test_without_the_package_it_says_what_to_install(
    verb: str, stilts: Stilts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert stilts(verb, "--store", "s3://studies/team" if verb != "retry" else "store") == 1
    assert "pip install 'stilts[kubernetes]'" in capsys.readouterr().err


def test_a_context_that_is_not_there_names_those_that_are(
    stilts: Stilts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "mine"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    assert stilts("submit", "--context", "there") == 1
    assert capsys.readouterr().err == 'error: The kubeconfig has no context "there".\n  It has: here.\n'
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "nowhere"))
    assert stilts("submit") == 1
    assert "there is no kubeconfig" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_a_sentence(
    stilts: Stilts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as api:
        cluster = api.cluster()
    monkeypatch.setattr(Cluster, "connect", lambda **_: cluster)
    assert stilts("submit") == 1
    said = capsys.readouterr().err
    assert f"the API server {cluster.url} does not answer" in said
    assert "Check the kubeconfig, the network and the cluster." in said


def test_both_programs_are_installed() -> None:
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    for name, place in project["scripts"].items():
        module, function = place.split(":")
        assert callable(getattr(import_module(module), function)), name
    assert {"stilts", "kubectl-stilts"} <= project["scripts"].keys()
