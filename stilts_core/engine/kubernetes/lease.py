"""A Lease that keeps a second driver from working beside the first. Nothing rests on it: two do no harm, only noise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import LEASES
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.refusals import ForbiddenError
from stilts_core.errors import ClusterError

_RELEASE_SECONDS = 2.0


class Lease:
    """A Lease of a study.

    Args:
        holder: who we are.
        owner: the anchor, as an owner reference.
        seconds: for which it holds without being renewed.
        pause: waits, seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        holder: str,
        owner: Object,
        *,
        seconds: float = 15.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cluster, self._name, self._holder, self._owner = cluster, name, holder, owner
        self._seconds, self._pause = seconds, pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def acquire(self, note: Callable[[str], None]) -> bool:
        """Wait until no other driver holds it; False where there is no right to have one.

        Raises:
            ClusterError: the cluster cannot be asked.
        """
        told, known, since = False, None, time.monotonic()
        while True:
            try:
                found = self._cluster.get(LEASES, self._name)
                spec = (found or {}).get("spec") or {}
                other, sign = spec.get("holderIdentity") or "", (spec.get("holderIdentity"), spec.get("renewTime"))
                if sign != known:
                    known, since = sign, time.monotonic()
                # Clocks differ: it has run out when it did not change for so long by ours.
                free = other in ("", self._holder) or time.monotonic() - since > self._seconds
                if (found is None or free) and self._take(found):
                    self._thread.start()
                    return True
            except ForbiddenError:
                return False
            if not told and other:
                note(f"another driver ({other}) works on this study; waiting for it")
                told = True
            self._pause(min(1.0, self._seconds / 5))

    def release(self) -> None:
        """Let another driver begin at once."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_RELEASE_SECONDS)

    def _take(self, found: Object | None, holder: str | None = None) -> bool:
        spec = {
            "holderIdentity": self._holder if holder is None else holder,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if found is not None:
            return self._cluster.replace(LEASES, {**found, "spec": {**found.get("spec", {}), **spec}}) is not None
        body = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._name, "ownerReferences": [self._owner]},
            "spec": spec,
        }
        return self._cluster.create(LEASES, body) is not None

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / 3):
            with suppress(ClusterError):
                if not self._again(self._holder):
                    return
        with suppress(ClusterError):
            self._again("")

    def _again(self, holder: str) -> bool:
        """Renew it, unless another driver has it now."""
        found = self._cluster.get(LEASES, self._name)
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._holder:
            return False
        self._take(found, holder)
        return True
