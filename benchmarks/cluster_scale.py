"""What a driver costs a cluster, and how soon it follows a commit: stages that only commit, on nodes of the API alone.

    make bench-cluster            or: PYTHONPATH=tests python benchmarks/cluster_scale.py [--stages 500] [--window 50]

The API server, its controllers, the scheduler, the S3 server and the driver are real. Nodes exist in the API alone, and
this program is their kubelet: a pod that is scheduled commits its stage at once and ends. So a stage takes no time, and
everything that is measured is what Kubernetes and the driver take. The plan is a band of ``--window`` chains; a stage
follows the one before it in its chain and the one before that of the next chain, so the window holds nothing up.

Prints API writes and reads per stage (of the driver alone), the driver's peak memory and CPU seconds, and the time from
the last parent's commit to the moment when the child's Job is seen, median and 99th percentile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, JOBS, LEASES, NAMESPACES, NODES, PODS, Kind
from stilts_core.engine.kubernetes.labels import WHOLE_FINGERPRINT
from stilts_core.engine.kubernetes.launch import kubernetes_driver
from stilts_core.engine.kubernetes.refusals import ExpiredError
from stilts_core.engine.kubernetes.render import StudySource, Submission, render_submission
from stilts_core.engine.states import GOOD
from stilts_core.errors import ClusterError
from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import Plan, Stage, StageKind, fingerprint
from stilts_core.spec.profile import Placement
from stilts_core.storage.attempts import parse_attempt
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage
from stilts_core.storage.open import open_store

MOST_MEDIAN, MOST_P99 = 2.0, 5.0
NAMESPACE, BUCKET = "stilts-bench", "bench"
NODE_COUNT, HEARTBEAT_SECONDS = 5, 3.0
_MARK = {"stilts/bench": "true"}
_TAINT = {"key": "stilts/bench", "value": "true", "effect": "NoSchedule"}
_KUBELETS = 16
_SELECTOR = "app.kubernetes.io/component=stage"

Object = dict[str, Any]


def band(count: int, width: int) -> Plan:
    """``width`` chains, each stage after its neighbours of the row before."""
    rows: list[list[Stage]] = []
    for index in range(count):
        row, column = divmod(index, width)
        if not column:
            rows.append([])
        above = rows[row - 1] if row else []
        parents = {f"in/{each}": above[(column + each) % width].fingerprint for each in range(2 if above else 0)}
        params = TokenizerParams(vocabulary=300 + index, max_length=16)
        rows[row].append(
            Stage(
                fingerprint=fingerprint(StageKind.PREPARE, params, parents),
                kind=StageKind.PREPARE,
                version=1,
                params=params,
                parents=parents,
                label=f"row {row} column {column}",
            )
        )
    stages = tuple(stage for stages in rows for stage in stages)
    return Plan(name="bench", protocol="jiant", data_root="", study={}, stages=stages, cells=())


def placement_of(store: str, endpoint: str, window: int) -> Placement:
    compute = {"cpu": "1", "memory": "4Gi"}
    tolerations = [{"key": _TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}]
    return Placement.model_validate(
        {
            "store": {"uri": store, "s3": {"endpoint": endpoint, "region": "us-east-1"}},
            "kubernetes": {
                "namespace": NAMESPACE,
                "window": window,
                "pods": {"prepare": compute},
                "cpu_pods": {"node_selector": _MARK, "tolerations": tolerations},
            },
        }
    )


class Counting:
    """A pool of connections that counts what goes through it."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.methods: Counter[str] = Counter()

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.methods[method] += 1
        return self._pool.request(method, url, **options)


class Silence:
    """A listener of the driver."""

    def update(self, statuses: Any, observations: Any) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"driver: {text}\n")


def drive(folder: Path) -> None:
    """Be the driver: its own process, so that memory and calls are its own. Prints what it took."""
    told = json.loads((folder / "told.json").read_text())
    plan = Plan.model_validate_json((folder / "plan.json").read_text())
    placement = placement_of(told["store"], told["endpoint"], told["window"])
    cluster = Cluster.connect(kubeconfig=Path(told["kubeconfig"]), namespace=NAMESPACE)
    counting = Counting(cluster._endpoint.pool)
    cluster._endpoint = replace(cluster._endpoint, pool=counting)  # type: ignore[arg-type]
    store = open_store(told["store"], placement.store.s3)
    submission = Submission(**told["submission"])
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with kubernetes_driver(plan, store, cluster, submission, placement, Silence()) as driver:
        statuses = driver.run()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "done": sum(status.state in GOOD for status in statuses.values()),
                "calls": counting.methods,
                "peak_mib": used.ru_maxrss / 1024,
                "idle_mib": idle / 1024,
                "cpu_seconds": used.ru_utime + used.ru_stime,
            }
        )
    )


