"""What has been submitted to a namespace: each study's anchor, and how its driver is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from stilts_core.engine.kubernetes import names
from stilts_core.engine.kubernetes.anchor_notes import Outcome, read_outcome
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.environment import PROFILE_FILE
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS, PODS
from stilts_core.engine.kubernetes.labels import (
    DRIVER,
    PLAN_DIGEST,
    STUDY_NAME,
    Object,
    anchor_selector,
    submission_selector,
)
from stilts_core.engine.kubernetes.marks import condition, created, deleting_since, when
from stilts_core.engine.kubernetes.pod_state import end_of, has_ended, running_since, short, wait_of
from stilts_core.engine.states import State, Status
from stilts_core.errors import ClusterError
from stilts_core.planning.plan import Plan
from stilts_core.spec.profile import Placement, Profile
from stilts_core.stages.snapshot import Phase


@dataclass(frozen=True, slots=True)
class Submitted:
    """A study that was submitted: its anchor."""

    anchor: Object

    @property
    def name(self) -> str:
        return str(self.anchor["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.anchor["metadata"]["uid"])

    @property
    def plan_digest(self) -> str:
        """Of the plan that was submitted; empty where the driver takes the one that it finds."""
        return str((self.anchor["metadata"].get("annotations") or {}).get(PLAN_DIGEST, ""))

    @property
    def outcome(self) -> tuple[Outcome, str] | None:
        """How its driver has brought it to an end, and the counts of its stages."""
        return read_outcome(self.anchor)

    def placement(self) -> Placement:
        """The placement that its driver and its stages have.

        Raises:
            ClusterError: another version of stilts wrote it, or somebody has changed it.
        """
        try:
            return Profile.model_validate(yaml.safe_load(self.anchor["data"][PROFILE_FILE])).spec
        except (KeyError, TypeError, yaml.YAMLError, ValidationError) as error:
            raise ClusterError(
                f"The profile in the ConfigMap {self.name} cannot be read by this version of stilts.",
                hint="Cancel the study and submit it again: what has committed is kept.",
            ) from error


def find_submitted(cluster: Cluster, study: str) -> list[Submitted]:
    """Everything that was submitted of a study of this name, the oldest first.

    Raises:
        ClusterError: the cluster cannot be asked.
    """
    found = cluster.list(CONFIG_MAPS, labels=submission_selector(study)).items
    named = [each for each in found if (each["metadata"].get("annotations") or {}).get(STUDY_NAME) == study]
    return [Submitted(each) for each in sorted(named, key=lambda each: (created(each), each["metadata"]["name"]))]


def choose_submitted(found: Sequence[Submitted], plan: Plan) -> Submitted | None:
    """The submission of a plan: that of `stilts submit`, else another of the same plan, else one that names no plan."""
    digest = plan.digest()
    own = names.study_name(plan.name, digest)
    for matching in (
        [each for each in found if each.name == own],
        [each for each in found if each.plan_digest == digest],
        [each for each in found if not each.plan_digest],
    ):
        if matching:
            return matching[-1]
    return None


def driver_job(cluster: Cluster, submitted: Submitted) -> Object | None:
    """The Job of its driver, whoever made it."""
    found = cluster.list(JOBS, labels=anchor_selector(submitted.name, DRIVER)).items
    return max(found, key=created, default=None)


def driver_pods(cluster: Cluster, submitted: Submitted) -> list[Object]:
    """The pods of its driver, the oldest first."""
    return sorted(cluster.list(PODS, labels=anchor_selector(submitted.name, DRIVER)).items, key=created)


def is_over(job: Object) -> bool:
    """No pod of the Job will run any more."""
    return any(condition(job, kind) for kind in ("Complete", "Failed"))


def driver_status(submitted: Submitted, job: Object | None, pods: Sequence[Object], events: Sequence[Object]) -> Status:
    """How a study's driver is, as the status of a stage.

    Args:
        pods: the driver's, the oldest first.
        events: warnings about Jobs whose pods cannot be created.
    """
    if job is None:
        return _without_job(submitted)
    if deleting_since(job) is not None:
        return Status(State.CANCELLED, "it is being ended", since=deleting_since(job))
    ended = condition(job, "Complete") or condition(job, "Failed")
    if ended is not None:
        return _ended(submitted, ended, pods)
    live = [pod for pod in pods if not has_ended(pod)]
    if not live:
        said = [short(each.get("message")) for each in events if _about(each, job)]
        if said:
            why = f"its pod cannot be created: {said[-1].removeprefix('Error creating: ')}"
            return Status(State.QUEUED, why, since=created(job))
        failed = f", again after: {end_of(pods[-1]).reason}" if pods else ""
        return Status(State.QUEUED, f"for its pod{failed}", since=created(job))
    since = running_since(live[-1])
    if since is not None:
        return Status(State.RUNNING, since=since)
    wait = wait_of(live[-1])
    return Status(State.QUEUED if wait.phase is Phase.QUEUED else State.STARTING, wait.why, since=wait.since)


def _without_job(submitted: Submitted) -> Status:
    outcome = submitted.outcome
    if outcome is None:
        return Status(State.CANCELLED, "its Job is not there; `stilts submit` makes it")
    return Status(State.DONE if outcome[0] is Outcome.DONE else State.FAILED, outcome[1])


def _ended(submitted: Submitted, ended: Object, pods: Sequence[Object]) -> Status:
    at, outcome = when(ended.get("lastTransitionTime")), submitted.outcome
    if outcome is not None:
        return Status(State.DONE if outcome[0] is Outcome.DONE else State.FAILED, outcome[1], since=at)
    if ended["type"] == "Complete":
        return Status(State.DONE, since=at)
    end = end_of(pods[-1]) if pods else None
    why = end.reason if end is not None and end.reason else short(ended.get("message"))
    return Status(State.FAILED, why, exit_code=None if end is None else end.code, since=at)


def _about(event: Object, job: Object) -> bool:
    return bool((event.get("involvedObject") or {}).get("uid") == job["metadata"]["uid"])
