"""The sample study in a small form through a cluster, from its file to its report: ``python -m cluster.demo``.

The chart with its S3 server, `stilts submit`, `stilts status --watch`, `stilts results`; `test_demo` goes the same way.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cluster.commands import ClusterError
from cluster.kubernetes import Kubernetes
from cluster.provider import Provider, choose_provider
from cluster.s3 import RESTRICTED
from cluster.trial import RELEASE, ROOT, Helm, Trial, images, installed, trial_values

STUDY = ROOT / "jobs" / "cluster-demo.yaml"
NAMESPACE = "stilts-demo"


def go_through(trial: Trial, study: Path, out: Path) -> None:
    """A study from its file to its results on this machine.

    Raises:
        ClusterError: a command failed.
    """
    options = (study, "--profile", "profile.yaml")
    trial.show("submit", *options)
    trial.show("status", *options, "--watch")
    trial.show("results", *options, "--out", out)


def main() -> int:
    """Run the demonstration; the exit status of the process."""
    arguments = _parser().parse_args()
    begun = time.monotonic()
    try:
        provider = choose_provider(_say)
        if not provider.kubeconfig.is_file():
            raise ClusterError("there is no test cluster: make cluster-up")
        kubernetes = Kubernetes(provider.programs["kubectl"], provider.kubeconfig, arguments.namespace)
        _demonstrate(provider, kubernetes, arguments.study.absolute(), arguments.out.absolute())
    except ClusterError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    _say(f"{arguments.out / 'report.html'} after {time.monotonic() - begun:.0f} s")
    _say(f"To take it away: kubectl delete namespace {arguments.namespace}")
    return 0


def _demonstrate(provider: Provider, kubernetes: Kubernetes, study: Path, out: Path) -> None:
    named = {"name": kubernetes.namespace, "labels": RESTRICTED}
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": named})
    folder = ROOT / "build" / "demo"
    helm = Helm(provider.programs["helm"], provider.kubeconfig, kubernetes.namespace, folder / "helm")
    _say(f"$ helm upgrade --install {RELEASE} charts/stilts --namespace {kubernetes.namespace} --set s3.enabled=true …")
    _say(f"images: {', '.join(image['name'] for image in images().values())}")
    with installed(kubernetes, helm, folder, trial_values(kubernetes.namespace)) as trial:
        go_through(trial, study, out)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster.demo", description="A study through a cluster, to its report.")
    parser.add_argument("--study", type=Path, default=STUDY)
    parser.add_argument("--namespace", default=NAMESPACE)
    parser.add_argument("--out", type=Path, default=Path("results") / "cluster-demo")
    return parser


if __name__ == "__main__":
    sys.exit(main())
