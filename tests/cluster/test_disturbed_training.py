"""A real training that is evicted in the middle: it ends as one that was left alone, to the last bit of its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.commands import wait_until
from cluster.s3 import ClusterS3
from cluster.studies import BUCKET, ClusterStudy, evict
from stilts_core.data.root import SAMPLE, open_data_root
from stilts_core.errors import Budget
from stilts_core.planning.plan import StageKind
from stilts_core.storage.attempts import list_attempts, read_heartbeat
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import manifest_key
from stilts_core.storage.open import open_store

Studies = Callable[..., ClusterStudy]
ROOT = "tiny"
STEPS = 10_000
TINY = f"""\
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
  seeds: 1
  data: {{root: "s3://{BUCKET}/{ROOT}"}}
  overrides:
    - match: {{}}
      set: {{batch_size: 4, max_steps: {STEPS}, epochs: {STEPS}, dev_examples: 10, evaluate_every: 0, patience: 0,
            max_length: 48}}
"""
_FILES = (
    *(f"text/{language}.txt" for language in ("en", "de")),
    *(f"xnli/{part}.tsv" for part in ("train-en", "dev-en", "test-en", "test-de")),
)


@pytest.mark.timeout(900)
def test_a_training_that_is_evicted_ends_as_one_that_is_not(
    s3: ClusterS3, training_image: str, new_study: Studies, tmp_path: Path
) -> None:
    compute = {"cpu": "100m", "cpu_limit": "2", "memory": "3Gi", "scratch": "2Gi"}
    sizes = dict.fromkeys(("prepare", "pretrain", "train", "evaluate"), compute)
    study = new_study(
        text=TINY,
        training=training_image,
        retries={"infrastructure": 1},
        pods={**sizes, "driver": {**compute, "memory": "500Mi"}},
        grace_seconds=60,
    )
    _put_data(study, tmp_path)
    (train,) = (stage.fingerprint for stage in study.plan.stages if stage.kind is StageKind.TRAIN)
    study.submit()
    wait_until(lambda: _step(study, train) > 0, "the training is at work", 600, pause=0.1)
    assert _step(study, train) < STEPS * 2 // 3, "it is too short to be disturbed"
    (pod,) = study.pods_of(train)
    evict(study.cluster, pod)
    assert study.end(600) == "done", study.log()
    first = read_manifest(study.store, train)
    assert first is not None
    assert [(end[1], end[2]) for end in study.ends_of(train)] == [(75, Budget.INFRASTRUCTURE)]
    assert first.attempt.number == 2
    disturbed = study.results()
    # the same again from the same parents, left alone
    study.cancel()
    for stage in study.plan.stages:
        if stage.kind in (StageKind.TRAIN, StageKind.EVALUATE):
            study.store.delete(manifest_key(stage.fingerprint))
    study.submit()
    assert study.end(600) == "done", study.log()
    second = read_manifest(study.store, train)
    assert second is not None
    assert second.attempt != first.attempt
    assert (second.files, second.metrics) == (first.files, first.metrics)
    assert study.results() == disturbed


def _put_data(study: ClusterStudy, folder: Path) -> None:
    """A few files of the sample, as a data root of their own."""
    sample = open_data_root(SAMPLE, folder / "cache")
    store = open_store(f"s3://{BUCKET}/{ROOT}", study.profile.spec.store.s3)
    for path in _FILES:
        store.put(path, sample.fetch(path))


def _step(study: ClusterStudy, fingerprint: str) -> int:
    beats = (read_heartbeat(study.store, fingerprint, each) for each in list_attempts(study.store, fingerprint))
    return max((beat.step for beat in beats if beat is not None), default=0)
