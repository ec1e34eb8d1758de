"""A study of two real trainings, each on two nodes with ZeRO 2, that save often; what a test sees of their state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from servers import S3Server

from cluster.commands import wait_until
from cluster.kubernetes import Object
from cluster.studies import BUCKET, ClusterStudy
from stilts_core.data.root import SAMPLE, open_data_root
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.storage.attempts import list_attempts, read_heartbeat, read_log
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import FileRecord, Manifest, stage_prefix
from stilts_core.storage.open import open_store
from stilts_core.storage.resume import list_states, resume_prefix

NODES, STEPS, SAVE_STEPS = 2, 800, 50
_ROOT = "two-trainings"
TEXT = f"""\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {{name: real}}
spec:
  encoders:
    - name: tiny
      pretrain:
        layers: 1
        hidden: 32
        heads: 2
        vocabulary: 600
        max_length: 64
        sequence_length: 32
        steps: 4
        batch_tokens: 256
        objectives: {{mlm: 1}}
        text: [{{path: "text/{{lang}}.txt", format: text-lines, languages: [en, de]}}]
  curricula: [baseline]
  targets: [{{task: xnli, languages: [en, de], limit: 20, train_limit: 100}}]
  protocol: corrected
  seeds: 2
  data: {{root: "s3://{BUCKET}/{_ROOT}"}}
  overrides:
    - match: {{}}
      set: {{batch_size: 4, max_steps: {STEPS}, epochs: {STEPS}, dev_examples: 10, evaluate_every: 0, patience: 0,
            max_length: 48}}
"""
_FILES = (
    *(f"text/{language}.txt" for language in ("en", "de")),
    *(f"xnli/{part}.tsv" for part in ("train-en", "dev-en", "test-en", "test-de")),
)
_COMPUTE = {"cpu": "100m", "cpu_limit": "2", "memory": "2Gi", "scratch": "2Gi"}
SETTINGS: dict[str, Any] = {
    "text": TEXT,
    "ranks": {"zero_stage": 2, "save_steps": SAVE_STEPS},
    "retries": {"infrastructure": 2},
    "nodes": NODES,
    "pods": {
        **dict.fromkeys(("prepare", "pretrain", "train", "evaluate"), _COMPUTE),
        "driver": {**_COMPUTE, "memory": "500Mi"},
    },
    "shared_memory": "64Mi",
    "grace_seconds": 20,
    "rendezvous_seconds": 300,
}
"""What `make_study` is to be told of it, but for the image and where pods go."""

_WENT_ON = re.compile(r"going on after step (\d+)")


def put_data(study: ClusterStudy) -> None:
    """A few files of the sample, as a data root of their own."""
    sample = open_data_root(SAMPLE, study.folder / "cache")
    store = open_store(f"s3://{BUCKET}/{_ROOT}", study.profile.spec.store.s3)
    for path in _FILES:
        store.put(path, sample.fetch(path))


def trainings(study: ClusterStudy) -> tuple[str, str]:
    """The fingerprints of the two, by seed."""
    first, second = (stage.fingerprint for stage in study.plan.stages if stage.kind is StageKind.TRAIN)
    return first, second


def child(study: ClusterStudy, fingerprint: str) -> Stage:
    """The evaluation of a training."""
    (found,) = (stage for stage in study.plan.stages if fingerprint in stage.parents.values())
    return found


def take_over(study: ClusterStudy, other: ClusterStudy, unfinished: Iterable[str]) -> None:
    """Begin a study with what another one has committed, but for some stages."""
    left = set(unfinished)
    for stage in study.plan.stages:
        if stage.fingerprint not in left:
            for found in other.store.list(stage_prefix(stage.fingerprint)):
                study.store.put(found.key, other.store.read(found.key))


def manifest_of(study: ClusterStudy, fingerprint: str) -> Manifest:
    """A stage's manifest, which is there."""
    found = read_manifest(study.store, fingerprint)
    assert found is not None, f"{fingerprint[:12]} has not committed"
    return found


def bits(study: ClusterStudy, fingerprint: str) -> list[tuple[dict[str, FileRecord], dict[str, Any]]]:
    """Files and metrics of a training, the weights among them, and of its evaluation."""
    return [
        (manifest.files, manifest.metrics)
        for manifest in (manifest_of(study, each) for each in (fingerprint, child(study, fingerprint).fingerprint))
    ]


def pod_of(study: ClusterStudy, fingerprint: str, node: int) -> Object:
    """The pod of a rank of a training in its first attempt."""
    index = "batch.kubernetes.io/job-completion-index"
    (found,) = (pod for pod in study.pods_of(fingerprint) if pod["metadata"]["annotations"][index] == str(node))
    return found


def claims(study: ClusterStudy, fingerprint: str) -> int:
    """How often a stage has begun, under the same number or another."""
    return len(list_attempts(study.store, fingerprint))


def again_at_work(study: ClusterStudy, fingerprint: str) -> bool:
    """Whether a process has done a step of a training that another one had begun."""
    later = list_attempts(study.store, fingerprint)[1:]
    beats = (read_heartbeat(study.store, fingerprint, each) for each in later)
    return any(beat is not None and beat.step > 0 for beat in beats)


def went_on_after(study: ClusterStudy, fingerprint: str) -> int:
    """The step that the attempt which committed went on from; 0 where it began anew."""
    attempt = manifest_of(study, fingerprint).attempt

    def log() -> str:
        return read_log(study.store, fingerprint, attempt) or ""

    wait_until(lambda: bool(log()), "the log of the training", 60)  # kept a moment after the manifest
    found = _WENT_ON.findall(log())
    return int(found[-1]) if found else 0


@dataclass(frozen=True)
class Saved:
    """The resume state of a training, in a store.

    Attributes:
        whole: optimiser steps of the furthest whole state; 0 where there is none.
        parts: keys of files of a state beyond that, below the stage's resume prefix.
    """

    whole: int
    parts: tuple[str, ...]

    @classmethod
    def of(cls, study: ClusterStudy, fingerprint: str) -> Saved:
        prefix = resume_prefix(fingerprint)
        names = [found.key.removeprefix(prefix) for found in study.store.list(prefix)]
        whole = max((_step(folder) for folder in list_states(study.store, fingerprint)), default=0)
        return cls(whole, tuple(name for name in names if _step(name) > whole))


def _step(name: str) -> int:
    return int(name.partition("-")[0])


def flip_byte(server: S3Server, study: ClusterStudy, key: str) -> None:
    """Change a byte in the middle of an object of a study's store; all that is said of it stays."""
    import boto3

    client = boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
    )
    bucket, _, base = study.store.uri.removeprefix("s3://").partition("/")
    where = {"Bucket": bucket, "Key": f"{base}/{key}"}
    found = client.get_object(**where)
    data = bytearray(found["Body"].read())
    data[len(data) // 2] ^= 1
    client.put_object(**where, Body=bytes(data), Metadata=found["Metadata"])
