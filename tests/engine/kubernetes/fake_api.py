"""A small API server on loopback that lists, watches, creates, patches and deletes, and fails as it is told."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

from stilts_core.engine.kubernetes.client import Cluster, Endpoint, Patience

Object = dict[str, Any]
QUICK = Patience(connect=2.0, read=2.0, silence=5.0, tries=4, backoff=0.005, backoff_cap=0.02, watch=5.0, refusal=0.1)


@dataclass
class FakeApi:
    """What the server holds: plural → name → object.

    Attributes:
        refuse: asked before every request (method, path); gives a status and a Status object, or None.
        collects: what an object owned goes with it.
        allowed: verb and resource (with the group after a dot) → whether whoever asks may.
        logs: name of a pod → what it printed.
        requests: method and path of every request.
        oldest: versions before it are gone.
    """

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    refuse: Callable[[str, str], tuple[int, Object] | None] = lambda method, path: None
    collects: bool = False
    allowed: Callable[[str, str], bool] = lambda verb, resource: True
    logs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    oldest: int = 0
    version: int = 100
    history: list[tuple[int, str, str, Object]] = field(default_factory=list)
    url: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)
    over: bool = False
    cuts: int = 0
    last: bytes = b""
    authorization: set[str] = field(default_factory=set)

    def put(self, plural: str, found: Object) -> Object:
        """Create or replace an object, as some other program."""
        with self.changed:
            self.version += 1
            name = found["metadata"]["name"]
            before = self.objects.setdefault(plural, {}).get(name)
            metadata = {
                "uid": before["metadata"]["uid"] if before else str(uuid.uuid4()),
                "creationTimestamp": "2026-05-04T12:00:00Z",
                **found["metadata"],
                "resourceVersion": str(self.version),
            }
            found = {**found, "metadata": metadata}
            self.objects[plural][name] = found
            self.history.append((self.version, "MODIFIED" if before else "ADDED", plural, found))
            self.changed.notify_all()
            return found

    def preview(self, plural: str, found: Object) -> Object:
        """The object as it would be."""
        metadata = {"uid": "none yet", **found["metadata"], "resourceVersion": str(self.version + 1)}
        return {**found, "metadata": metadata}

    def remove(self, plural: str, name: str) -> Object | None:
        with self.changed:
            found = self.objects.get(plural, {}).pop(name, None)
            if found is not None:
                self.version += 1
                gone = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self.version)}}
                self.history.append((self.version, "DELETED", plural, gone))
                self.changed.notify_all()
        if found is not None and self.collects:
            self._collect(found["metadata"]["uid"])
        return found

    def _collect(self, uid: str) -> None:
        """Remove what was owned by an object that is gone."""
        for plural in list(self.objects):
            for name, each in list(self.objects[plural].items()):
                owners = each["metadata"].get("ownerReferences") or ()
                if owners and all(owner["uid"] == uid for owner in owners):
                    self.remove(plural, name)

    def forget(self) -> None:
        """Let every version until now be too old, and end all watches."""
        with self.changed:
            self.oldest = self.version + 1
            self.version += 1
            self.cuts += 1
            self.changed.notify_all()

    def cut(self, last: bytes = b"") -> None:
        """Break off all watches; ``last`` is sent before."""
        self.last = last
        with self.changed:
            self.cuts += 1
            self.changed.notify_all()

    def cluster(self, patience: Patience = QUICK) -> Cluster:
        headers = {"authorization": "Bearer secret-token"}
        return Cluster(Endpoint(self.url, urllib3.PoolManager(maxsize=16), lambda: headers), "lab", patience)

    def count(self, method: str, part: str = "") -> int:
        return sum(1 for verb, path in self.requests if verb == method and part in path)


@contextmanager
def serving() -> Iterator[FakeApi]:
    api = FakeApi()

    class Handler(_Handler):
        fake = api

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        with api.changed:
            api.over = True
            api.changed.notify_all()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _serve(self) -> None:
        api, parts = self.fake, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        api.requests.append((self.command, self.path))
        api.authorization.add(self.headers.get("authorization", ""))
        refused = api.refuse(self.command, self.path)
        if refused is not None:
            self._answer(*refused)
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        place = _PLACE.fullmatch(parts.path)
        if parts.path == "/version":
            self._answer(200, {"gitVersion": "v1.34.1"})
            return
        if place is None:
            self._answer(404, _status(404, "NotFound", "no such group"))
            return
        segments = [part for part in place[1].split("/") if part]
        plural, name = segments[0], segments[1] if len(segments) > 1 else ""
        if plural == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
            right = f"{resource}.{asked['group']}" if asked["group"] else resource
            self._answer(201, {"status": {"allowed": api.allowed(asked["verb"], right)}})
        elif query.get("watch"):
            self._watch(plural, query)
        elif len(segments) > 2:
            self._raw(200, api.logs.get(name, b"printed\n"))
        else:
            self._do(plural, name, query, body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815

    def _do(self, plural: str, name: str, query: dict[str, str], body: Object) -> None:
        api = self.fake
        found = api.objects.get(plural, {}).get(name) if name else None
        keep = api.preview if query.get("dryRun") else api.put
        if "apply-patch" in (self.headers.get("Content-Type") or ""):
            wanted = _merged(found or {}, body)
            self._answer(200, found if found is not None and wanted == found else keep(plural, wanted))
        elif name and found is None:
            self._answer(404, _status(404, "NotFound", f"{plural} {name} not found"))
        elif self.command == "POST":
            if body["metadata"]["name"] in api.objects.get(plural, {}):
                self._answer(409, _status(409, "AlreadyExists", "already exists"))
            else:
                self._answer(201, keep(plural, body))
        elif self.command == "PATCH" and found is not None:
            self._answer(200, keep(plural, _merged(found, body)))
        elif self.command == "PUT" and found is not None:
            if body["metadata"].get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
                self._answer(409, _status(409, "Conflict", "the object has been modified"))
            else:
                self._answer(200, api.put(plural, body))
        elif self.command == "DELETE":
            wanted = (body.get("preconditions") or {}).get("uid")
            if wanted is not None and found is not None and found["metadata"]["uid"] != wanted:
                self._answer(409, _status(409, "Conflict", "the UID in the precondition does not match"))
            else:
                self._answer(200, api.remove(plural, name) or {})
        elif name:
            self._answer(200, found or {})
        else:
            self._list(plural, query)

    def _list(self, plural: str, query: dict[str, str]) -> None:
        api = self.fake
        with api.changed:
            items = [found for found in api.objects.get(plural, {}).values() if _chosen(found, query)]
            version = str(api.version)
        begin = int(query.get("continue") or 0)
        limit = int(query.get("limit") or len(items) or 1)
        more = {"continue": str(begin + limit)} if begin + limit < len(items) else {}
        self._answer(200, {"metadata": {"resourceVersion": version, **more}, "items": items[begin : begin + limit]})

    def _watch(self, plural: str, query: dict[str, str]) -> None:
        api, version = self.fake, int(query["resourceVersion"])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cuts = api.cuts
        if version < api.oldest:
            self._event("ERROR", _status(410, "Expired", "too old resource version"))
            self._chunk(b"")
            return
        while True:
            with api.changed:
                if api.over or api.cuts != cuts:
                    if api.last:
                        self._chunk(api.last)
                    self.close_connection = True
                    return
                news = [each for each in api.history if each[0] > version]
                if not news:
                    api.changed.wait(0.5)
                    continue
            for number, happened, kind, found in news:
                version = number
                if kind == plural and _chosen(found, query):
                    self._event(happened, found)
            self._event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})

    def _event(self, happened: str, found: Object) -> None:
        self._chunk(json.dumps({"type": happened, "object": found}).encode() + b"\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _answer(self, status: int, document: Object) -> None:
        self._raw(status, json.dumps(document).encode())

    def _raw(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


_PLACE = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/lab)?/((?:namespaces/lab|[^/]+)(?:/[^/]+)*)")


def _merged(found: Object, patch: Object) -> Object:
    """A JSON merge patch."""
    result = dict(found)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(result.get(name) or {}, value)
        else:
            result[name] = value
    return result


def _chosen(found: Object, query: dict[str, str]) -> bool:
    labels = found["metadata"].get("labels") or {}
    wanted = (part.split("=") for part in query.get("labelSelector", "").split(",") if part)
    return all(labels.get(name) == value for name, value in wanted)


def _status(code: int, reason: str, message: str) -> Object:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


status = _status
