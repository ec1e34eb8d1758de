"""What a study is in a cluster: from the study, the profile and an attempt to objects. Pure.

The anchor, a ConfigMap with the study and the profile, owns everything else, so that deleting it is cancelling. The
driver's Job makes the stages' Jobs, each when its parents have committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from stilts_core.engine.kubernetes import names
from stilts_core.engine.kubernetes.environment import CA_FILE, FILES, METRICS_PORT, PROFILE_FILE, SCRATCH, STUDY_FILE
from stilts_core.engine.kubernetes.jobs import driver_job_spec, job, stage_job_spec
from stilts_core.engine.kubernetes.jobset import jobset, member_job
from stilts_core.engine.kubernetes.kueue import kueue_labels
from stilts_core.engine.kubernetes.labels import (
    ANCHOR,
    ATTEMPT,
    COMPONENT,
    DRIVER,
    FINGERPRINT,
    KIND,
    PLAN_DIGEST,
    STAGE,
    STORE,
    STORED_ATTEMPT,
    STUDY_NAME,
    SUBMISSION,
    TITLE,
    WHOLE_FINGERPRINT,
    Object,
    metadata,
    owned_by,
    study_labels,
)
from stilts_core.engine.kubernetes.pods import PodRequest, pod_template
from stilts_core.engine.kubernetes.sizing import Sizing, driver_sizing, stage_sizing
from stilts_core.engine.labels import stage_title
from stilts_core.errors import SpecError
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.spec.profile import Placement, Profile, StoreSettings
from stilts_core.storage.manifest import Attempt

DRIVER_GRACE_SECONDS = 30
_MOST_TEXT_BYTES = 1_000_000  # of a ConfigMap's 1 MiB
_SUPERVISOR = ("python", "-m", "stilts_core.engine.kubernetes.supervisor")


@dataclass(frozen=True, slots=True)
class StudySource:
    """A study that is to be submitted.

    Attributes:
        name: of the study.
        text: the study file.
        plan_digest: of the plan that was shown to the person; the driver refuses to run another.
        data_root: where the data lie, instead of what the study says.
    """

    name: str
    text: str
    plan_digest: str
    data_root: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A study in a cluster, as its driver knows it.

    Attributes:
        study: its name.
        anchor: name of the ConfigMap that owns everything.
        anchor_uid: its uid.
        store: address of the store.
        plan: address of the plan in the store.
    """

    study: str
    plan_digest: str
    anchor: str
    anchor_uid: str
    namespace: str
    store: str
    plan: str


@dataclass(frozen=True, slots=True)
class StageAttempt:
    """An attempt that is to be made.

    Attributes:
        number: among the stage's attempts of this submission, from 1; the Job is called by it.
        stored: the name under which it keeps things in the store.
        retry: an attempt was made before.
        halvings: how often the tokens of a forward pass are to be halved, because memory ran out before.
    """

    number: int
    stored: Attempt
    retry: bool = False
    halvings: int = 0


def render_submission(study: StudySource, placement: Placement, namespace: str) -> list[Object]:
    """The anchor, for Jobs of several nodes the headless Service, and the driver's Job, in the order to apply them.

    Raises:
        SpecError: the store is out of a cluster's reach, the study is too large, or parts of the profile do not go
            together.
    """
    name = names.study_name(study.name, study.plan_digest)
    placed = in_cluster(placement, namespace)
    nodes = max(stage_sizing(kind, placed).nodes for kind in StageKind)
    objects = [_anchor(name, study, placed, namespace)]
    if nodes > 1 and not placed.kubernetes.jobset:
        objects.append(_service(name, study, namespace))
    return [*objects, _driver(name, study, placed, namespace)]


def render_stage(stage: Stage, attempt: StageAttempt, submission: Submission, placement: Placement) -> Object:
    """The Job of an attempt; with several nodes, where the profile says so, a JobSet.

    Raises:
        SpecError: parts of the profile do not go together.
    """
    kubernetes = placement.kubernetes
    sizing = stage_sizing(stage.kind, placement)
    name = names.stage_name(stage, attempt.number, submission.study, submission.plan_digest)
    labels = study_labels(STAGE, submission.study, submission.anchor, submission.plan_digest) | {
        KIND: stage.kind.value,
        FINGERPRINT: names.fingerprint_label(stage.fingerprint),
        ATTEMPT: str(attempt.number),
    }
    annotations = {
        TITLE: stage_title(stage),
        WHOLE_FINGERPRINT: stage.fingerprint,
        STORED_ATTEMPT: attempt.stored.folder,
        PLAN_DIGEST: submission.plan_digest,
    }
    about = metadata(
        name, submission.namespace, labels | kueue_labels(kubernetes.kueue, retry=attempt.retry), annotations
    )
    about["ownerReferences"] = [owned_by(submission.anchor, submission.anchor_uid)]
    as_set = kubernetes.jobset and sizing.nodes > 1
    # The controller of JobSets makes a Service for each and sets the pods' subdomain to its name.
    service = None if sizing.nodes == 1 else name if as_set else submission.anchor
    pod = PodRequest(
        name=STAGE,
        image=kubernetes.images.training,
        command=_orders(stage, attempt, submission, placement, sizing, service),
        labels=labels,
        anchor=submission.anchor,
        files=(PROFILE_FILE,),
        account=kubernetes.service_accounts.stages,
        token=False,
        grace=kubernetes.grace_seconds,
        sizing=sizing,
        shared_memory=True,
        group=None if sizing.nodes == 1 else member_job(name) if as_set else name,
        service=None if as_set else service,
    )
    spec = stage_job_spec(pod_template(pod, kubernetes), sizing.nodes, STAGE, kubernetes)
    if as_set:
        return jobset(about, spec, labels, kubernetes.ttl_seconds)
    return job(about, {"ttlSecondsAfterFinished": kubernetes.ttl_seconds} | spec)


