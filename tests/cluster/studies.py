"""A study in a namespace of its own, from its submission to its results, and what a test does to it in between."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError, wait_until
from cluster.kubernetes import Kubernetes, Object, has_condition
from cluster.s3 import ClusterS3
from stilts_core.engine.backend import Observation
from stilts_core.engine.decide import charge
from stilts_core.engine.kubernetes.anchor_notes import read_outcome
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS, PODS, Kind
from stilts_core.engine.kubernetes.labels import ANCHOR, COMPONENT, DRIVER, FINGERPRINT, STAGE
from stilts_core.engine.kubernetes.look import look
from stilts_core.engine.kubernetes.names import fingerprint_label, label_value
from stilts_core.engine.kubernetes.render import StudySource, render_submission
from stilts_core.engine.states import Status
from stilts_core.errors import Budget
from stilts_core.planning.load import load_plan
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.profile import Placement, Profile
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Outcome, list_attempts, read_heartbeat, read_outcomes
from stilts_core.storage.base import Store
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.manifest import Attempt, study_prefix
from stilts_core.storage.open import open_store

BUCKET = "faults"
SECRET = "store"
_SECONDS = 240.0  # a busy machine is no failure

SMALL = f"""\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {{name: small}}
spec:
  encoders: [{{name: tiny, source: "s3://{BUCKET}/encoder"}}]
  curricula: [baseline, mnli]
  targets: [{{task: xnli, languages: [en, de]}}]
  protocol: corrected
  seeds: 1
  data: {{root: "s3://{BUCKET}/data"}}
