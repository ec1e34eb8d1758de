"""Real trainings on two nodes that lose a pod or a node: they end as those that were left alone, to the last bit.

To be run alone: a node is lost, and what is held back must not depend on who else computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.commands import wait_until
from cluster.gate import Gate, gate
from cluster.kubernetes import Kubernetes, Object, has_condition
from cluster.losable import losable
from cluster.provider import Provider
from cluster.s3 import ClusterS3
from cluster.studies import ClusterStudy, evict
from cluster.trainings import (
    NODES,
    SETTINGS,
    Saved,
    again_at_work,
    bits,
    child,
    claims,
    flip_byte,
    manifest_of,
    pod_of,
    put_data,
    take_over,
    trainings,
    went_on_after,
)
from stilts_core.errors import Budget
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.generations import read_head
from stilts_core.storage.manifest import attempt_prefix

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]

Studies = Callable[..., ClusterStudy]
TRAINING, UPLOAD = "training", "upload"
MOMENTS = (TRAINING, UPLOAD)
NUMBERS = {"deleted": 1, "evicted": 2, "cut-off": 2}
"""An interruption → the number of the attempt that commits: a pod that somebody deletes comes back to the same one."""


@dataclass(frozen=True)
class Interrupted:
    """A study whose first training was interrupted while it trained, and whose second one during an upload.

    Attributes:
        saved: by the moment, what there was of the training's resume state when it was interrupted.
    """

    study: ClusterStudy
    saved: dict[str, Saved]

    def training(self, moment: str) -> str:
        """The fingerprint of the training that was interrupted then."""
        return trainings(self.study)[MOMENTS.index(moment)]


@pytest.fixture(scope="module")
def left_alone(new_study_of_module: Studies, training_image: str) -> ClusterStudy:
    """The study, done, where nothing has happened to it."""
    study = new_study_of_module(training=training_image, **SETTINGS)
    put_data(study)
    study.submit()
    assert study.end(600) == "done", study.log()
    return study


@pytest.fixture(scope="module")
def interrupted(
    request: pytest.FixtureRequest,
    provider: Provider,
    kubernetes: Kubernetes,
    s3: ClusterS3,
    new_study_of_module: Studies,
    left_alone: ClusterStudy,
    training_image: str,
) -> Iterator[Interrupted]:
    """The study, done, interrupted in the way of the parameter."""

    def begin(**more: Any) -> ClusterStudy:
        study = new_study_of_module(training=training_image, endpoint=before.endpoint, **{**SETTINGS, **more})
        again = trainings(study)
        take_over(study, left_alone, [*again, *(child(study, each).fingerprint for each in again)])
        study.submit()
        return study

    with gate(s3.server) as before:
        if request.param == "cut-off":
            yield _cut_off(begin, before, provider, kubernetes)
        else:
            yield _taken_away(begin(), before, evict if request.param == "evicted" else _delete)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("interrupted", NUMBERS, indirect=True)
def test_a_training_that_is_interrupted_ends_as_one_that_is_not(
    interrupted: Interrupted, moment: str, left_alone: ClusterStudy, request: pytest.FixtureRequest
) -> None:
    study, saved = interrupted.study, interrupted.saved[moment]
    training = interrupted.training(moment)
    number = NUMBERS[request.node.callspec.params["interrupted"]]
    assert bits(study, training) == bits(left_alone, training)
    assert study.results() == left_alone.results()
    assert manifest_of(study, training).attempt.number == number
    assert claims(study, training) == 2
    assert [end[2] for end in study.ends_of(training)] == [Budget.INFRASTRUCTURE]
    if moment == UPLOAD:
        assert any(name.endswith("/rank-00000.safetensors") for name in saved.parts)
        assert went_on_after(study, training) == saved.whole  # not from what had only arrived in part
    else:
        assert saved.parts == ()
        assert went_on_after(study, training) >= saved.whole


def test_a_committed_file_that_is_damaged_is_made_again(
    s3: ClusterS3, new_study: Studies, left_alone: ClusterStudy, training_image: str
) -> None:
    study = new_study(training=training_image, **SETTINGS)
    training, _ = trainings(study)
    evaluation = child(study, training).fingerprint
    take_over(study, left_alone, [evaluation])
    committed = manifest_of(study, training)
    name = max(committed.files, key=lambda each: committed.files[each].size)
    flip_byte(s3.server, study, attempt_prefix(training, committed.attempt) + name)
    study.submit()
    assert study.end(600) == "done", study.log()
    assert [end[1:] for end in study.ends_of(evaluation)] == [(72, Budget.INFRASTRUCTURE)]
    head = read_head(study.store, training)
    assert [list(each.found) for each in head.withdrawn] == [[name]]
    assert manifest_of(study, training).run["repair"]["differs"] == []
    assert bits(study, training) == bits(left_alone, training)
    assert study.results() == left_alone.results()


def _taken_away(study: ClusterStudy, before: Gate, take: Callable[[Kubernetes, Object], None]) -> Interrupted:
    """A pod of each training is taken away: the one that saves, and the one whose upload is held."""
    training, upload = trainings(study)
    saved = {UPLOAD: _await_upload(study, upload, before)}
    take(study.cluster, pod_of(study, upload, NODES - 1))
    saved[TRAINING] = _await_training(study, training)
    take(study.cluster, pod_of(study, training, 0))
    _await_another_at_work(study, upload)
    before.open()  # what comes late belongs to a state that nobody makes whole
    assert study.end(600) == "done", study.log()
    return Interrupted(study, saved)


def _cut_off(
    begin: Callable[..., ClusterStudy], before: Gate, provider: Provider, kubernetes: Kubernetes
) -> Interrupted:
    """A node is cut off on which both trainings have a pod; it comes back while others do its work."""
    with losable(kubernetes) as nodes, _gpus(provider, (nodes.kept, *nodes.others)):
        study = begin(device="auto", **nodes.settings)
        training, upload = trainings(study)
        saved = {UPLOAD: _await_upload(study, upload, before), TRAINING: _await_training(study, training)}
        lost = pod_of(study, upload, NODES - 1)
        node = lost["spec"]["nodeName"]
        provider.cut(node)
        try:
            nodes.take_kept_too()
            for each in (training, upload):
                _await_another_at_work(study, each)
            before.open()
        finally:
            provider.restore(node)
        kubernetes.wait("node", node, until=lambda found: has_condition(found, "Ready"), seconds=60)
        assert study.end(600) == "done", study.log()
        wait_until(lambda: not _is_there(study, upload, lost), "the end of the lost pod", 60)
    return Interrupted(study, saved)


@contextmanager
def _gpus(provider: Provider, nodes: Sequence[str]) -> Iterator[None]:
    """A second pretended GPU in each node, so that two trainings can be on the same ones."""
    for node in nodes:
        provider.pretend_gpus(node, 2)
    try:
        yield
    finally:
        for node in nodes:
            provider.pretend_gpus(node, 1)


def _await_upload(study: ClusterStudy, training: str, before: Gate) -> Saved:
    """Wait until one state is whole, and of the next one a rank's share is in the store, the other's on its way."""
    wait_until(lambda: Saved.of(study, training).whole > 0, "the first state", 300)
    before.shut(f"/{training}/resume/", f"/rank-{NODES - 1:05d}.safetensors")
    wait_until(
        lambda: bool(before.held()) and bool(Saved.of(study, training).parts), "an upload of the next state", 120
    )
    return _unfinished(study, training)


def _await_training(study: ClusterStudy, training: str) -> Saved:
    """Wait until a state is whole and none is on its way."""

    def holds() -> bool:
        saved = Saved.of(study, training)
        return saved.whole > 0 and not saved.parts

    wait_until(holds, "a training between two saves", 300)
    return _unfinished(study, training)


def _unfinished(study: ClusterStudy, training: str) -> Saved:
    assert read_manifest(study.store, training) is None, "it is too short to be disturbed"
    return Saved.of(study, training)


def _await_another_at_work(study: ClusterStudy, training: str) -> None:
    wait_until(lambda: again_at_work(study, training), "the training goes on", 300)


def _delete(cluster: Kubernetes, pod: Object) -> None:
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")


def _is_there(study: ClusterStudy, training: str, pod: Object) -> bool:
    return any(each["metadata"]["uid"] == pod["metadata"]["uid"] for each in study.pods_of(training))
