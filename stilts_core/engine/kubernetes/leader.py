"""The first pod of a group, by the name that the headless Service gives it."""

from __future__ import annotations

from stilts_core.errors import SpecError


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
