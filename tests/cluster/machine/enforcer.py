"""Enforces network policies in the nodes: ``python -m cluster.machine.enforcer``, a second behind the API.

Kubernetes itself accepts policies and does nothing with them; the network of the pods has to.
"""

from __future__ import annotations

import sys
import time

from cluster.commands import ClusterError, run
from cluster.machine.api import Api
from cluster.machine.places import Places
from cluster.machine.policies import HOOK, PREFIX, filter_rules, pods_with_address
from cluster.machine.processes import Processes

PAUSE_SECONDS = 0.5
_CHAINS = ("FORWARD", "INPUT")  # INPUT: what a pod sends to its own node


def wanted_rules(api: Api) -> str:
    """The rules that the policies of the cluster ask for now."""
    pods = pods_with_address(api.get("/api/v1/pods")["items"])
    namespaces = {
        space["metadata"]["name"]: space["metadata"].get("labels") or {}
        for space in api.get("/api/v1/namespaces")["items"]
    }
    return filter_rules(api.get("/apis/networking.k8s.io/v1/networkpolicies")["items"], pods, namespaces)


def enforce(init: int, rules: str) -> None:
    """Bring the rules into a node, by the id of its first process."""
    inside = ("nsenter", "-t", str(init), "-m", "-n")
    there = run(*inside, "iptables-save", "-t", "filter").stdout.splitlines()
    run(*inside, "iptables-restore", "--noflush", text=rules)
    for chain in _CHAINS:
        hook = f"-A {chain} -j {HOOK}"
        # kube-proxy puts its own rules first when it starts
        if next((line for line in there if line.startswith(f"-A {chain} ")), "") != hook:
            run(*inside, "iptables", "-D", chain, "-j", HOOK, check=False)
            run(*inside, "iptables", "-I", chain, "1", "-j", HOOK)
    for chain in (line[1:].split()[0] for line in there if line.startswith(f":{PREFIX}")):
        if f":{chain} " not in rules:  # nothing points to it any more
            run(*inside, "iptables", "-F", chain)
            run(*inside, "iptables", "-X", chain)


def main() -> None:
    """Look, compare, enforce, for ever."""
    places = Places.of_environment()
    processes = Processes(places.state / "processes", places.logs)
    api = Api(places.kubeconfig)
    enforced: dict[tuple[str, int], str] = {}
    while True:
        try:
            rules = wanted_rules(api)
        except (OSError, ClusterError) as error:  # the API server is away: what is enforced stays
            sys.stderr.write(f"{error}\n")
        else:
            for name in (name for name in processes.names() if name.endswith(".init")):
                init = processes.pid(name)
                if init is not None and enforced.get((name, init)) != rules:
                    try:
                        enforce(init, rules)
                    except ClusterError as error:  # a node that is losing its power right now
                        sys.stderr.write(f"{name}: {error}\n")
                    else:
                        enforced[name, init] = rules
                    sys.stderr.flush()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
