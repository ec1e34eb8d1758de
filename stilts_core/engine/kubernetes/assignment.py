"""From a pod's orders to what its processes are to do."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from stilts_core.engine.kubernetes.leader import leader_name
from stilts_core.engine.kubernetes.orders import Orders
from stilts_core.engine.local.placement import usable_cores, visible_gpus
from stilts_core.errors import MissingInputError, SpecError
from stilts_core.planning.plan import KIND_VERSIONS, Plan, Stage, StageKind
from stilts_core.spec.load import load_profile
from stilts_core.spec.profile import Placement, StoreSettings
from stilts_core.stages.context import Resources
from stilts_core.stages.run import AttemptSpec
from stilts_core.storage.attempts import LOG
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.open import open_store
from stilts_core.storage.settings import S3Settings
from stilts_core.training.group import ALONE, Group

PATIENT_ATTEMPTS = 16
"""Tries of one call to the store at least, so that an attempt outlives a store that is away for half a minute."""

_WITH_RANKS = frozenset({StageKind.TRAIN, StageKind.PRETRAIN})


@dataclass(frozen=True, slots=True)
class Assignment:
    """A stage, and with what it runs here.

    Attributes:
        store: with its address, spoken to with patience.
    """

    stage: Stage
    data_root: str
    store: StoreSettings
    resources: Resources

    def spec(self, orders: Orders, attempt: Attempt, folder: Path) -> AttemptSpec:
        """What the stage's process is told.

        Args:
            attempt: the name that this pod has claimed.
            folder: of the attempt alone.
        """
        return AttemptSpec(
            stage=self.stage,
            submission=orders.submission,
            store=self.store,
            data_root=self.data_root,
            cache=orders.work / "cache",
            scratch=folder / "scratch",
            log=folder / LOG,
            resources=self.resources,
            registry=orders.registry,
            attempt=attempt,
            grace=orders.grace - orders.kept,
        )


def take_assignment(orders: Orders) -> Assignment:
    """Load the plan and the profile, and find the stage.

    Raises:
        SpecError: the plan is another one, or has no such stage, or was made by another version.
        MissingInputError: the plan is not there.
        StorageError: it cannot be read.
    """
    placement = load_profile(orders.profile).spec
    s3 = patient(placement.store.s3)
    plan = _load_plan(orders, s3)
    stage = next((stage for stage in plan.stages if stage.fingerprint == orders.stage), None)
    if stage is None:
        raise SpecError(f"The plan {orders.plan} has no stage {orders.stage[:12]}.", hint="Submit the study again.")
    if stage.version != KIND_VERSIONS[stage.kind]:
        raise SpecError(
            f"The plan has version {stage.version} of {stage.kind.value} stages; this image runs version "
            f"{KIND_VERSIONS[stage.kind]}.",
            hint="Use one version of stilts for the command and the image.",
        )
    return Assignment(
        stage, plan.data_root, StoreSettings(uri=orders.store, s3=s3), _resources(orders, placement, stage)
    )


def patient(s3: S3Settings) -> S3Settings:
    """The settings, with enough tries of a call for an outage of half a minute."""
    return s3.model_copy(update={"attempts": max(s3.attempts, PATIENT_ATTEMPTS)})


def _load_plan(orders: Orders, s3: S3Settings) -> Plan:
    folder, _, name = orders.plan.rpartition("/")
    if not folder or not name:
        raise SpecError(f"{orders.plan!r} is no address of a plan.", hint="Such as s3://bucket/studies/…/plan.json.")
    try:
        data = open_store(folder, s3).read(name)
    except MissingInputError as error:
        raise MissingInputError(f"There is no plan at {orders.plan}.", hint="Submit the study again.") from error
    try:
        plan = Plan.model_validate_json(data)
    except ValidationError as error:
        raise SpecError(
            f"{orders.plan} is no plan that this version can read.",
            hint="Use one version of stilts for the command and the image.",
        ) from error
    if plan.digest() != orders.plan_digest:
        raise SpecError(
            f"The plan at {orders.plan} has the digest {plan.digest()[:12]}, not {orders.plan_digest[:12]}.",
            hint="Somebody has overwritten it: submit the study again.",
        )
    return plan


def _resources(orders: Orders, placement: Placement, stage: Stage) -> Resources:
    local, training = placement.local, placement.training
    device = placement.device
    if device == "auto":
        device = "cuda" if visible_gpus() else "cpu"
    if stage.kind is StageKind.PREPARE:
        device = "cpu"
    if stage.kind not in _WITH_RANKS and orders.nodes * orders.ranks_per_node > 1:
        raise SpecError(f"A {stage.kind.value} stage runs as one process; it has no nodes and no ranks.")
    ranks, threads = orders.nodes * orders.ranks_per_node, local.threads
    if stage.kind is StageKind.PRETRAIN and device == "cpu" and ranks == 1:
        threads = local.pretrain_threads or usable_cores()
    return Resources(
        device=device,
        threads=threads,
        ranks=ranks,
        zero_stage=training.zero_stage,
        micro_tokens=training.micro_tokens,
        precision=training.precision,
        save_steps=training.save_steps,
        save_seconds=training.save_seconds,
        group=_group(orders),
        halvings=orders.halvings,
    )


def _group(orders: Orders) -> Group:
    if orders.nodes == 1:
        return ALONE
    # The first node need not ask the DNS for itself.
    leader = orders.leader or (
        leader_name(socket.gethostname(), orders.index, orders.service) if orders.index else "localhost"
    )
    return Group(orders.nodes, orders.index, leader, orders.port, orders.patience)
