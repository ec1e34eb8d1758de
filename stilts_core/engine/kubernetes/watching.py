"""A copy of all objects of one kind that is kept up to date by a thread: list, then watch, and list again when lost."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import urllib3

from stilts_core.engine.kubernetes.client import Cluster
from stilts_core.engine.kubernetes.kinds import Kind
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.refusals import ExpiredError, ForbiddenError, InvalidError
from stilts_core.errors import ClusterError

_GONE = 2000


class Watched:
    """The objects of one kind.

    Args:
        labels, fields: selectors.
        keep: takes from an object what is worth its memory.
        changed: called, from the thread, whenever there is something new.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        *,
        labels: str = "",
        fields: str = "",
        keep: Callable[[Object], Object] = lambda found: found,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self._cluster, self._labels, self._fields, self._keep, self._changed = cluster, labels, fields, keep, changed
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._gone: OrderedDict[str, Object] = OrderedDict()
        self._version: str | None = None
        self._listed, self._over = threading.Event(), threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._error: ClusterError | None = None
        self._failures = 0
        self._refused_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.plural}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; its last call is broken off."""
        self._over.set()
        with self._lock:
            response = self._response
        if response is not None:
            with suppress(Exception):  # it may have ended in this moment
                response.shutdown()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def ready(self, seconds: float) -> bool:
        """Whether the objects have been listed, or why not is known, within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._listed.is_set() and self.refused is None:
            if time.monotonic() >= deadline or self._over.is_set():
                return False
            self._listed.wait(0.05)
        return True

    @property
    def error(self) -> ClusterError | None:
        """Why the copy is old, while it is."""
        return self._error

    @property
    def refused(self) -> ClusterError | None:
        """Why there will be no copy, until somebody changes the cluster: a right or the kind itself is missing."""
        error, since = self._error, self._refused_since
        if since is None or not isinstance(error, ForbiddenError | InvalidError):
            return None
        return error if time.monotonic() - since >= self._cluster.patience.refusal else None

    def objects(self) -> list[Object]:
        with self._lock:
            return list(self._objects.values())

    def gone(self) -> list[Object]:
        """Objects as they were last seen before they were deleted, the latest ones."""
        with self._lock:
            return list(self._gone.values())

    def has_seen(self, found: Object) -> bool:
        """Whether the copy is at least as new as this object, which a call has brought."""
        uid, version = found["metadata"]["uid"], found["metadata"]["resourceVersion"]
        with self._lock:
            if uid in self._objects or uid in self._gone:
                return True
            return self._version is not None and _number(self._version) >= _number(version)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                if self._version is None:
                    self._list()
                self._watch()
            except ExpiredError:
                self._version = None
                self._over.wait(self._cluster.patience.pause(0))
            except (ForbiddenError, InvalidError) as error:
                if self._refused_since is None:
                    self._refused_since = time.monotonic()
                self._told(error)
                self._version = None  # whoever may list but not watch lists from time to time
                self._over.wait(self._cluster.patience.pause(self._failures))
                self._failures += 1
                self._changed()
            except ClusterError as error:
                # A watch that breaks off is begun again; it is a failure when that cannot be done.
                if self._failures:
                    self._told(error)
                self._over.wait(self._cluster.patience.pause(self._failures))
                self._failures += 1

    def _told(self, error: ClusterError | None) -> None:
        before, self._error = self._error, error
        if (before is None) != (error is None):
            self._changed()

    def _list(self) -> None:
        listing = self._cluster.list(self.kind, labels=self._labels, fields=self._fields)
        fresh = {found["metadata"]["uid"]: self._keep(found) for found in listing.items}
        with self._lock:
            for uid, lost in self._objects.items():
                if uid not in fresh:
                    self._bury(uid, lost)
            self._objects, self._version = fresh, listing.version
        self._listed.set()
        self._changed()

    def _watch(self) -> None:
        version = self._version or ""
        try:
            events = self._cluster.watch(
                self.kind, version, labels=self._labels, fields=self._fields, opened=self._opened
            )
            for happened, found in events:
                self._heard(happened, found)
                if self._over.is_set():
                    return
        finally:
            with self._lock:
                self._response = None

    def _opened(self, response: urllib3.BaseHTTPResponse) -> None:
        with self._lock:
            self._response = response
        self._failures = 0
        self._told(None)

    def _heard(self, happened: str, found: Object) -> None:
        metadata: dict[str, Any] = found.get("metadata") or {}
        version = str(metadata.get("resourceVersion", ""))
        if happened == "BOOKMARK":
            self._version = version
            return
        uid, kept = metadata["uid"], self._keep(found)
        with self._lock:
            if happened == "DELETED":
                self._objects.pop(uid, None)
                self._bury(uid, kept)
            else:
                self._objects[uid] = kept
            self._version = version
        self._changed()

    def _bury(self, uid: str, last: Object) -> None:
        self._gone[uid] = last
        while len(self._gone) > _GONE:
            self._gone.popitem(last=False)


def _number(version: str) -> int:
    """Versions are numbers that grow in every cluster there is; one that is none is older than all."""
    return int(version) if version.isdecimal() else 0
