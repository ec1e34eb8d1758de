"""A Job controller and a kubelet for tests: what they do to the objects of `fake_api`, and stages to the store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fake_api import FakeApi, Object

from stilts_core.engine.kubernetes.labels import STORED_ATTEMPT, WHOLE_FINGERPRINT
from stilts_core.storage.attempts import Heartbeat, Outcome, parse_attempt, record_outcome, write_heartbeat
from stilts_core.storage.base import Store
from stilts_core.storage.commit import commit_stage
from stilts_core.storage.manifest import Attempt

Deed = Callable[[str, int], int | None]
"""What a stage does, by fingerprint and number of the attempt: its exit code; None: it goes on for ever."""


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Play:
    """Works off every Job that is created.

    Attributes:
        made: fingerprint and number of every attempt, as they were made.
        hold: Jobs are left as they are.
    """

    api: FakeApi
    store: Store
    folder: Path
    deed: Deed = lambda fingerprint, number: 0
    submission: str = "anchor-uid"
    made: list[tuple[str, int]] = field(default_factory=list)
    hold: bool = False
    over: bool = False
    thread: threading.Thread | None = None

    def __enter__(self) -> Play:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        with self.api.changed:
            self.api.changed.notify_all()
        if self.thread:
            self.thread.join(10.0)

    def _run(self) -> None:
        done: set[str] = set()
        while not self.over:
            with self.api.changed:
                jobs = [
                    job for job in self.api.objects.get("jobs", {}).values() if "driver" not in job["metadata"]["name"]
                ]
                fresh = [job for job in jobs if job["metadata"]["uid"] not in done]
                if not fresh or self.hold:
                    self.api.changed.wait(0.2)
                    continue
            for job in fresh:
                done.add(job["metadata"]["uid"])
                fingerprint, number, _ = identify(job)
                self.made.append((fingerprint, number))
                self.work(job)

    def work(self, job: Object) -> None:
        """Run a Job's pod from its beginning to its end."""
        fingerprint, number, attempt = identify(job)
        code = self.deed(fingerprint, number)
        self.api.put("pods", pod_of(job, {"running": {"startedAt": stamp()}}, "Running"))
        write_heartbeat(self.store, fingerprint, attempt, Heartbeat(updated=datetime.now(UTC), step=1, total=2))
        if code is None:
            return
        if code == 0:
            self.commit(fingerprint, attempt)
        elif code != 137:
            record_outcome(
                self.store,
                fingerprint,
                attempt,
                Outcome(
                    exit_code=code,
                    message=f"It ended with {code}.",
                    finished=datetime.now(UTC),
                    submission=self.submission,
                ),
            )
        self.end(job, code)

    def commit(self, fingerprint: str, attempt: Attempt) -> None:
        out = self.folder / attempt.folder
        out.mkdir(parents=True, exist_ok=True)
        (out / "result.txt").write_text(fingerprint)
        run = {"finished": datetime.now(UTC).isoformat()}
        commit_stage(self.store, stage={}, fingerprint=fingerprint, attempt=attempt, folder=out, metrics={}, run=run)

    def end(self, job: Object, code: int) -> None:
        """Let a Job's pod end, and say so on the Job."""
        told = json.dumps({"code": code, "step": 1, "total": 2, "attempt": identify(job)[2].folder})
        state = {
            "terminated": {
                "exitCode": code,
                "reason": "Error",
                "finishedAt": stamp(),
                "message": f"It ended with {code}.\n{told}" if code not in (0, 137) else "",
            }
        }
        self.api.put("pods", pod_of(job, state, "Failed" if code else "Succeeded"))
        kind, reason = ("Failed", "PodFailurePolicy") if code else ("Complete", "CompletionsReached")
        ended = {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": stamp()}
        if job["metadata"]["name"] in self.api.objects.get("jobs", {}):
            self.api.put("jobs", {**job, "status": {"conditions": [ended]}})


def identified(job: Object) -> bool:
    """It stands for an attempt at a stage."""
    return STORED_ATTEMPT in job["metadata"].get("annotations", {})


def identify(job: Object) -> tuple[str, int, Attempt]:
    annotations = job["metadata"]["annotations"]
    attempt = parse_attempt(annotations[STORED_ATTEMPT])
    return annotations[WHOLE_FINGERPRINT], attempt.number, attempt


def pod_of(job: Object, state: Object, phase: str, **status: object) -> Object:
    metadata = {"name": f"{job['metadata']['name']}-0-x", "labels": job["metadata"]["labels"]}
    conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp()}]
    containers = [{"name": "stage", "image": "stilts-train", "state": state}]
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-a"},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": containers, **status},
    }
