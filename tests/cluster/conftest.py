"""What tests on a cluster share. `make cluster-up` has brought it up; a fixture never does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from cluster.kubernetes import Kubernetes
from cluster.machine.images import program_archive
from cluster.machine.jobset import NAMESPACE as JOBSET_NAMESPACE
from cluster.machine.jobset import install_jobset, wait_for_jobset
from cluster.machine.pins import JOBSET
from cluster.machine.places import Places
from cluster.provider import NotHereError, Provider, choose_provider
from cluster.s3 import RESTRICTED, ClusterS3

_numbers = itertools.count()


def _quiet(text: str) -> None:
    """pytest shows what a test says only if it fails; nothing here is worth more."""


@pytest.fixture(scope="session")
def provider() -> Provider:
    """The cluster from outside: its nodes, their cables and their power, images, kubeconfig, kubectl and helm."""
    chosen = choose_provider(_quiet)
    if not chosen.kubeconfig.is_file():
        pytest.fail("there is no test cluster: make cluster-up", pytrace=False)
    return chosen


@pytest.fixture(scope="session")
def kubernetes(provider: Provider) -> Kubernetes:
    """The cluster through kubectl, in the namespace ``default``."""
    return Kubernetes(provider.programs["kubectl"], provider.kubeconfig)


@pytest.fixture(scope="session")
def s3(kubernetes: Kubernetes) -> ClusterS3:
    """The S3 server in the cluster."""
    return ClusterS3(kubernetes)


@pytest.fixture(scope="session")
def jobset(provider: Provider, kubernetes: Kubernetes) -> None:
    """The JobSet controller in the cluster."""
    there = kubernetes.within(JOBSET_NAMESPACE)
    if not there.kubectl("get", "deployment", "--selector=control-plane=controller-manager", "--output=name"):
        cache = Places.of_environment().cache
        provider.load([program_archive(JOBSET, cache, _quiet)])
        install_jobset(there.kubectl, provider.programs["kubectl"])
    wait_for_jobset(there.kubectl)


@pytest.fixture
def namespace(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    """kubectl in a namespace of the test's own, which enforces the restricted pod security standard."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    kubernetes.within(name).wait("serviceaccounts", until=lambda found: bool(found["items"]))
    yield kubernetes.within(name)
    kubernetes.kubectl("delete", "namespace", name, "--wait=false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """A test that the given cluster cannot serve says so instead of failing."""
    try:
        return (yield)
    except NotHereError as error:
        pytest.skip(str(error))
