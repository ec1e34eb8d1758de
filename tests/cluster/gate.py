"""An S3 endpoint for pods on this machine, before the cluster's server, that can make an upload wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from faulty_proxy import Request, faulty_proxy
from servers import S3Server


class Gate:
    """Open at first. What it holds, the server has not seen.

    Attributes:
        endpoint: for pods, an address.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self._changed = threading.Condition()
        self._shut: set[tuple[str, ...]] = set()
        self._held: list[str] = []

    def shut(self, *parts: str) -> None:
        """Hold every upload whose path contains all these parts."""
        with self._changed:
            self._shut.add(parts)

    def open(self) -> None:
        """Let everything through, first of all what was held."""
        with self._changed:
            self._shut.clear()
            self._changed.notify_all()

    def held(self) -> list[str]:
        """The paths of the uploads that wait here."""
        with self._changed:
            return list(self._held)

    def pass_through(self, request: Request) -> None:
        """Returns once a request may go on."""
        with self._changed:
            if not self._stops(request):
                return
            self._held.append(request.path)
            self._changed.wait_for(lambda: not self._stops(request))
            self._held.remove(request.path)

    def _stops(self, request: Request) -> bool:
        return request.method == "PUT" and any(all(part in request.path for part in parts) for parts in self._shut)


@contextmanager
def gate(server: S3Server) -> Iterator[Gate]:
    """A gate before a server, where those find it who are beside the server."""
    made = Gate()
    with faulty_proxy(
        server.endpoint, lambda request: None, host=_address_towards(server.endpoint), before=made.pass_through
    ) as proxy:
        made.endpoint = proxy.endpoint
        try:
            yield made
        finally:
            made.open()


def _address_towards(endpoint: str) -> str:
    """This machine's address, as a server sees it."""
    there = urlsplit(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((there.hostname, there.port))  # sends nothing
        return str(probe.getsockname()[0])
