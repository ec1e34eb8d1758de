"""The first pod of a group, by the name that the headless Service gives it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from stilts_core.errors import RendezvousError, SpecError

RETRY_SECONDS = 1.0


def leader_name(hostname: str, index: int, service: str) -> str:
    """The name of the pod with index 0, from the host name of the one with this index: ``<job>-0.<service>``.

    Raises:
        SpecError: the host name does not end with the index.
    """
    job, dash, end = hostname.partition(".")[0].rpartition("-")
    if not dash or end != str(index):
        raise SpecError(
            f"The pod is called {hostname}, which does not end with its completion index {index}.",
            hint="Pods of an Indexed Job with a subdomain are; else name the first node with --leader.",
        )
    return f"{job}-0.{service}"


def await_name(
    name: str,
    patience: float,
    *,
    lookup: Callable[[str], object] = lambda name: socket.getaddrinfo(name, None),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once a name can be resolved: its pod may be scheduled, or its name published, minutes after this one.

    Args:
        patience: seconds.

    Raises:
        RendezvousError: it cannot be resolved in time.
    """
    deadline = clock() + patience
    while True:
        try:
            lookup(name)
        except (OSError, UnicodeError) as error:
            if clock() >= deadline:
                raise RendezvousError(
                    f"{name} could not be resolved within {patience:g} s: {error}.",
                    hint="The pod with index 0 was not started, or its headless Service is missing.",
                ) from error
        else:
            return
        pause(RETRY_SECONDS)
