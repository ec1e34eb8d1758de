"""kubectl as tests use it: objects in, objects out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.commands import ClusterError, run

Object = dict[str, Any]


@dataclass(frozen=True)
class Kubernetes:
    """A cluster through kubectl, in one namespace unless an argument says another.

    Attributes:
        program: kubectl.
    """

    program: Path
    kubeconfig: Path
    namespace: str = "default"

    def kubectl(self, *arguments: str, text: str = "", check: bool = True) -> str:
        """What kubectl prints.

        Raises:
            ClusterError: it failed, and ``check`` is true.
        """
        kept = self.kubeconfig.parent / "discovered"
        options = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={kept}", f"--namespace={self.namespace}")
        return run(self.program, *options, *arguments, text=text, check=check).stdout

    def get(self, *arguments: str) -> Object:
        """One object, or a list of them below ``items``."""
        found: Object = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def apply(self, *objects: Object) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", "--filename=-", text=json.dumps(listed))

    def accepts(self, *objects: Object) -> None:
        """Ask the API server whether it would take these objects; it keeps none.

        Raises:
            ClusterError: it would not.
        """
        for wanted in objects:
            self.kubectl("create", "--dry-run=server", "--filename=-", text=json.dumps(wanted))

    def wait(self, *arguments: str, until: Callable[[Object], bool], seconds: float = 60.0) -> Object:
        """Get until something holds of what is found; then that.

        Raises:
            ClusterError: it did not hold in time; the message has the status of what was found last.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(*arguments)
            if until(found):
                return found
            if time.monotonic() > deadline:
                states = [item.get("status") for item in found.get("items", [found])]
                raise ClusterError(f"{' '.join(arguments)} after {seconds:.0f} s: {json.dumps(states)}")
            time.sleep(0.2)

    def within(self, namespace: str) -> Kubernetes:
        return Kubernetes(self.program, self.kubeconfig, namespace)


def has_condition(found: Object, kind: str) -> bool:
    """Whether a condition of an object is true."""
    conditions = found.get("status", {}).get("conditions") or []
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)
