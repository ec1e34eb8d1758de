"""The sample study in a small form, through chart, S3 server and driver to its report, as a person would have it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.commands import run, wait_until
from cluster.demo import STUDY, go_through
from cluster.kubernetes import Kubernetes, Object
from cluster.provider import Provider
from cluster.s3 import RESTRICTED
from cluster.trial import RELEASE, STILTS, Helm, Trial, installed, trial_values

pytestmark = pytest.mark.timeout(1800)

SUBMIT_SECONDS, BUSY = 10.0, 2.5
LOCAL = "apiVersion: stilts/v1alpha1\nkind: Profile\nspec: {device: cpu, local: {threads: 1, pretrain_threads: 1}}\n"


@pytest.fixture(scope="module")
def place(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    name = "test-demo"
    kubernetes.kubectl("delete", "namespace", name, "--ignore-not-found")
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    yield kubernetes.within(name)
    kubernetes.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def trial(place: Kubernetes, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("demo")
    helm = Helm(provider.programs["helm"], provider.kubeconfig, place.namespace, folder / "helm")
    with installed(place, helm, folder, trial_values(place.namespace)) as made:
        yield made


@dataclass(frozen=True)
class Finished:
    """The study after it went through.

    Attributes:
        out: what `stilts results` wrote.
        begun: when it was submitted, seconds since the epoch.
        pods: of its stages.
    """

    out: Path
    begun: float
    pods: list[Object]


@pytest.fixture(scope="module")
def finished(trial: Trial) -> Finished:
    out, begun = trial.folder / "out", time.time()
    go_through(trial, STUDY, out)
    return Finished(out, begun, trial.stage_pods())


def test_results_are_those_of_one_machine(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text(LOCAL)
    run(STILTS, "run", STUDY, "--profile", "profile.yaml", "--store", "store", folder=tmp_path, timeout=900)
    here = tmp_path / "results" / "cluster-demo"
    for name in ("results.csv", "summary.csv"):
        assert (finished.out / name).read_bytes() == (here / name).read_bytes(), name
    assert "cluster-demo" in (finished.out / "report.html").read_text(encoding="utf-8")


def test_the_first_stage_runs_soon_after_submission(finished: Finished) -> None:
    seconds = _say_how_soon(min(map(_running_since, finished.pods)), finished.begun)
    assert seconds < BUSY * SUBMIT_SECONDS  # one machine is the whole cluster, and may do other things besides


def test_doctor_finds_nothing_wrong_with_it(trial: Trial) -> None:
    done = trial.stilts("doctor", "--cluster", "--profile", "profile.yaml", check=False)
    assert done.status == 0, done.out + done.err
    wait_until(lambda: _left(trial.kubernetes, "--selector=stilts/study=check") == [], "its pods are gone", 60)


def test_logs_and_status_of_a_study_that_went_through(trial: Trial, finished: Finished) -> None:
    options = (STUDY, "--profile", "profile.yaml")
    said = trial.stilts("logs", STUDY, "pretrain", "-f", "--profile", "profile.yaml").out
    assert "committed: 6 files" in said, said
    assert "evaluate" in trial.stilts("logs", STUDY, "driver", "--profile", "profile.yaml").out
    status = trial.stilts("status", *options)
    assert "20 of 20 stages done" in status.out, status.out


def test_cancelling_leaves_nothing_of_a_running_study(trial: Trial) -> None:
    study = trial.folder / "endless.yaml"
    study.write_text(endless("cancelled"), encoding="utf-8")
    options = (study, "--profile", "profile.yaml")
    before = time.time()
    trial.stilts("submit", *options)
    _await_a_running_stage(trial.kubernetes, "cancelled")
    _say_how_soon(min(map(_running_since, _stage_pods(trial.kubernetes, "cancelled"))), before)
    trial.stilts("cancel", *options)
    assert _left(trial.kubernetes, "--selector=stilts/study=cancelled") == []


def test_cancelling_takes_away_what_a_finished_study_left(trial: Trial, finished: Finished) -> None:
    assert len(trial.stage_pods()) == len(finished.pods)  # Jobs are kept to be looked at
    trial.stilts("cancel", STUDY, "--profile", "profile.yaml")
    assert _left(trial.kubernetes, "--selector=app.kubernetes.io/component in (submission,driver,stage)") == []


def test_uninstalling_leaves_nothing_of_a_running_study(
    namespace: Kubernetes, provider: Provider, tmp_path: Path
) -> None:
    study = tmp_path / "endless.yaml"
    study.write_text(endless("uninstalled"), encoding="utf-8")
    helm = Helm(provider.programs["helm"], provider.kubeconfig, namespace.namespace, tmp_path / "helm")
    helm.install(trial_values(namespace.namespace), "--set-file", f"study={study}")
    _await_a_running_stage(namespace, "uninstalled")
    helm("uninstall", RELEASE, "--wait", "--timeout", "120s")
    wait_until(lambda: _left(namespace) == [], "nothing is left of the release", 60)


def endless(name: str) -> str:
    """The demonstration's study under another name, with a pretraining that goes on and on."""
    study: dict[str, Any] = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    study["metadata"]["name"] = name
    study["spec"]["encoders"][0]["pretrain"]["steps"] = 1_000_000
    return yaml.safe_dump(study, sort_keys=False)


def _say_how_soon(running: float, begun: float) -> float:
    """From submission to the first container; Kubernetes tells whole seconds, rounded down."""
    seconds = running + 1 - begun
    sys.stdout.write(f"\nfrom `stilts submit` to the first stage's container: at most {seconds:.1f} s\n")
    return seconds


def _await_a_running_stage(kubernetes: Kubernetes, study: str) -> None:
    kubernetes.wait(
        *("pods", _of_stages(study)),
        until=lambda found: any(pod["status"]["phase"] == "Running" for pod in found["items"]),
        seconds=180,
    )


def _stage_pods(kubernetes: Kubernetes, study: str) -> list[Object]:
    return list(kubernetes.get("pods", _of_stages(study))["items"])


def _of_stages(study: str) -> str:
    return f"--selector=app.kubernetes.io/component=stage,stilts/study={study}"


def _left(kubernetes: Kubernetes, *selector: str) -> list[str]:
    found = kubernetes.kubectl("get", "pods,jobs,services,configmaps", *selector, "--output=name").split()
    return [name for name in found if name != "configmap/kube-root-ca.crt"]


def _running_since(pod: Object) -> float:
    (container,) = pod["status"]["containerStatuses"]
    (state,) = container["state"].values()
    return datetime.fromisoformat(state["startedAt"]).timestamp()
