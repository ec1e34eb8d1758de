"""Making a study's objects in a cluster, again and again with the same result; and starting its driver anew."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS, SERVICES, Kind
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.marks import deleting_since
from stilts_core.engine.kubernetes.submissions import is_over
from stilts_core.errors import ClusterError

_PAUSE_SECONDS = 0.25
_DELETION_SECONDS = 120.0
_OF_CONTROLLER = (
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
)
KINDS = {"ConfigMap": CONFIG_MAPS, "Service": SERVICES, "Job": JOBS}


class Deed(StrEnum):
    """What was done about an object."""

    CREATED = "created"
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    RENEWED = "made anew"


@dataclass(frozen=True, slots=True)
class Step:
    """One object that belongs to a submission, and what was done about it."""

    kind: str
    name: str
    deed: Deed


@dataclass(frozen=True, slots=True)
class Submitting:
    """What came of submitting.

    Attributes:
        running: its driver ran already, and nothing was changed.
        again: it had been submitted before, and goes on.
    """

    steps: tuple[Step, ...]
    running: bool = False
    again: bool = False


def submit(cluster: Cluster, objects: Sequence[Object], *, dry_run: bool = False) -> Submitting:
    """Make the objects of `render.render_submission`, where they are not there.

    A driver that runs is left alone; one that has ended is made anew, and finds what has committed.

    Args:
        dry_run: have the cluster check everything, and make nothing.

    Raises:
        ClusterError: the cluster refuses, or the study runs with another profile, or is being cancelled.
    """
    anchor, *others, driver = objects
    there = cluster.get(CONFIG_MAPS, anchor["metadata"]["name"])
    job = cluster.get(JOBS, driver["metadata"]["name"])
    if there is not None and deleting_since(there) is not None:
        raise _being_cancelled(anchor)
    if job is not None and not is_over(job) and deleting_since(job) is None:
        return _running(there, objects)
    if job is not None and there is None:
        raise _being_cancelled(anchor)
    steps = []
    for wanted in (anchor, *others):
        kind = KINDS[wanted["kind"]]
        before = there if wanted is anchor else cluster.get(kind, wanted["metadata"]["name"])
        after = cluster.apply(kind, wanted, dry_run=dry_run)
        steps.append(_step(wanted, _deed(before, after)))
    if job is None:
        made = cluster.create(JOBS, driver, dry_run=dry_run)
        steps.append(_step(driver, Deed.CREATED if made is not None else Deed.UNCHANGED))
    else:
        if not dry_run:
            renew(cluster, job, driver)
        steps.append(_step(driver, Deed.RENEWED))
    return Submitting(tuple(steps), again=there is not None)


def renew(cluster: Cluster, job: Object, fresh: Object) -> None:
    """Put another Job in the place of a driver's, which may end at any time without harm.

    Raises:
        ClusterError: the old one does not go away, or the cluster refuses.
    """
    name = job["metadata"]["name"]
    cluster.delete(JOBS, name, uid=job["metadata"]["uid"])
    wait_until(lambda: _is_gone(cluster, JOBS, job), f"The Job {name} of the driver that has ended does not go away.")
    cluster.create(JOBS, fresh)


def anew(job: Object) -> Object:
    """A Job as it was before its controller and the server added to it."""
    fresh = copy.deepcopy({name: job[name] for name in ("metadata", "spec")})
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    metadata = {name: value for name, value in fresh["metadata"].items() if name in kept}
    template = fresh["spec"]["template"]
    fresh["spec"].pop("selector", None)
    fresh["spec"].pop("manualSelector", None)
    for labelled in (metadata, template.get("metadata") or {}):
        for label in _OF_CONTROLLER:
            (labelled.get("labels") or {}).pop(label, None)
    (template.get("metadata") or {}).pop("creationTimestamp", None)
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {k: v for k, v in annotations.items() if not k.startswith("batch.kubernetes.io/")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": fresh["spec"]}


def wait_until(done: Callable[[], bool], otherwise: str, seconds: float = _DELETION_SECONDS) -> None:
    """Wait for something in the cluster.

    Raises:
        ClusterError: with the sentence ``otherwise``, after the time.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            raise ClusterError(otherwise, hint="See what holds it: kubectl describe shows its finalizers and events.")
        time.sleep(_PAUSE_SECONDS)


def _is_gone(cluster: Cluster, kind: Kind, found: Object) -> bool:
    there = cluster.get(kind, found["metadata"]["name"])
    return there is None or there["metadata"]["uid"] != found["metadata"]["uid"]


def _running(there: Object | None, objects: Sequence[Object]) -> Submitting:
    if there is None:
        raise _being_cancelled(objects[0])
    if there.get("data") != objects[0]["data"]:
        raise ClusterError(
            f"The study runs already, as {objects[0]['metadata']['name']}, with another profile or another text.",
            hint="To go on with these, cancel it first: what has committed is kept.",
        )
    return Submitting(tuple(_step(each, Deed.UNCHANGED) for each in objects), running=True, again=True)


def _being_cancelled(anchor: Object) -> ClusterError:
    return ClusterError(
        f"The study is being cancelled: objects of {anchor['metadata']['name']} are still there.",
        hint="Wait until `stilts cancel` has ended, and submit it again.",
    )


def _step(wanted: Object, deed: Deed) -> Step:
    return Step(wanted["kind"], wanted["metadata"]["name"], deed)


def _deed(before: Object | None, after: Object) -> Deed:
    if before is None:
        return Deed.CREATED
    same = before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion")
    return Deed.UNCHANGED if same else Deed.APPLIED