@dataclass
class Kubelets:
    """What the pods' nodes do: commit, say that the pod has ended, and keep the times of both ends.

    Attributes:
        committed: fingerprint → when its manifest was there.
        created: fingerprint → when its Job was first seen.
    """

    cluster: Cluster
    store: Store
    stages: dict[str, Stage]
    committed: dict[str, float] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with ThreadPoolExecutor(_KUBELETS) as pool:
            watchers = [
                threading.Thread(target=self._watch, args=(JOBS, self._see_job), daemon=True),
                threading.Thread(target=self._watch, args=(PODS, lambda pod: self._see_pod(pod, pool)), daemon=True),
                threading.Thread(target=self._beat, daemon=True),
            ]
            for watcher in watchers:
                watcher.start()
            try:
                yield
            finally:
                self._over.set()

    def _watch(self, kind: Kind, seen: Callable[[Object], None]) -> None:
        while not self._over.is_set():
            try:
                listed = self.cluster.list(kind, labels=_SELECTOR)
                for found in listed.items:
                    seen(found)
                for event, found in self.cluster.watch(kind, listed.version, labels=_SELECTOR):
                    if event in {"ADDED", "MODIFIED"}:
                        seen(found)
            except (ExpiredError, ClusterError):
                time.sleep(0.2)

    def _see_job(self, job: Object) -> None:
        self.created.setdefault(job["metadata"]["annotations"][WHOLE_FINGERPRINT], time.monotonic())

    def _see_pod(self, pod: Object, pool: ThreadPoolExecutor) -> None:
        uid = pod["metadata"]["uid"]
        if uid not in self._taken and pod["spec"].get("nodeName") and not self._over.is_set():
            self._taken.add(uid)
            pool.submit(self._run, pod)

    def _run(self, pod: Object) -> None:
        command = pod["spec"]["containers"][0]["command"]
        orders = dict(itertools.pairwise(command))
        stage, attempt = self.stages[orders["--stage"]], parse_attempt(orders["--attempt"])
        began = _now()
        self._tell(pod, {"phase": "Running", "startTime": began}, {"running": {"startedAt": began}})
        with tempfile.TemporaryDirectory() as folder:
            commit_stage(
                self.store,
                stage=stage.model_dump(mode="json"),
                fingerprint=stage.fingerprint,
                attempt=attempt,
                folder=Path(folder),
                metrics={},
                run={},
            )
        self.committed[stage.fingerprint] = time.monotonic()
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": _now()}
        self._tell(pod, {"phase": "Succeeded"}, {"terminated": ended})

    def _tell(self, pod: Object, status: Object, state: Object) -> None:
        container = pod["spec"]["containers"][0]
        described = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        described |= {"ready": "running" in state, "state": state}
        self.cluster.patch(
            PODS, f"{pod['metadata']['name']}/status", {"status": {**status, "containerStatuses": [described]}}
        )

    def _beat(self) -> None:
        """Keep the nodes alive."""
        leases = Cluster(self.cluster._endpoint, "kube-node-lease")
        while not self._over.wait(HEARTBEAT_SECONDS):
            for index in range(NODE_COUNT):
                leases.patch(LEASES, _node_name(index), {"spec": {"renewTime": _now(micro=True)}})


@contextmanager
def nodes(cluster: Cluster) -> Iterator[None]:
    """Nodes that exist in the API alone, for nobody else's pods."""
    leases = Cluster(cluster._endpoint, "kube-node-lease")
    room = {"cpu": "64", "memory": "512Gi", "pods": "110", "ephemeral-storage": "4Ti"}
    names = [_node_name(index) for index in range(NODE_COUNT)]
    try:
        for name in names:
            labels = {**_MARK, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
            about = {"metadata": {"name": name, "labels": labels}, "spec": {"taints": [_TAINT]}}
            cluster.create(NODES, {"apiVersion": "v1", "kind": "Node", **about})
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
            cluster.patch(
                NODES, f"{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}}
            )
            spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _now(micro=True)}
            leases.create(
                LEASES,
                {
                    "apiVersion": LEASES.api_version,
                    "kind": "Lease",
                    "metadata": {"name": name, "namespace": leases.namespace},
                    "spec": spec,
                },
            )
        yield
    finally:
        for name in names:
            cluster.delete(NODES, name)
            leases.delete(LEASES, name)


