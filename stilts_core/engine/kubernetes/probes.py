"""Short Jobs that look at a cluster from where a driver and a stage would be: image, account, network, store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress

from stilts_core.engine.check import Check
from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.environment import FILES, PROFILE_FILE
from stilts_core.engine.kubernetes.jobs import job
from stilts_core.engine.kubernetes.kinds import CONFIG_MAPS, EVENTS, JOBS, PODS
from stilts_core.engine.kubernetes.labels import (
    DRIVER,
    STAGE,
    Object,
    anchor_selector,
    metadata,
    owned_by,
    study_labels,
)
from stilts_core.engine.kubernetes.pod_state import end_of, has_ended, running_since, short, wait_of
from stilts_core.engine.kubernetes.pods import PodRequest, pod_template
from stilts_core.engine.kubernetes.render import in_cluster, profile_text
from stilts_core.engine.kubernetes.sizing import driver_sizing
from stilts_core.engine.kubernetes.sources import FAILED_CREATIONS
from stilts_core.errors import ClusterError
from stilts_core.spec.profile import Placement

_KEPT_SECONDS = 300
_PAUSE_SECONDS = 0.5
_WHOSE = {DRIVER: "driver's pod", STAGE: "stage's pod"}


def render_probes(name: str, placement: Placement, namespace: str) -> list[Object]:
    """A ConfigMap with the profile, and a Job each for driver and stage.

    The pods are those of a study but for their size: the same accounts, images, mounts, labels and security.

    Raises:
        SpecError: the store is out of a cluster's reach.
    """
    placed = in_cluster(placement, namespace)
    about = metadata(name, namespace, study_labels("check", "check", name, ""))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {PROFILE_FILE: profile_text(placed)}}
    return [config, *(_probe(component, name, placed, namespace) for component in (DRIVER, STAGE))]


def run_probes(cluster: Cluster, objects: list[Object], *, seconds: float) -> Iterator[Check]:
    """Make the Jobs, wait for what they find, and delete them.

    Raises:
        ClusterError: the cluster refuses.
    """
    config, *jobs = objects
    made = cluster.apply(CONFIG_MAPS, config)
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    try:
        for each in jobs:
            cluster.create(JOBS, {**each, "metadata": {**each["metadata"], "ownerReferences": [owned_by(name, uid)]}})
        deadline = time.monotonic() + seconds
        left = {_component(each): each for each in jobs}
        while left:
            over = time.monotonic() >= deadline
            for component in list(left):
                found = list(_findings(cluster, name, component, left[component], last=over))
                if found:
                    del left[component]
                    yield from found
            if left:
                time.sleep(_PAUSE_SECONDS)
    finally:
        for each in jobs:
            cluster.delete(JOBS, each["metadata"]["name"])
        cluster.delete(CONFIG_MAPS, name)


def encode(check: Check) -> str:
    """A finding as a line of a probe's log."""
    return json.dumps(
        {"name": check.name, "detail": check.detail, "advice": check.advice, "blocks": check.blocks},
        ensure_ascii=False,
    )


def _probe(component: str, name: str, placement: Placement, namespace: str) -> Object:
    kubernetes, driver = placement.kubernetes, component == DRIVER
    labels = study_labels(component, "check", name, "")
    accounts, images = kubernetes.service_accounts, kubernetes.images
    request = PodRequest(
        name=component,
        image=images.light if driver else images.training,
        command=("stilts", "doctor", "--as", component, "--profile", f"{FILES}/{PROFILE_FILE}"),
        labels=labels,
        anchor=name,
        files=(PROFILE_FILE,),
        account=accounts.driver if driver else accounts.stages,
        token=driver,
        grace=1,
        sizing=driver_sizing(placement),
    )
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": _KEPT_SECONDS, "template": pod_template(request, kubernetes)}
    return job(metadata(f"{name}-{component}", namespace, labels), spec)


def _component(probe: Object) -> str:
    return str(probe["spec"]["template"]["spec"]["containers"][0]["name"])


def _findings(cluster: Cluster, name: str, component: str, probe: Object, *, last: bool) -> Iterator[Check]:
    """What a probe has found, once it has ended, or what it still waits for when there is no more time."""
    whose, image = _WHOSE[component], probe["spec"]["template"]["spec"]["containers"][0]["image"]
    pods = cluster.list(PODS, labels=anchor_selector(name, component)).items
    if not pods:
        refused = _refused(cluster, probe)
        if refused:
            yield Check(whose, f"it cannot be made: {refused}", "See that accounts, quota and policies allow it.", True)
        elif last:
            yield Check(whose, "it was not made in time", "See what kubectl get events says.", blocks=True)
        return
    pod = pods[-1]
    if has_ended(pod):
        yield from _read(cluster, pod, component, image)
    elif last and running_since(pod) is None:
        advice = "Run it again with more --patience where an image is large or nodes are being added; else change that."
        yield Check(whose, f"it has not begun: {wait_of(pod).why}", advice, blocks=True)
    elif last:
        yield Check(whose, "it did not end in time", "Look at the store and the network policies.", blocks=True)


def _read(cluster: Cluster, pod: Object, component: str, image: str) -> Iterator[Check]:
    whose, end = _WHOSE[component], end_of(pod)
    printed = (cluster.log(pod["metadata"]["name"], component) or b"").decode(errors="replace")
    found = [check for line in printed.splitlines() if (check := _decoded(line, whose)) is not None]
    if end.code in (0, 1) and found:
        yield Check(whose, f"it runs the image {image}")
        yield from found
        return
    said = end.reason or short(printed) or f"exit status {end.code}"
    advice = f"See that the image {image} is one of stilts, of this version."
    yield Check(whose, f"it failed: {said}", advice, blocks=True)


def _decoded(line: str, whose: str) -> Check | None:
    with suppress(ValueError, KeyError, TypeError):
        document = json.loads(line)
        name, detail = f"{whose}, {document['name']}", str(document["detail"])
        return Check(name, detail, str(document["advice"]), bool(document["blocks"]))
    return None


def _refused(cluster: Cluster, probe: Object) -> str:
    with suppress(ClusterError):
        for event in cluster.list(EVENTS, fields=FAILED_CREATIONS).items:
            if (event.get("involvedObject") or {}).get("name") == probe["metadata"]["name"]:
                return short(event.get("message")).removeprefix("Error creating: ")
    return ""
