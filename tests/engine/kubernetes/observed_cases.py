"""What a cluster shows of an attempt, and what is to be seen in it: the cases of `test_observe`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cluster_objects import (
    BEGAN,
    FP,
    Object,
    condition,
    ended,
    event,
    failed,
    job,
    job_set,
    pod,
    waiting,
    workload,
)

from stilts_core.engine.kubernetes.observe import Objects, Record, Seen, observe
from stilts_core.errors import EXIT_CODES, Budget
from stilts_core.stages.snapshot import Phase
from stilts_core.storage.attempts import Heartbeat, Outcome
from stilts_core.storage.manifest import Attempt

LOST = 120.0
OVER_QUOTA = 'pods "job-1-0-" is forbidden: exceeded quota: few, requested: cpu=4, used: cpu=8'
HIGHER = "Preempted to accommodate a workload of higher priority"
EXIT_65 = "Container stage for pod lab/job-1-0-x failed with exit code 65 matching FailJob rule at index 0"
NO_NODE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
PREEMPTION = f"{NO_NODE} preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
STORED = Attempt(number=1, token="aa")
DISRUPTED = condition("DisruptionTarget", "EvictionByEvictionAPI", "Eviction API: evicting", after=45)


def heartbeat(after: float, **fields: object) -> Heartbeat:
    when = datetime.fromtimestamp(BEGAN + after, UTC)
    return Heartbeat(updated=when, since=datetime.fromtimestamp(BEGAN + 11, UTC), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """Objects, and what is to be seen of them 100 seconds after `BEGAN`."""

    name: str
    phase: Phase | None
    why: str = ""
    jobs: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    gone: Sequence[Object] = ()
    job_sets: Sequence[Object] = ()
    events: Sequence[Object] = ()
    workloads: Sequence[Object] = ()
    record: Record | None = None
    now: float = 100.0
    code: int | None = None
    budget: Budget | None = None
    since: float | None = None
    fields: dict[str, object] = field(default_factory=dict)


def see(case: Case) -> list[Seen]:
    objects = Objects(case.jobs, case.pods, case.gone, case.job_sets, case.events, case.workloads)
    records = {(FP, 1): case.record} if case.record else {}
    return observe(objects, [FP], records, lost_after=LOST, now=BEGAN + case.now)


LIVE = [
    Case("just made", Phase.QUEUED, "for its pods", jobs=[job()], since=0),
    Case(
        "unschedulable",
        Phase.QUEUED,
        "no node takes it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
        jobs=[job()],
        pods=[
            pod(
                0,
                condition("PodScheduled", "Unschedulable", PREEMPTION, status="False", after=3),
                phase="Pending",
                node="",
                state={},
            )
        ],
        since=3,
    ),
    Case(
        "not looked at by the scheduler yet",
        Phase.QUEUED,
        "for a node",
        jobs=[job()],
        pods=[pod(0, condition("Initialized"), phase="Pending", node="", state={})],
    ),
    Case(
        "image",
        Phase.QUEUED,
        'the image stilts-train:1 cannot be pulled: Back-off pulling image "stilts-train:1": not found',
        jobs=[job()],
        pods=[
            pod(
                phase="Pending",
                state=waiting("ImagePullBackOff", 'Back-off pulling image "stilts-train:1": not found'),
            )
        ],
    ),
    Case(
        "secret",
        Phase.QUEUED,
        'its container cannot be made: secret "s3" not found',
        jobs=[job()],
        pods=[pod(phase="Pending", state=waiting("CreateContainerConfigError", 'secret "s3" not found'))],
    ),
    Case(
        "being made",
        Phase.STARTING,
        "its container is being made on node-a",
        jobs=[job()],
        pods=[pod(phase="Pending", state=waiting("ContainerCreating", ""))],
        since=2,
    ),
    Case(
        "quota",
        Phase.QUEUED,
        f"its pods cannot be created: {OVER_QUOTA}",
        jobs=[job()],
        events=[
            event("Error creating: older", 5),
            event(
                'Error creating: pods "job-1-0-" is forbidden: exceeded quota: few, requested: cpu=4, used: cpu=8', 9
            ),
            event("Error creating: of another", 20, job_uid="other"),
        ],
    ),
    Case("started, not heard of", Phase.STARTING, "its pod has started", jobs=[job()], pods=[pod()], since=10),
    Case(
        "running",
        Phase.RUNNING,
        "",
        jobs=[job()],
        pods=[pod()],
        record=Record(STORED, heartbeat(95, step=3, total=9)),
        since=11,
    ),
    Case(
        "heard of before this pod",
        Phase.STARTING,
        "its pod has started",
        jobs=[job()],
        pods=[pod()],
        record=Record(STORED, heartbeat(5)),
    ),
    Case(
        "silent",
        Phase.RUNNING,
        "no word from it since",
        jobs=[job()],
        pods=[pod()],
        record=Record(STORED, heartbeat(20)),
    ),
    Case(
        "node does not answer",
        Phase.RUNNING,
        "the node node-a does not answer",
        jobs=[job()],
        pods=[pod(0, condition("Ready", status="False"), condition("ContainersReady"))],
    ),
    Case(
        "one of two pods waits",
        Phase.QUEUED,
        "no node takes it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu (1 of its 2 pods wait)",
        jobs=[job(nodes=2)],
        pods=[
            pod(0),
            pod(
                1,
                condition("PodScheduled", "Unschedulable", NO_NODE, status="False"),
                phase="Pending",
                node="",
                state={},
            ),
        ],
    ),
    Case(
        "in a queue",
        Phase.QUEUED,
        "in the queue gpus: couldn't assign flavors to pod set main: insufficient unused quota",
        jobs=[job(condition("Suspended", "JobSuspended"), suspend=True, queue="gpus")],
        workloads=[
            workload(
                condition(
                    "QuotaReserved",
                    "WaitingForQuota",
                    "couldn't assign flavors to pod set main: insufficient unused quota",
                    status="False",
                    after=4,
                )
            )
        ],
        since=4,
    ),
    Case(
        "suspended, and nobody says why",
        Phase.QUEUED,
        "its Job is suspended",
        jobs=[job(condition("Suspended", "JobSuspended", after=2), suspend=True)],
        since=2,
    ),
    Case(
        "preempted in its queue",
        Phase.EVICTED,
        f"preempted in its queue: {HIGHER}; its pods are ending",
        jobs=[job(condition("Suspended", "JobSuspended"), suspend=True, queue="gpus")],
        pods=[pod(deleted=200)],
        workloads=[workload(condition("Evicted", "Preempted", HIGHER, after=30))],
        since=30,
    ),
    Case(
        "evicted, its pod has said 75",
        Phase.EVICTED,
        "preempted in its queue",
        jobs=[job(suspend=True)],
        pods=[ended(75, deleted=60)],
        workloads=[workload(condition("Evicted", "Preempted", after=30))],
    ),
    Case(
        "suspended after it had run",
        Phase.EVICTED,
        "its Job is suspended",
        jobs=[job(suspend=True)],
        record=Record(STORED, heartbeat(20)),
    ),
    Case(
        "failed, and the Job has not said so",
        Phase.RUNNING,
        "it has ended, and the cluster is about to say how",
        jobs=[job()],
        pods=[ended(70)],
    ),
    Case(
        "one of two failed, the other is ending",
        Phase.RUNNING,
        "it has ended, and the cluster is about to say how",
        jobs=[job(condition("FailureTarget", "PodFailurePolicy"), nodes=2)],
        pods=[ended(70), pod(1, deleted=90)],
    ),
    Case(
        "deleted Job, pod ending",
        Phase.RUNNING,
        "its Job was deleted, and its pods are ending",
        pods=[pod(deleted=90)],
    ),
    Case("Job being deleted", Phase.RUNNING, "it is being deleted", jobs=[job(deleting=True)], pods=[pod(deleted=90)]),
    Case("Job being deleted, no pods", Phase.QUEUED, "its Job is being deleted", jobs=[job(deleting=True)]),
    Case(
        "terminating within its time",
        Phase.RUNNING,
        "",
        jobs=[job()],
        pods=[pod(0, DISRUPTED, deleted=50)],
        record=Record(STORED, heartbeat(95)),
    ),
]

ENDED = [
    Case("succeeded", Phase.ENDED, jobs=[job(condition("Complete", after=55))], pods=[ended(0)], code=0, since=55),
    Case("succeeded, the Job has not said so", Phase.ENDED, jobs=[job()], pods=[ended(0)], code=0, since=50),
    Case("succeeded, pod gone", Phase.ENDED, jobs=[job(condition("Complete"))], code=0),
    *(
        Case(
            f"exit {code}",
            Phase.ENDED,
            "A sentence.",
            jobs=[job(failed())],
            pods=[ended(code, told="A sentence.", stored="001-aar01")],
            code=code,
        )
        for code in (*EXIT_CODES, 1, 2)
        if code
    ),
    Case("killed", Phase.ENDED, jobs=[job(failed("BackoffLimitExceeded"))], pods=[ended(137)], code=-9),
    Case(
        "killed while it printed",
        Phase.ENDED,
        jobs=[job(failed("BackoffLimitExceeded"))],
        pods=[ended(137, printed="10:00:00 step 7\n10:00:01 step 8\n")],
        code=-9,
    ),
    Case(
        "never began",
        Phase.ENDED,
        "ModuleNotFoundError: No module named 'stilts_core'",
        jobs=[job(failed("BackoffLimitExceeded"))],
        pods=[ended(1, printed="Traceback:\n  a\n  b\n  c\nModuleNotFoundError: No module named 'stilts_core'\n")],
        code=1,
    ),
    Case(
        "out of memory",
        Phase.ENDED,
        "memory ran out: the kernel killed the pod's main process (node node-a); raise its memory in the profile",
        jobs=[job(failed("BackoffLimitExceeded"))],
        pods=[ended(137, how="OOMKilled")],
        code=71,
    ),
    Case(
        "a child out of memory, as the supervisor says",
        Phase.ENDED,
        "Memory ran out at step 7 of 9.",
        jobs=[job(failed())],
        pods=[ended(71, how="OOMKilled", told="Memory ran out at step 7 of 9.")],
        code=71,
    ),
    Case(
        "a child out of memory",
        Phase.ENDED,
        jobs=[job(condition("Complete"))],
        pods=[ended(0, how="OOMKilled")],
        code=0,
    ),
    Case(
        "evicted by the API",
        Phase.ENDED,
        "taken away by the cluster: Eviction API: evicting (node node-a)",
        jobs=[job(failed())],
        pods=[ended(75, 0, DISRUPTED)],
        code=75,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "evicted, and killed after its grace period",
        Phase.ENDED,
        "taken away by the cluster",
        jobs=[job(failed())],
        pods=[ended(137, 0, DISRUPTED, deleted=45)],
        code=-9,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "preempted by the scheduler",
        Phase.ENDED,
        "taken away by the cluster: default-scheduler: preempting to accommodate a higher priority pod",
        jobs=[job(failed())],
        pods=[
            ended(
                143,
                0,
                condition(
                    "DisruptionTarget",
                    "PreemptionByScheduler",
                    "default-scheduler: preempting to accommodate a higher priority pod",
                ),
            )
        ],
        code=-15,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "node under pressure",
        Phase.ENDED,
        "evicted: The node was low on resource: memory (node node-a)",
        jobs=[job(failed())],
        pods=[
            ended(
                137,
                0,
                condition("DisruptionTarget", "TerminationByKubelet"),
                reason="Evicted",
                message="The node was low on resource: memory.",
            )
        ],
        code=-9,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "refused by its node",
        Phase.ENDED,
        "its node did not take it (UnexpectedAdmissionError): Allocate failed (node node-a)",
        jobs=[job(failed("BackoffLimitExceeded"))],
        pods=[pod(phase="Failed", state={}, reason="UnexpectedAdmissionError", message="Allocate failed")],
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "node came back without it",
        Phase.ENDED,
        "its node lost sight of it (node node-a)",
        jobs=[job(failed("BackoffLimitExceeded"))],
        pods=[ended(137, how="ContainerStatusUnknown")],
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "node gone",
        Phase.ENDED,
        "the node node-a is gone: its pod has not ended in time, and is not waited for",
        jobs=[job(condition("FailureTarget"))],
        pods=[pod(0, DISRUPTED, deleted=40)],
        now=161,
        budget=Budget.INFRASTRUCTURE,
        since=160,
    ),
    Case(
        "node gone, one of two",
        Phase.ENDED,
        "the node node-b is gone",
        jobs=[job(nodes=2)],
        pods=[pod(0), pod(1, node="node-b", deleted=40)],
        now=161,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "node gone, its Job deleted",
        Phase.ENDED,
        "the node node-a is gone",
        pods=[pod(deleted=40)],
        now=161,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "pod deleted, stopped in time, seen",
        Phase.ENDED,
        "",
        jobs=[job(failed("BackoffLimitExceeded"))],
        gone=[ended(75, deleted=45)],
        code=75,
    ),
    Case(
        "pod deleted and killed, seen",
        Phase.ENDED,
        "its pod was deleted",
        jobs=[job(failed("BackoffLimitExceeded"))],
        gone=[ended(137, deleted=45)],
        code=-9,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "pod deleted, unseen, in the store",
        Phase.ENDED,
        "The loss is not a number.",
        jobs=[job(failed("BackoffLimitExceeded"))],
        record=Record(STORED, None, Outcome(exit_code=70, message="The loss is not a number.")),
        code=70,
    ),
    Case(
        "pod deleted, nothing known",
        Phase.ENDED,
        "its pod was deleted before anybody saw how it ended",
        jobs=[job(failed("BackoffLimitExceeded"))],
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "pod gone, the Job knows the code",
        Phase.ENDED,
        jobs=[job(failed(message=EXIT_65))],
        code=65,
    ),
    Case(
        "pod gone, the Job knows of a disruption",
        Phase.ENDED,
        "taken away by the cluster",
        jobs=[job(failed(message="Pod lab/x has condition DisruptionTarget matching FailJob rule at index 1"))],
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "too long",
        Phase.ENDED,
        "it ran for longer than `deadline_seconds` of the profile allows",
        jobs=[job(failed("DeadlineExceeded"))],
        gone=[ended(75, deleted=45)],
        budget=Budget.APPLICATION,
    ),
    Case(
        "of two, the one that did not follow",
        Phase.ENDED,
        "The loss is not a number.",
        jobs=[job(failed(), nodes=2)],
        pods=[ended(74, 0, finished=48, told="They did not meet."), ended(70, 1, told="The loss is not a number.")],
        code=70,
    ),
    Case(
        "of three, the first",
        Phase.ENDED,
        jobs=[job(failed(), nodes=3)],
        pods=[ended(1, 0, finished=52), ended(137, 1, finished=49), ended(75, 2, finished=48)],
        code=-9,
    ),
    Case(
        "of two, the one that was taken away",
        Phase.ENDED,
        "taken away by the cluster",
        jobs=[job(failed(), nodes=2)],
        pods=[ended(75, 0, DISRUPTED), ended(76, 1, finished=55)],
        code=75,
        budget=Budget.INFRASTRUCTURE,
    ),
    Case(
        "a JobSet that failed",
        Phase.ENDED,
        "",
        job_sets=[job_set(condition("Failed", "FailedJobs"))],
        jobs=[job(failed())],
        pods=[ended(73)],
        code=73,
    ),
    Case("a JobSet that is done", Phase.ENDED, job_sets=[job_set(condition("Completed"))], code=0),
]

NOTHING = [
    Case("no objects", None),
    Case("the pod of a deleted Job, ended", None, pods=[ended(75, deleted=40)]),
    Case("of another plan", None, jobs=[job() | {"metadata": {**job()["metadata"], "labels": {}}}]),
]
