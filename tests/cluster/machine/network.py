"""The network between the nodes: a bridge with a cable to each, and no way out.

The machine has a route to the pods of each node that runs. All other addresses of pods and Services are unreachable, so
that a packet to one never follows the machine's default route; a node has no default route at all.
"""

from __future__ import annotations

from cluster.commands import run, wait_until
from cluster.machine.places import BRIDGE, MACHINE, MAX_NODES, PODS, SERVICES, UNDERLAY

_BLOCKED = (f"{SERVICES}.0.0/16", f"{PODS}.0.0/16")


def node_address(number: int) -> str:
    return f"{UNDERLAY}.{10 + number}"


def pod_subnet(number: int) -> str:
    return f"{PODS}.{number}.0/24"


def cable(node: str) -> str:
    """The machine's end of a node's cable."""
    return f"st-{node}"


def make_bridge() -> None:
    """The bridge, the machine's address on it, and the blocked subnets."""
    if not _has_link(BRIDGE):
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{MACHINE}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    for subnet in _BLOCKED:
        run("ip", "route", "replace", "unreachable", subnet)


def remove_bridge() -> None:
    """Take away all that ``make_bridge`` and ``connect`` made on the machine."""
    run("ip", "link", "delete", BRIDGE, check=False)  # with it go its address and every route over it
    for subnet in _BLOCKED:
        run("ip", "route", "delete", "unreachable", subnet, check=False)


def connect(node: str, number: int, pid: int) -> None:
    """Give a node its cable, address and routes.

    Args:
        pid: a process in the network namespace of the node.
    """
    inside = ("nsenter", "-t", str(pid), "-n")
    end = cable(node)
    if run(*inside, "ip", "link", "show", "eth0", check=False).returncode:
        # the cable of a node that lost its power vanishes a little after it
        run("ip", "link", "delete", end, check=False)
        wait_until(lambda: not _has_link(end), f"the end of the old cable {end}", 10)
        run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    run("ip", "link", "set", end, "master", BRIDGE, "up")
    for link in ("lo", "eth0"):
        run(*inside, "ip", "link", "set", link, "up")
    run(*inside, "ip", "address", "replace", f"{node_address(number)}/24", "dev", "eth0")
    # the way to a Service is chosen before kube-proxy's rules give it a pod's address; it only has to exist
    run(*inside, "ip", "route", "replace", f"{SERVICES}.0.0/16", "via", MACHINE)
    for other in range(1, MAX_NODES + 1):
        if other != number:
            run(*inside, "ip", "route", "replace", pod_subnet(other), "via", node_address(other))
    run(*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("ip", "route", "replace", pod_subnet(number), "via", node_address(number))


def cut(node: str) -> None:
    run("ip", "link", "set", cable(node), "down")


def restore(node: str) -> None:
    run("ip", "link", "set", cable(node), "up")


def _has_link(name: str) -> bool:
    return run("ip", "link", "show", name, check=False).returncode == 0