def in_cluster(placement: Placement, namespace: str) -> Placement:
    """The placement as pods are to read it.

    Raises:
        SpecError: the store is out of a cluster's reach.
    """
    store, kubernetes = placement.store, placement.kubernetes
    _check_store(store, certificates=kubernetes.ca_bundle is not None)
    there: dict[str, str] = {}
    if kubernetes.ca_bundle is not None:
        there["ca_bundle"] = f"{FILES}/{CA_FILE}"
    if kubernetes.store_endpoint is not None:
        there["endpoint"] = kubernetes.store_endpoint
    store = store.model_copy(update={"s3": store.s3.model_copy(update=there)})
    kubernetes = kubernetes.model_copy(update={"namespace": namespace})
    return placement.model_copy(update={"store": store, "kubernetes": kubernetes})


def profile_text(placement: Placement) -> str:
    """A profile file for pods."""
    profile = Profile(spec=placement)
    document = {"apiVersion": profile.apiVersion, "kind": profile.kind}
    document |= profile.model_dump(mode="json", exclude_defaults=True)
    # JSON is YAML too, and needs no library here.
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"


def _check_store(store: StoreSettings, *, certificates: bool) -> None:
    if not (store.uri or "").startswith("s3://"):
        given = f"{store.uri} is a folder of this machine" if store.uri else "The profile names none"
        raise SpecError(
            f"A study on Kubernetes needs a store that every node reaches. {given}.",
            hint="Name one with --store s3://bucket/prefix, or as `store.uri` in the profile.",
        )
    for what, url in (("endpoint", store.s3.endpoint), ("proxy", store.s3.proxy)):
        if url is not None and "@" in url:
            raise SpecError(
                f"The profile's `store.s3.{what}` holds a name or a password, which everyone who may read a ConfigMap "
                "could read.",
                hint="Leave it out there; credentials of the store go into a Secret, see `kubernetes.credentials`.",
            )
    if store.s3.ca_bundle is not None and not certificates:
        raise SpecError(
            f"The certificates of the store, {store.s3.ca_bundle}, are a file of this machine.",
            hint="Put them into a ConfigMap of the namespace too, and name it in `kubernetes.ca_bundle`.",
        )


def _anchor(name: str, study: StudySource, placement: Placement, namespace: str) -> Object:
    data = {STUDY_FILE: study.text, PROFILE_FILE: profile_text(placement)}
    size = sum(len(text.encode()) for text in data.values())
    if size > _MOST_TEXT_BYTES:
        raise SpecError(
            f"The study and the profile have {size:,} bytes together; {_MOST_TEXT_BYTES:,} can be sent to a cluster.",
            hint="Split the study in two; equal stages are still run once.",
        )
    annotations = {
        STUDY_NAME: study.name,
        PLAN_DIGEST: study.plan_digest,
        STORE: placement.store.uri or "",
    }
    about = metadata(name, namespace, _labels(SUBMISSION, study, name), annotations)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}


def _service(name: str, study: StudySource, namespace: str) -> Object:
    labels = _labels(SUBMISSION, study, name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, labels),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,  # pods look for each other before any of them is ready
            "selector": {COMPONENT: STAGE, ANCHOR: labels[ANCHOR]},
        },
    }


def _driver(name: str, study: StudySource, placement: Placement, namespace: str) -> Object:
    kubernetes = placement.kubernetes
    command = ["stilts", "drive", f"{FILES}/{STUDY_FILE}", "--profile", f"{FILES}/{PROFILE_FILE}", "--anchor", name]
    command += ["--plan-digest", study.plan_digest]
    if study.data_root is not None:
        command += ["--data", study.data_root]
    labels = _labels(DRIVER, study, name)
    pod = PodRequest(
        name=DRIVER,
        image=kubernetes.images.light,
        command=tuple(command),
        labels=labels,
        anchor=name,
        files=(STUDY_FILE, PROFILE_FILE),
        account=kubernetes.service_accounts.driver,
        token=True,
        grace=DRIVER_GRACE_SECONDS,
        sizing=driver_sizing(placement),
        ports={"metrics": METRICS_PORT},
    )
    about = metadata(
        names.driver_name(study.name, study.plan_digest),
        namespace,
        labels,
        {PLAN_DIGEST: study.plan_digest},
    )
    return job(about, driver_job_spec(pod_template(pod, kubernetes), kubernetes))


def _orders(
    stage: Stage,
    attempt: StageAttempt,
    submission: Submission,
    placement: Placement,
    sizing: Sizing,
    service: str | None,
) -> tuple[str, ...]:
    """The command of a stage's pods; `engine.kubernetes.orders` reads it."""
    kubernetes = placement.kubernetes
    orders = {
        "--store": submission.store,
        "--plan": submission.plan,
        "--plan-digest": submission.plan_digest,
        "--stage": stage.fingerprint,
        "--attempt": attempt.stored.folder,
        "--nodes": sizing.nodes,
        "--ranks-per-node": sizing.ranks_per_node,
        **({"--service": service, "--patience": kubernetes.rendezvous_seconds} if service else {}),
        "--grace": kubernetes.grace_seconds,
        "--stall": kubernetes.stall_seconds,
        "--profile": f"{FILES}/{PROFILE_FILE}",
        "--work": f"{SCRATCH}/stilts",
        "--submission": submission.anchor_uid,
        **({"--halvings": attempt.halvings} if attempt.halvings else {}),
    }
    return (*_SUPERVISOR, *(str(part) for pair in orders.items() for part in pair))


def _labels(component: str, study: StudySource, anchor: str) -> dict[str, str]:
    return study_labels(component, study.name, anchor, study.plan_digest)
