"""A proxy that passes HTTP requests on to a server, except where it misbehaves."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_SECONDS = 0.8


class Fault(StrEnum):
    ERROR_500 = "answer 500, the server sees nothing"
    ERROR_503 = "answer 503, the server sees nothing"
    SLOW = "the server acts at once, its answer takes long"
    CUT_REQUEST = "the connection breaks in the middle of the upload, the server sees nothing"
    CUT_ANSWER = "the server acts, the connection breaks before its answer"
    TRUNCATED = "the connection breaks in the middle of the answer's body"
    ERROR_IN_200 = "status 200 with an error as its body, the server sees nothing"
    FLIPPED = "one bit of the answer's body is wrong"
    NO_METADATA = "the answer lacks the object's metadata"
    NO_CONDITION = "the server sees no If-None-Match"


RANDOM_FAULTS = (Fault.ERROR_500, Fault.ERROR_503, Fault.CUT_REQUEST, Fault.CUT_ANSWER, Fault.TRUNCATED)


@dataclass(frozen=True)
class Request:
    """What a rule sees: the number of the request, from 0, its method, and its path with the query."""

    number: int
    method: str
    path: str


Rule = Callable[[Request], Fault | None]


def share(part: float, seed: int) -> Rule:
    """A fault for this part of the requests, drawn from a seed."""
    draw = random.Random(seed)
    return lambda request: draw.choice(RANDOM_FAULTS) if draw.random() < part else None


def first(fault: Fault, method: str, times: int = 1, path: str = "") -> Rule:
    """A fault for the first requests of a method whose path contains a text."""
    seen: list[Request] = []

    def rule(request: Request) -> Fault | None:
        if request.method != method or path not in request.path or len(seen) >= times:
            return None
        seen.append(request)
        return fault

    return rule


def always(fault: Fault, *methods: str) -> Rule:
    """A fault for each request of these methods; of all, where none is named."""
    return lambda request: fault if not methods or request.method in methods else None


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        requests: what came, with the fault that was made of it.
    """

    endpoint: str
    requests: list[tuple[Request, Fault | None]] = field(default_factory=list)

    def faults(self) -> int:
        return sum(fault is not None for _, fault in self.requests)


@contextmanager
def faulty_proxy(
    upstream: str,
    rule: Rule,
    tls: ssl.SSLContext | None = None,
    *,
    host: str = "localhost",
    before: Callable[[Request], None] = lambda request: None,
) -> Iterator[Proxy]:
    """A proxy before the server at ``upstream``, which also takes requests as a forward proxy.

    Args:
        host: where it listens.
        before: is called with each request that has come whole, before the server sees it; it may take its time.
    """
    lock, closing = threading.Lock(), threading.Event()

    class Handler(_Handler):
        def decide(self) -> Fault | None:
            with lock:
                request = Request(len(proxy.requests), self.command, self.path)
                fault = rule(request)
                proxy.requests.append((request, fault))
                self.request_here = request
                return fault

        def linger(self) -> None:
            before(self.request_here)

    Handler.upstream = urlsplit(upstream).netloc
    Handler.closing = closing
    server = _Server((host, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy = Proxy(f"{'https' if tls else 'http'}://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connections open
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""
    closing = threading.Event()

    def decide(self) -> Fault | None:
        raise NotImplementedError

    def linger(self) -> None:
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass

    def serve(self) -> None:
        fault = self.decide()
        size = int(self.headers.get("Content-Length") or 0)
        if fault is Fault.CUT_REQUEST:
            self.rfile.read(size // 2)
            return self.cut()
        body = self.rfile.read(size)
        self.linger()
        if fault is Fault.ERROR_500:
            return self.answer(500, [], b"<Error><Code>InternalError</Code><Message>no</Message></Error>")
        if fault is Fault.ERROR_503:
            return self.answer(503, [], b"<html>busy</html>")
        if fault is Fault.ERROR_IN_200:
            return self.answer(200, [], b"<Error><Code>InternalError</Code><Message>no</Message></Error>")
        status, headers, data = self.forward(body, fault)
        if fault is Fault.CUT_ANSWER:
            return self.cut()
        if fault is Fault.SLOW:
            self.closing.wait(SLOW_SECONDS)
        if fault is Fault.NO_METADATA:
            headers = [(name, value) for name, value in headers if not name.lower().startswith("x-amz-meta-")]
        if fault is Fault.FLIPPED and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        return self.answer(status, headers, data, cut=fault is Fault.TRUNCATED)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve  # noqa: N815 (the base's names)

    def forward(self, body: bytes, fault: Fault | None) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(self.path)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        drop = {"connection", "proxy-connection", "expect", *(["if-none-match"] if fault is Fault.NO_CONDITION else [])}
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in drop:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def answer(self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        sizes = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", sizes[0] if sizes and self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.wfile.flush()
                self.cut()

    def cut(self) -> None:
        """End the connection as a lost network does, without a farewell."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)