"""
"""Eight stages; the longest chain has four: preparing mnli, training on it, training on xnli, evaluating."""

TITLES = {
    "prepare-mnli": (StageKind.PREPARE, "mnli to train on"),
    "prepare-xnli": (StageKind.PREPARE, "xnli to train on"),
    "prepare-tests": (StageKind.PREPARE, "xnli in 2 languages"),
    "baseline": (StageKind.TRAIN, "xnli ·"),
    "mnli": (StageKind.TRAIN, "mnli ·"),
    "mnli-xnli": (StageKind.TRAIN, "mnli > xnli"),
    "evaluate-baseline": (StageKind.EVALUATE, "xnli ·"),
    "evaluate-mnli": (StageKind.EVALUATE, "mnli > xnli"),
}
"""A name for each stage of ``SMALL`` → its kind, and how its label begins."""

_ROWS = "A cat sleeps.\tAn animal rests.\tentailment\nA cat sleeps.\tA dog runs.\tcontradiction\n"
_FILES = {
    "data/mnli/train-en.tsv": _ROWS * 2,  # other content than XNLI's, so that it is prepared in a stage of its own
    "data/mnli/dev-en.tsv": _ROWS,
    "data/xnli/train-en.tsv": _ROWS,
    "data/xnli/dev-en.tsv": _ROWS,
    "data/xnli/test-en.tsv": _ROWS,
    "data/xnli/test-de.tsv": "Eine Katze schläft.\tEin Tier ruht.\tentailment\n",
    "encoder/config.json": json.dumps(
        {"model_type": "xlm-roberta", "num_hidden_layers": 1, "hidden_size": 32, "max_position_embeddings": 130}
    ),
    "encoder/tokenizer.json": "{}",
    "encoder/model.safetensors": "",
}


def put_inputs(s3: ClusterS3) -> None:
    """The data and the encoder of ``SMALL``; stand-in stages never read what is in them."""
    s3.server.make_bucket(BUCKET)
    store = open_store(f"s3://{BUCKET}", Profile().spec.store.s3.model_copy(update={"endpoint": s3.server.endpoint}))
    for key, text in _FILES.items():
        store.put(key, text.encode())


def secret(s3: ClusterS3) -> Object:
    """The Secret with the credentials of the store."""
    keys = {"AWS_ACCESS_KEY_ID": s3.server.access_key, "AWS_SECRET_ACCESS_KEY": s3.server.secret_key}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": keys}


def placement_values(s3: ClusterS3, name: str, images: Mapping[str, str], **kubernetes: Any) -> dict[str, Any]:
    """A profile's ``spec`` for a busy machine with two cores.

    Args:
        name: of a prefix of the bucket that is the study's own.
        images: ``light`` and ``training``.
        kubernetes: over what stands here.
    """
    small = {"cpu": "50m", "cpu_limit": "1", "memory": "400Mi", "scratch": "1Gi"}
    settings: dict[str, Any] = {
        "images": {kind: {"name": image} for kind, image in images.items()},
        "pods": {**dict.fromkeys(("prepare", "pretrain", "train", "evaluate"), small), "driver": {**small}},
        "shared_memory": "16Mi",
        "credentials": {"secret": SECRET},
        "grace_seconds": 15,
        "unreachable_seconds": 3,
        "lost_node_seconds": 5,
    }
    store = {"uri": f"s3://{BUCKET}/{name}", "s3": {"endpoint": s3.in_cluster.endpoint, "region": s3.in_cluster.region}}
    return {"device": "cpu", "store": store, "kubernetes": settings | kubernetes}


@dataclass(frozen=True)
class ClusterStudy:
    """A study and the namespace that it runs in.

    Attributes:
        values: the profile's ``spec``, as pods are to read it.
        endpoint: of the store, from this machine.
        text: the study file.
        folder: takes the files of a command line.
    """

    cluster: Kubernetes
    values: Mapping[str, Any]
    endpoint: str
    text: str
    folder: Path

    @cached_property
    def placement(self) -> Placement:
        return Placement.model_validate(self.values)

    @cached_property
    def profile(self) -> Profile:
        """The profile of a person at this machine, who reaches the store by another address."""
        store = self.placement.store
        s3 = store.s3.model_copy(update={"endpoint": self.endpoint})
        here = self.placement.model_copy(update={"store": store.model_copy(update={"s3": s3})})
        return Profile(spec=here)

    @cached_property
    def store(self) -> Store:
        settings = self.profile.spec.store
        return open_store(settings.uri or "", settings.s3)

    @cached_property
    def plan(self) -> Plan:
        path = self.folder / "study.yaml"
        path.write_text(self.text, encoding="utf-8")
        return load_plan(path, profile=self.profile, cache=self.folder / "cache").plan

    @cached_property
    def objects(self) -> list[Object]:
        """The anchor, the Service if there is one, and the driver's Job."""
        source = StudySource(self.plan.name, self.text, self.plan.digest())
        return render_submission(source, self.placement, self.cluster.namespace)

    @property
    def anchor(self) -> str:
        return str(self.objects[0]["metadata"]["name"])

    @cached_property
    def api(self) -> Cluster:
        return Cluster.connect(kubeconfig=self.cluster.kubeconfig, namespace=self.cluster.namespace)

    def stage(self, name: str) -> str:
        """The fingerprint of a stage by its name in ``TITLES``."""
        kind, title = TITLES[name]
        (found,) = (s.fingerprint for s in self.plan.stages if s.kind is kind and s.label.startswith(title))
        return found

    def submit(self) -> None:
        self.cluster.kubectl("create", "--filename=-", text=_listed(self.objects))

    def cancel(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.cluster.kubectl("delete", "configmap", self.anchor, "--cascade=background")
        wait_until(lambda: not self.jobs() and not self.pods(), f"the end of {self.anchor}", _SECONDS)

    def end(self, seconds: float = 2 * _SECONDS) -> str:
        """Wait until a driver has brought the study to its end: ``done`` or ``failed``."""
        name = self.objects[-1]["metadata"]["name"]

        def is_over() -> bool:
            found = self.api.get(JOBS, name) or {}
            return has_condition(found, "Complete") or has_condition(found, "Failed")

        try:
            wait_until(is_over, f"the end of {name}", seconds, pause=0.5)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self.log()}") from None
        outcome = read_outcome(self.api.get(CONFIG_MAPS, self.anchor) or {"metadata": {}})
        return "without a word" if outcome is None else outcome[0].value

    def results(self) -> dict[str, bytes]:
        """What the driver has collected into the store, but for the report, which has times."""
        prefix = f"{study_prefix(self.plan.name, self.plan.digest())}results/"
        return {
            info.key.removeprefix(prefix): self.store.read(info.key)
            for info in self.store.list(prefix)
            if not info.key.endswith(".html")
        }

    def statuses(self) -> dict[str, Status]:
        """How each stage is, by its name in ``TITLES``, as `stilts status` says it."""
        found = look(self.api, self.store, self.plan, self.anchor, self.placement, time.time()).statuses
        return {name: found[self.stage(name)] for name in TITLES}

    def jobs(self, stage: str = "") -> list[Object]:
        """The Jobs of a stage by its name in ``TITLES``; without one, all of the study's."""
        return self._list(JOBS, self.stage(stage) if stage else "")

    def pods(self, stage: str = "") -> list[Object]:
        """The pods of a stage; without one, all of the study's."""
        return self.pods_of(self.stage(stage) if stage else "")

    def pods_of(self, fingerprint: str) -> list[Object]:
        """The same, of a stage by its fingerprint."""
        return self._list(PODS, fingerprint)

    def driver_pods(self) -> list[Object]:
        return self.api.list(PODS, labels=f"{self._mine},{COMPONENT}={DRIVER}").items

    def await_activity(self, name: str, activity: str, attempt: int = 1, seconds: float = _SECONDS) -> Object:
        """Wait until an attempt at a stage says that it does something; gives its pod."""
        fingerprint = self.stage(name)

        def is_at_it() -> bool:
            return any(
                beat is not None and beat.activity == activity
                for each in list_attempts(self.store, fingerprint)
                if each.number == attempt
                for beat in (read_heartbeat(self.store, fingerprint, each),)
            )

        wait_until(is_at_it, f"attempt {attempt} at {name} is at {activity}", seconds, pause=0.3)
        return max(self.pods(name), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def ends(self, name: str) -> list[tuple[int, int, Budget]]:
        """The attempts at a stage that failed: number, exit code, and the budget that they are charged to."""
        return self.ends_of(self.stage(name))

    def ends_of(self, fingerprint: str) -> list[tuple[int, int, Budget]]:
        """The same, of a stage by its fingerprint."""

        def budget(attempt: Attempt, outcome: Outcome) -> Budget:
            code = outcome.exit_code
            return charge(Observation(fingerprint, attempt.number, Phase.ENDED, 0.0, code, outcome.budget))

        return [
            (attempt.number, outcome.exit_code, budget(attempt, outcome))
            for attempt, outcome in read_outcomes(self.store, fingerprint)
            if outcome.exit_code or self._failed(fingerprint, attempt)
        ]

    def _failed(self, fingerprint: str, attempt: Attempt) -> bool:
        manifest = read_manifest(self.store, fingerprint)
        return manifest is None or manifest.attempt.number != attempt.number

    def messages(self, name: str) -> list[str]:
        """What is recorded of how each failed attempt at a stage ended."""
        return [outcome.message for _, outcome in read_outcomes(self.store, self.stage(name)) if outcome.message]

    def committed_by(self, name: str) -> int:
        """The number of the attempt that made a stage's manifest."""
        manifest = read_manifest(self.store, self.stage(name))
        assert manifest is not None, f"{name} has not committed"
        return manifest.attempt.number

    def check_manifests(self) -> None:
        """Every file of a manifest is in the folder of the attempt that committed, whole."""
        from stilts_core.storage.commit import materialise

        with tempfile.TemporaryDirectory() as folder:
            for stage in self.plan.stages:
                manifest = read_manifest(self.store, stage.fingerprint)
                assert manifest is not None, stage.label
                materialise(self.store, manifest, Path(folder))

    def log(self) -> str:
        """What the drivers have printed so far, as far as their pods are there."""
        return "".join(self.cluster.kubectl("logs", pod["metadata"]["name"], check=False) for pod in self.driver_pods())

    @property
    def _mine(self) -> str:
        return f"{ANCHOR}={label_value(self.anchor)}"

    def _list(self, kind: Kind, fingerprint: str) -> list[Object]:
        labels = self._mine
        if fingerprint:
            labels += f",{COMPONENT}={STAGE},{FINGERPRINT}={fingerprint_label(fingerprint)}"
        return self.api.list(kind, labels=labels).items


def evict(cluster: Kubernetes, pod: Object) -> None:
    """Through the eviction API, as draining a node does."""
    name = pod["metadata"]["name"]
    review = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
    cluster.kubectl("create", "--raw", path, "--filename=-", text=json.dumps(review))


def processes(pod: Object, program: str) -> list[int]:
    """The process ids, on this machine, of the first processes of a pod's containers that run a program."""
    uid = pod["metadata"]["uid"]
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            inside = uid in (folder / "cgroup").read_text() or uid.replace("-", "_") in (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            names = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("NSpid:"))
        except (OSError, StopIteration):
            continue  # it has just ended
        if inside and program in command and names.split()[-1] == "1":
            found.append(int(folder.name))
    return found


def kill(pod: Object, program: str) -> None:
    """SIGKILL to the first process of a pod."""
    (found,) = processes(pod, program)
    os.kill(found, signal.SIGKILL)


def _listed(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
