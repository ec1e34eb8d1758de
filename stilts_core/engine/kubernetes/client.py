"""Calls to a cluster's API: objects are plain dictionaries, and every failure is a sentence.

The `kubernetes` package finds the cluster, the credentials and the certificates; its typed models are left out, because
they would cost more time and memory than the calls do.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from stilts_core.engine.kubernetes.kinds import OWN_RIGHTS, PODS, Kind
from stilts_core.engine.kubernetes.labels import Object
from stilts_core.engine.kubernetes.refusals import ConflictError, refusal, unreachable

_PAGE = 500
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_MERGE, _APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
_MANAGER = "stilts"
_LOG_BYTES = 8 << 20
_LOG_SILENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, in seconds.

    Attributes:
        connect, read: of one try. A watch may be silent for ``silence`` until it is begun again.
        tries: of one call, with waits between them that grow from ``backoff`` to ``backoff_cap``.
        watch: after which the server ends a watch.
        refusal: for which a right has to be missing until that is believed: an API server that has just started
            knows no rights yet, and refuses everything.
    """

    connect: float = 5.0
    read: float = 30.0
    silence: float = 90.0
    tries: int = 5
    backoff: float = 0.3
    backoff_cap: float = 10.0
    watch: float = 240.0
    refusal: float = 20.0

    def pause(self, failures: int) -> float:
        """How long to wait after so many failures in a row, with jitter."""
        longest = min(self.backoff_cap, self.backoff * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (it only spreads the load)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API server.

    Attributes:
        url: without a path.
        pool: makes the connections, with the certificates.
        headers: of the next call; credentials are renewed in it.
    """

    url: str
    pool: urllib3.PoolManager
    headers: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind at one moment of the cluster, which ``version`` names."""

    items: list[Object]
    version: str


class Cluster:
    """The API of a cluster, in one namespace. Safe to use from several threads.

    Every method raises `errors.ClusterError` when the API cannot be reached or refuses; its subclasses
    (`refusals`) say where a caller can do something about it.
    """

    def __init__(self, endpoint: Endpoint, namespace: str, patience: Patience = Patience()) -> None:
        self._endpoint, self.namespace, self.patience = endpoint, namespace, patience

    @classmethod
    def connect(
        cls, *, kubeconfig: Path | None = None, context: str | None = None, namespace: str | None = None
    ) -> Cluster:
        """The cluster that this pod runs in, unless a file or context is named; else that of the kubeconfig.

        Raises:
            ClusterError: there is none, or it cannot be used.
        """
        from stilts_core.engine.kubernetes.configured import configured

        return cls(*configured(kubeconfig, context, namespace))

    @property
    def url(self) -> str:
        return self._endpoint.url

    def get(self, kind: Kind, name: str) -> Object | None:
        """An object; None where there is none."""
        status, body = self._call("GET", self._path(kind, name), f"read {kind.singular} {name}", missing=True)
        return None if status == 404 else body

    def list(self, kind: Kind, *, labels: str = "", fields: str = "") -> Listing:
        """All objects of a kind that the selectors choose.

        Raises:
            ExpiredError: the listing took so long that its later pages are gone.
        """
        items: list[Object] = []
        query: dict[str, Any] = _selected(labels, fields) | {"limit": _PAGE}
        while True:
            _, page = self._call("GET", self._path(kind), f"list {kind.plural}", query=query)
            items += page.get("items") or ()
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(items, str(metadata.get("resourceVersion", "")))
            query["continue"] = metadata["continue"]

    def watch(
        self,
        kind: Kind,
        version: str,
        *,
        labels: str = "",
        fields: str = "",
        opened: Callable[[urllib3.BaseHTTPResponse], None] = lambda _: None,
    ) -> Iterator[tuple[str, Object]]:
        """What happens after a version: ADDED, MODIFIED, DELETED or BOOKMARK, with the object.

        Ends when the server ends it, which it does from time to time.

        Args:
            opened: takes the response, to end it from another thread.

        Raises:
            ExpiredError: the version is too old; list again.
        """
        doing = f"watch {kind.plural}"
        seconds = int(self.patience.watch * random.uniform(0.8, 1.2))  # noqa: S311
        query = _selected(labels, fields) | {
            "watch": 1,
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": max(1, seconds),
        }
        try:
            response = self._send("GET", self._path(kind), query=query, read=self.patience.silence)
            with closing(response):
                if response.status >= 400:
                    raise refusal(response.status, _decoded(response.read()), doing, self.namespace)
                opened(response)
                for line in _lines(response):
                    event = _decoded(line)
                    found = event.get("object")
                    if not isinstance(found, dict):
                        return  # the end of the connection has torn it
                    if event.get("type") == "ERROR":
                        raise refusal(int(found.get("code") or 500), found, doing, self.namespace)
                    yield str(event.get("type")), found
        except (HTTPError, OSError) as error:
            raise unreachable(error, doing, self.url) from error

    def create(self, kind: Kind, body: Object, *, dry_run: bool = False) -> Object | None:
        """Create an object; None where its name is taken."""
        name = body["metadata"]["name"]
        query = {"dryRun": "All"} if dry_run else None
        try:
            return self._call("POST", self._path(kind), f"create {kind.singular} {name}", query=query, body=body)[1]
        except ConflictError as conflict:
            if conflict.exists:
                return None
            raise

    def apply(self, kind: Kind, body: Object, *, dry_run: bool = False) -> Object:
        """Make an object what it should be, whether or not it is there (server-side apply).

        Fields of others that do not stand in it stay; those that do are taken over.
        """
        name = body["metadata"]["name"]
        query = {"fieldManager": _MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        doing = f"apply {kind.singular} {name}"
        return self._call("PATCH", self._path(kind, name), doing, query=query, body=body, content=_APPLY)[1]

    def may(self, verb: str, group: str, resource: str) -> bool:
        """Whether whoever asks has a right in the namespace.

        Args:
            resource: plural, with its part after a slash where it has one: ``pods/log``.
        """
        resource, _, part = resource.partition("/")
        asked = {"namespace": self.namespace, "verb": verb, "group": group, "resource": resource}
        if part:
            asked["subresource"] = part
        review = {
            "apiVersion": OWN_RIGHTS.api_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = self._call("POST", self._path(OWN_RIGHTS), "ask for rights", body=review)[1]
        return bool((answer.get("status") or {}).get("allowed"))

    def replace(self, kind: Kind, body: Object) -> Object | None:
        """Replace an object as it was read; None where it has been changed since."""
        name = body["metadata"]["name"]
        with suppress(ConflictError):
            return self._call("PUT", self._path(kind, name), f"change {kind.singular} {name}", body=body)[1]
        return None

    def patch(self, kind: Kind, name: str, patch: Object) -> Object | None:
        """Merge into an object; None where there is none."""
        doing = f"change {kind.singular} {name}"
        status, body = self._call("PATCH", self._path(kind, name), doing, body=patch, content=_MERGE, missing=True)
        return None if status == 404 else body

    def delete(
        self,
        kind: Kind,
        name: str,
        *,
        propagation: str = "Background",
        grace: int | None = None,
        uid: str | None = None,
    ) -> bool:
        """Delete an object with what it owns; False where there is none.

        Args:
            propagation: ``Background``, ``Foreground`` or ``Orphan``.
            grace: seconds for its processes to end; None: as it says itself.
            uid: of the object that is meant; another one of the same name stays.
        """
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        with suppress(ConflictError):
            doing = f"delete {kind.singular} {name}"
            return self._call("DELETE", self._path(kind, name), doing, body=body, missing=True)[0] != 404
        return False

    def log(self, pod: str, container: str, limit: int = _LOG_BYTES) -> bytes | None:
        """What a container printed, its first ``limit`` bytes; None where it is not to be had."""
        path = f"{self._path(PODS, pod)}/log"
        query = {"container": container, "limitBytes": limit}
        with suppress(HTTPError, OSError), closing(self._send("GET", path, query=query)) as response:
            return response.read() if response.status < 400 else None
        return None

    def follow(self, pod: str, container: str) -> Iterator[bytes]:
        """What a container prints, from its beginning, until it ends or the connection does."""
        path = f"{self._path(PODS, pod)}/log"
        query = {"container": container, "follow": "true"}
        with (
            suppress(HTTPError, OSError),
            closing(self._send("GET", path, query=query, read=_LOG_SILENCE_SECONDS)) as response,
        ):
            if response.status < 400:
                yield from response.stream(1 << 16)

    def server_version(self) -> str:
        """The version of the API server, such as ``v1.34.1``."""
        return str(self._call("GET", "/version", "ask for the version")[1].get("gitVersion", "of an unknown version"))

    def version_of(self, group: str) -> str | None:
        """The version in which the cluster serves an API group; None where it does not."""
        status, body = self._call("GET", f"/apis/{quote(group)}", f"ask for the API group {group}", missing=True)
        return None if status == 404 else str(body["preferredVersion"]["version"])

    def _path(self, kind: Kind, name: str = "") -> str:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        scope = f"/namespaces/{quote(self.namespace)}" if kind.namespaced else ""
        return f"{root}{scope}/{kind.plural}" + (f"/{quote(name)}" if name else "")

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        missing: bool = False,
    ) -> tuple[int, Object]:
        """Status and answer, tried again where that may help; 404 is an answer where it may be ``missing``."""
        for failures in range(self.patience.tries):
            last = failures + 1 == self.patience.tries
            pause = self.patience.pause(failures)
            try:
                with closing(self._send(method, path, query=query, body=body, content=content)) as response:
                    status, text = response.status, response.read()
                    asked = response.headers.get("Retry-After", "")
            except (HTTPError, OSError) as error:
                failure = unreachable(error, doing, self.url)
                if last or not failure.transient:
                    raise failure from error
                time.sleep(pause)
                continue
            answer = _decoded(text)
            if status < 400 or (missing and status == 404):
                return status, answer
            refused = refusal(status, answer, doing, self.namespace)
            again = status in _TRANSIENT or (isinstance(refused, ConflictError) and refused.passing)
            if last or not again:
                raise refused
            time.sleep(max(pause, min(float(asked), self.patience.backoff_cap) if asked.isdecimal() else 0.0))
        raise AssertionError("a call has one try at least")

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        read: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "stilts", **self._endpoint.headers()}
        if body is not None:
            headers["Content-Type"] = content
        return self._endpoint.pool.request(
            method,
            self._endpoint.url + path + (f"?{urlencode(query)}" if query else ""),
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=self.patience.connect, read=read or self.patience.read),
            retries=False,
            preload_content=False,
        )


def _selected(labels: str, fields: str) -> dict[str, Any]:
    chosen = {"labelSelector": labels, "fieldSelector": fields}
    return {name: text for name, text in chosen.items() if text}


def _decoded(text: bytes) -> Object:
    """The JSON object of an answer; one that is none (a proxy's page, say) is kept as its message."""
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {"message": text[:200].decode(errors="replace").strip()}


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())