def _node_name(index: int) -> str:
    return f"stilts-bench-{index}"


def _now(*, micro: bool = False) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def namespace(cluster: Cluster) -> Iterator[None]:
    cluster.delete(NAMESPACES, NAMESPACE)
    while cluster.get(NAMESPACES, NAMESPACE) is not None:
        time.sleep(0.5)
    cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        yield
    finally:
        cluster.delete(NAMESPACES, NAMESPACE)


def submit(cluster: Cluster, placement: Placement, plan: Plan, store: Store) -> Submission:
    """The study's anchor, and the account of its stages; the driver is not in the cluster here."""
    accounts = Kind("", "v1", "serviceaccounts")
    account = {"name": placement.kubernetes.service_accounts.stages, "namespace": NAMESPACE}
    cluster.create(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    anchor = render_submission(StudySource(plan.name, "", plan.digest()), placement, NAMESPACE)[0]
    made = cluster.create(CONFIG_MAPS, anchor)
    if made is None:
        raise ClusterError("the benchmark's anchor is there already")
    return Submission(
        study=plan.name,
        plan_digest=plan.digest(),
        anchor=anchor["metadata"]["name"],
        anchor_uid=made["metadata"]["uid"],
        namespace=NAMESPACE,
        store=store.uri,
        plan=f"{store.uri}/plan.json",
    )


def measure(kubeconfig: Path, endpoint: str, count: int, window: int) -> Object:
    cluster = Cluster.connect(kubeconfig=kubeconfig, namespace=NAMESPACE)
    uri = f"s3://{BUCKET}/{int(time.time())}"
    placement = placement_of(uri, endpoint, window)
    store, plan = open_store(uri, placement.store.s3), band(count, window)
    kubelets = Kubelets(cluster, store, {stage.fingerprint: stage for stage in plan.stages})
    with namespace(cluster), nodes(cluster), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        submission = submit(cluster, placement, plan, store)
        (folder / "plan.json").write_text(plan.model_dump_json())
        told = {"kubeconfig": str(kubeconfig), "store": uri, "endpoint": endpoint, "window": window}
        told["submission"] = {key: getattr(submission, key) for key in Submission.__slots__}
        (folder / "told.json").write_text(json.dumps(told))
        with kubelets.at_work():
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, __file__, "--drive", name], stdout=subprocess.PIPE, text=True, check=True
            )
            seconds = time.monotonic() - began
    driver = json.loads(done.stdout)
    waits = sorted(
        kubelets.created[stage.fingerprint] - max(kubelets.committed[parent] for parent in stage.parents.values())
        for stage in plan.stages
        if stage.parents
    )
    reads, writes = ("GET",), ("POST", "PUT", "PATCH", "DELETE")
    return {
        "stages": count,
        "done": driver["done"],
        "window": window,
        "wall_seconds": round(seconds, 1),
        "stages_a_second": round(count / seconds, 1),
        "api_writes_a_stage": round(sum(driver["calls"].get(verb, 0) for verb in writes) / count, 3),
        "api_reads_a_stage": round(sum(driver["calls"].get(verb, 0) for verb in reads) / count, 3),
        "driver_peak_mib": round(driver["peak_mib"], 1),
        "driver_before_mib": round(driver["idle_mib"], 1),
        "driver_cpu_seconds": round(driver["cpu_seconds"], 1),
        "commit_to_child": {
            "samples": len(waits),
            "median": round(statistics.median(waits), 3),
            "p99": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))], 3),
            "max": round(waits[-1], 3),
        },
        "load": round(os.getloadavg()[0], 1),
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--stages", type=int, default=500)
    parser.add_argument("--window", type=int, default=50, help="Jobs in flight")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive is not None:
        drive(arguments.drive)
        return 0
    from cluster.kubernetes import Kubernetes
    from cluster.provider import choose_provider
    from cluster.s3 import ClusterS3

    provider = choose_provider(_say)
    server = ClusterS3(Kubernetes(provider.programs["kubectl"], provider.kubeconfig)).server
    server.make_bucket(BUCKET)
    os.environ.update(server.environment)
    figures = measure(provider.kubeconfig, server.endpoint, arguments.stages, arguments.window)
    print(json.dumps(figures, indent=1))
    waits = figures["commit_to_child"]
    whole = figures["done"] == arguments.stages
    return 0 if whole and waits["median"] < MOST_MEDIAN and waits["p99"] < MOST_P99 else 1


if __name__ == "__main__":
    sys.exit(main())
