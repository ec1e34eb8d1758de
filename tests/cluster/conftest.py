"""What tests on a cluster share. `make cluster-up` has brought it up; a fixture never does."""

from __future__ import annotations

import fcntl
import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helm import template

from cluster.kubernetes import Kubernetes
from cluster.machine.images import program_archive
from cluster.machine.jobset import NAMESPACE as JOBSET_NAMESPACE
from cluster.machine.jobset import install_jobset, wait_for_jobset
from cluster.machine.pins import JOBSET
from cluster.machine.places import Places
from cluster.provider import NotHereError, Provider, choose_provider
from cluster.s3 import NAMESPACE, PORT, RESTRICTED, ClusterS3
from cluster.stand_ins import light_reference, run_here, stand_in_image, training_reference
from cluster.studies import SMALL, ClusterStudy, placement_values, put_inputs, secret

Studies = Callable[..., ClusterStudy]

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
    cache = Places.of_environment().cache
    with (cache / "jobset.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that run beside each other would install it twice
        if not there.kubectl("get", "deployment", "--selector=control-plane=controller-manager", "--output=name"):
            provider.load([program_archive(JOBSET, cache, _quiet)])
            install_jobset(there.kubectl, provider.programs["kubectl"])
        wait_for_jobset(there.kubectl)


@pytest.fixture
def namespace(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    """kubectl in a namespace of the test's own, which enforces the restricted pod security standard."""
    with _own_namespace(kubernetes) as made:
        yield made


@contextmanager
def _own_namespace(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    name = f"test-{os.getpid()}-{next(_numbers)}"
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    kubernetes.within(name).wait("serviceaccounts", until=lambda found: bool(found["items"]))
    yield kubernetes.within(name)
    kubernetes.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def credentials(s3: ClusterS3) -> Iterator[None]:
    """The store's credentials in the environment, for what runs on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.server.environment.items():
            if name != "AWS_ENDPOINT_URL":
                patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def images(provider: Provider) -> dict[str, str]:
    """The image of the driver as it ships, and the same with stand-in stages for the pods of stages."""
    archive = stand_in_image(Places.of_environment().archives)
    provider.load([archive.path])
    return {"light": light_reference(), "training": archive.reference}


@pytest.fixture(scope="session")
def training_image() -> str:
    """The name of the image of real stages; the nodes have it from their start."""
    return training_reference()


@pytest.fixture
def new_study(namespace: Kubernetes, make_study: Callable[..., ClusterStudy], tmp_path: Path) -> Studies:
    """Makes a study in the test's namespace; see `make_study`."""
    return partial(make_study, namespace, tmp_path)


@pytest.fixture(scope="module")
def new_study_of_module(
    kubernetes: Kubernetes, make_study: Callable[..., ClusterStudy], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Studies]:
    """Makes a study, in a namespace of its own, that several tests look at."""
    with ExitStack() as namespaces:

        def make(**settings: Any) -> ClusterStudy:
            namespace = namespaces.enter_context(_own_namespace(kubernetes))
            return make_study(namespace, tmp_path_factory.mktemp("study"), **settings)

        yield make


@pytest.fixture(scope="session")
def make_study(s3: ClusterS3, credentials: None, images: dict[str, str]) -> Callable[..., ClusterStudy]:
    """Makes a study of stand-in stages, with the chart's accounts, rights and network policies around it.

    Call it with the namespace, a folder, further settings of ``kubernetes``, and with ``retries`` (none of either kind
    without them), ``training`` (the image of the stages), ``ranks`` (the profile's ``training``) and ``endpoint`` (the
    store's for pods; it has to be an address).
    """
    put_inputs(s3)

    def make(
        namespace: Kubernetes,
        folder: Path,
        *,
        text: str = SMALL,
        retries: dict[str, int] | None = None,
        training: str = "",
        device: str = "cpu",
        ranks: dict[str, int] | None = None,
        endpoint: str = "",
        **kubernetes: Any,
    ) -> ClusterStudy:
        used = images | ({"training": training} if training else {})
        values = placement_values(s3, f"{namespace.namespace}-{secrets.token_hex(4)}", used, **kubernetes)
        values |= {"retries": {"application": 0, "infrastructure": 0} | (retries or {}), "device": device}
        values["training"] = ranks or {}
        places = [{"namespace": NAMESPACE, "pods": {"app": "s3"}, "ports": [PORT]}]
        if endpoint:
            values["store"]["s3"]["endpoint"], places = endpoint, []  # the chart takes the place from the address
        around = {"profile": values, "network": {"store": places}, "test": {"enabled": False}}
        namespace.apply(secret(s3), *template(around, namespace=namespace.namespace))
        return ClusterStudy(namespace, values, s3.server.endpoint, text, folder)

    return make


@pytest.fixture(scope="session")
def undisturbed(
    s3: ClusterS3, credentials: None, tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes
) -> dict[str, bytes]:
    """The results of ``SMALL`` on this machine, where nothing happens to it."""
    put_inputs(s3)
    values = placement_values(s3, "undisturbed", {})
    folder = tmp_path_factory.mktemp("undisturbed")
    return run_here(ClusterStudy(kubernetes, values, s3.server.endpoint, SMALL, folder), folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """A test that the given cluster cannot serve says so instead of failing."""
    try:
        return (yield)
    except NotHereError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """The same, of what the test itself does."""
    try:
        return (yield)
    except NotHereError as error:
        pytest.skip(str(error))
