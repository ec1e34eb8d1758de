"""Two pods whose ranks meet over the network of this machine."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("deepspeed", reason="the training packages are an extra")

from engine_plans import plan_of
from engine_support import until
from pod_support import FIRST, Cluster, Pod
from synthetic import LABELS, VOCABULARY, settings, write_dataset

from stilts_core.catalog.models import Head, Hyper
from stilts_core.planning.params import UNCAPPED, EncoderSource, TaskParams, TrainParams, TrainTask
from stilts_core.planning.plan import KIND_VERSIONS, Plan, Stage, StageKind, fingerprint
from stilts_core.storage.attempts import new_attempt, read_heartbeat
from stilts_core.storage.commit import commit_stage, materialise, read_manifest

pytestmark = pytest.mark.train
MakeCluster = Callable[..., Cluster]
PROFILE = """
apiVersion: stilts/v1alpha1
kind: Profile
spec: {device: cpu, training: {zero_stage: 2, precision: fp32}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_both(place: Cluster, **changes: object) -> list[Pod]:
    port = free_port()
    return [place.start(index=index, nodes=2, leader="127.0.0.1", port=port, **changes) for index in range(2)]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan of one training, with its encoder in a folder; its data are those of `put_data`."""
    import torch

    from stilts_core.modeling.encoder import new_encoder

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    new_encoder(settings(dropout=0.1), VOCABULARY, 1, 0, 2).save_pretrained(folder)
    hyper = Hyper(learning_rate=1e-3, batch_size=8, epochs=2)
    labels = tuple("abc")
    assert len(labels) == LABELS[Head.CLASSIFICATION]
    prepared = TaskParams(
        task="pairs",
        head=Head.CLASSIFICATION,
        labels=labels,
        purpose="train",
        max_length=64,
        doc_stride=16,
        question_length=16,
    )
    data = Stage(
        fingerprint=fingerprint(StageKind.PREPARE, prepared, {}), kind=StageKind.PREPARE, version=1, params=prepared
    )
    params = TrainParams(
        tasks=(TrainTask(task="pairs", head=Head.CLASSIFICATION, labels=labels, hyper=hyper),),
        hyper=hyper,
        mix_cap=UNCAPPED,
        seed=3,
        encoder=EncoderSource(location=str(folder), digest="0" * 64),
    )
    parents = {"data/0": data.fingerprint}
    name = fingerprint(StageKind.TRAIN, params, parents)
    return plan_of(
        [
            data,
            Stage(
                fingerprint=name,
                kind=StageKind.TRAIN,
                version=KIND_VERSIONS[StageKind.TRAIN],
                params=params,
                parents=parents,
            ),
        ]
    )


@pytest.fixture
def trainers(tmp_path: Path, training: Plan) -> Iterator[Callable[[str], Cluster]]:
    made: list[Cluster] = []
    (tmp_path / "profile.yaml").write_text(PROFILE)

    def make(name: str) -> Cluster:
        place = Cluster(tmp_path / name, str(tmp_path / name / "store"), training)
        made.append(place)
        place.put_plan()
        write_dataset(tmp_path / name / "prepared" / "data", Head.CLASSIFICATION)
        data = training.stages[0]
        commit_stage(
            place.store,
            stage=data.model_dump(mode="json"),
            fingerprint=data.fingerprint,
            attempt=new_attempt(1),
            folder=tmp_path / name / "prepared",
            metrics={},
            run={},
        )
        return place

    yield make
    for each in made:
        each.close()


def committed(place: Cluster) -> dict[str, object]:
    """What a training has made: its metrics, and the bytes of its files."""
    manifest = read_manifest(place.store, place.stage.fingerprint)
    assert manifest is not None
    return {"metrics": manifest.metrics, "files": {name: file.sha256 for name, file in manifest.files.items()}}


def test_two_nodes_train_as_two_ranks_of_one_node(trainers: Callable[[str], Cluster], tmp_path: Path) -> None:
    options = {"registry": "stilts_core.stages.registry", "profile": tmp_path / "profile.yaml"}
    one, two = trainers("one"), trainers("two")
    alone = one.start(ranks_per_node=2, **options)
    assert alone.wait() == 0, alone.output
    pods = start_both(two, **options)
    assert [pod.wait() for pod in pods] == [0, 0], pods[0].output + pods[1].output
    assert committed(two) == committed(one)
    manifest = read_manifest(two.store, two.stage.fingerprint)
    assert manifest is not None
    assert (manifest.run["ranks"], manifest.run["nodes"], manifest.run["zero_stage"]) == (2, 2, 2)
    weights = materialise(two.store, manifest, tmp_path / "cache") / "encoder" / "model.safetensors"
    assert weights.stat().st_size > 10_000


@pytest.fixture
def talkers(cluster: MakeCluster) -> list[Pod]:
    """Two pods with two ranks each, which have met."""
    place = cluster(kind=StageKind.TRAIN)
    pods = start_both(place, registry="pod_ranks", ranks_per_node=2, grace=20)

    def met() -> bool:
        heartbeat = read_heartbeat(place.store, place.stage.fingerprint, FIRST)
        return heartbeat is not None and heartbeat.step > 0

    until(lambda: met() or any(pod.process.poll() is not None for pod in pods), 60)
    return pods


def test_a_stop_of_one_pod_is_agreed_on_by_all_ranks(talkers: list[Pod]) -> None:
    talkers[1].process.terminate()
    assert [pod.wait() for pod in talkers] == [75, 75], talkers[0].output
    steps = {re.findall(r"Stopped on request at step (\d+)", pod.message)[0] for pod in talkers}
    assert len(steps) == 1


def test_the_others_end_soon_when_a_pod_is_gone(talkers: list[Pod]) -> None:
    talkers[1].process.kill()
    assert talkers[0].wait() == 74, talkers[0].output
    assert "lost the others" in talkers[0].message


def test_the_others_follow_a_pod_whose_rank_was_killed(talkers: list[Pod], tmp_path: Path) -> None:
    def ranks() -> list[str]:
        return re.findall(r"^rank \d+ is process (\d+)$", talkers[1].output, re.MULTILINE)

    until(lambda: len(ranks()) == 2, 60)  # what they print comes after their heartbeat
    os.kill(int(ranks()[-1]), signal.SIGKILL)
    assert [pod.wait() for pod in talkers] == [1, 1], talkers[0].output
    assert "ended with signal 9" in talkers[1].message
    assert "The group ended because of" in talkers[0].message


def test_a_leader_that_never_comes(cluster: MakeCluster) -> None:
    """Nobody knows its name, as before its pod is scheduled."""
    place = cluster(kind=StageKind.TRAIN)
    pod = place.start(index=1, nodes=2, leader="leader.invalid", registry="pod_ranks", patience=2)
    assert pod.wait() == 74, pod.output
    assert "did not find the others within 2 s" in pod.message
