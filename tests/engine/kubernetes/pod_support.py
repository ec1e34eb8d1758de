"""Stage pods as processes of this machine: the real supervisor, with everything that a pod gives it in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_core.planning.plan import Plan, Stage
from stilts_core.storage.base import Store
from stilts_core.storage.manifest import Attempt
from stilts_core.storage.open import open_store

STAGES = (Path(__file__).parent, Path(__file__).parents[1])
"""Folders of the stage kinds for tests."""

FIRST = Attempt(number=1, token="3fa9c1")
PATIENCE = 200.0


@dataclass
class Pod:
    """A running supervisor."""

    folder: Path
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    @property
    def message(self) -> str:
        """The termination message without its last line."""
        return self._message()[0]

    @property
    def document(self) -> dict[str, Any]:
        """The last line of the termination message."""
        document: dict[str, Any] = json.loads(self._message()[1])
        return document

    def _message(self) -> tuple[str, str]:
        data = (self.folder / "termination-log").read_bytes()
        assert len(data) <= 4096
        sentence, _, line = data.decode().strip().rpartition("\n")
        return sentence, line


@dataclass
class Cluster:
    """Starts pods for the stages of one plan.

    Attributes:
        uri: of the store.
    """

    folder: Path
    uri: str
    plan: Plan
    environment: Mapping[str, str] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return open_store(self.uri)

    @property
    def stage(self) -> Stage:
        return self.plan.stages[-1]

    def put_plan(self, uri: str | None = None) -> None:
        open_store(uri or self.uri).put("plan.json", self.plan.model_dump_json().encode())

    def command(self, folder: Path, **changes: object) -> list[str]:
        options: dict[str, object] = {
            "store": self.uri,
            "plan": f"{self.uri}/plan.json",
            "plan-digest": self.plan.digest(),
            "stage": self.stage.fingerprint,
            "attempt": FIRST.folder,
            "work": folder / "work",
            "termination-log": folder / "termination-log",
            "cgroup": folder / "cgroup",
            "registry": "engine_fake_stages",
            "grace": 10,
        }
        options |= {name.replace("_", "-"): value for name, value in changes.items()}
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return [sys.executable, "-m", "stilts_core.engine.kubernetes.supervisor", *given]

    def start(self, *, index: int = 0, command: list[str] | None = None, **changes: object) -> Pod:
        folder = self.folder / f"pod-{len(self.pods)}"
        (folder / "cgroup").mkdir(parents=True)
        environment = {
            **os.environ,
            **self.environment,
            "PYTHONPATH": os.pathsep.join([*map(str, STAGES), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
            "JOB_COMPLETION_INDEX": str(index),
        }
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command or self.command(folder, **changes),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.pods.append(Pod(folder, process))
        return self.pods[-1]

    def close(self) -> None:
        for pod in self.pods:
            pod.process.kill()
            pod.process.wait()
