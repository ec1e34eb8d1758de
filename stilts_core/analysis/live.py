"""The report of a study that is still running, in the browser of this machine: made again when something commits.

The server listens on the loopback address alone, answers no other name (so that no page from elsewhere reads it through
a name that points here), and knows exactly the files that were made: no path of a request ever reaches the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import PurePosixPath
from typing import cast
from urllib.parse import unquote, urlsplit

from stilts_core.errors import StiltsError, StorageError

LOOPBACK = "127.0.0.1"
EVENTS, SCRIPT = "/events", "/live.js"
HEARTBEAT = 15.0
"""Seconds after which a silent stream of events says that it is there, so that a browser that left is noticed."""

_POLICY = "style-src 'unsafe-inline'"
_TYPES = {
    ".html": "text/html",
    ".csv": "text/csv",
    ".bib": "text/plain",
    ".md": "text/plain",
    ".tex": "text/plain",
    ".js": "text/javascript",
}


class LiveReport:
    """The files of a report, kept up to date.

    Attributes:
        version: how often they were made.
        problem: why the last look at the store failed; empty where it did not.
    """

    def __init__(self, state: Callable[[], str], make: Callable[[], Mapping[str, bytes]]) -> None:
        """Make the files for the first time.

        Args:
            state: a digest of what has committed, cheap to ask for.
            make: the files of a report, among them ``report.html``.
        """
        self._state, self._make = state, make
        self._known = state()
        self._files = make()
        self._changed = threading.Condition()
        self.version = 1
        self.problem = ""
        self.closed = False

    def refresh(self) -> bool:
        """Make the files again where something has committed; whether it did."""
        try:
            state = self._state()
            if state == self._known:
                self.problem = ""
                return False
            made = self._make()
        except StiltsError as error:  # the store may be back next time
            self.problem = error.message
            return False
        with self._changed:
            self._known, self._files, self.problem = state, made, ""
            self.version += 1
            self._changed.notify_all()
        return True

    def read(self, path: str) -> tuple[bytes, int] | None:
        """A file by its path below the root, and its version; None where there is none."""
        with self._changed:
            name = path.removeprefix("/") or "report.html"
            content = self._files.get(name)
            if content is None:
                return None
            return (_with_script(content, self.version) if name == "report.html" else content), self.version

    def wait(self, seen: int, timeout: float) -> int | None:
        """The version, once it is another than the one seen or the time is over; None where the server ends."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self.version != seen, timeout)
            return None if self.closed else self.version

    def close(self) -> None:
        """End every wait."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


def _with_script(page: bytes, version: int) -> bytes:
    """The page with the script that follows the events, which its policy allows."""
    script = f'<script src="{SCRIPT}" data-version="{version}" defer></script>\n</head>'
    text = page.decode().replace(_POLICY, f"{_POLICY}; script-src 'self'; connect-src 'self'", 1)
    return text.replace("</head>", script, 1).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    live: LiveReport


class _Handler(BaseHTTPRequestHandler):
    server_version = "stilts"
    sys_version = ""

    @property
    def _live(self) -> LiveReport:
        return cast(_Server, self.server).live

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (LOOPBACK, "localhost"):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This server answers on the loopback address alone")
        path = unquote(urlsplit(self.path).path)
        if path == EVENTS and body:
            return self._events()
        found = (_script(), 0) if path == SCRIPT else self._live.read(path)
        if found is None:
            return self.send_error(HTTPStatus.NOT_FOUND, "The report has no such file")
        content, version = found
        kind = _TYPES.get(PurePosixPath(path).suffix if path != "/" else ".html", "application/octet-stream")
        self._begin(f"{kind}; charset=utf-8" if kind.startswith("text/") else kind, ("X-Version", str(version)))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)
        return None

    def _begin(self, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", kind),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            *headers,
        ):
            self.send_header(name, value)

    def _events(self) -> None:
        """Server-sent events: the version, at once and whenever it changes."""
        self._begin("text/event-stream")
        self.end_headers()
        seen = 0
        try:
            while True:
                version = self._live.wait(seen, HEARTBEAT)
                if version is None:
                    return
                self.wfile.write(b": here\n\n" if version == seen else f"data: {version}\n\n".encode())
                self.wfile.flush()
                seen = version
        except OSError:  # the browser has left
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the base class calls it)
        """Nothing: the terminal is for what the study does."""


def _script() -> bytes:
    return (files("stilts_core.analysis.report") / "templates" / "live.js").read_bytes()


class Serving:
    """A server of a live report on the loopback address, and a thread that looks at the store."""

    def __init__(self, live: LiveReport, port: int = 0, interval: float = 3.0) -> None:
        """Take the port.

        Args:
            live: what is served.
            port: 0 takes any that is free.
            interval: seconds between looks at the store.

        Raises:
            StorageError: the port is taken.
        """
        try:
            self._server = _Server((LOOPBACK, port), _Handler)
        except OSError as error:
            raise StorageError(
                f"Port {port} of {LOOPBACK} can't be had: {error.strerror}.", hint="Choose another one with --port."
            ) from error
        self._server.live = live
        self._live, self._interval = live, interval
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True),
            threading.Thread(target=self._look, daemon=True),
        ]

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def __enter__(self) -> Serving:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._live.close()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while not self._stop.wait(self._interval):
            self._live.refresh()

    def wait(self) -> None:
        """Until an interrupt."""
        while not self._stop.wait(3600):
            pass
