"""What a cluster leaves on its machine: nothing, once it is down."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cluster.commands import run
from cluster.machine.cgroups import groups
from cluster.machine.node import TARGETS
from cluster.machine.places import BRIDGE, PODS, SERVICES, UNDERLAY, Places

_KERNEL = Path("/proc/sys")
# kubelet sets these for the whole machine
_SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
_BEFORE = "before.json"
# A container engine's own, in the same packet filter: of the plugin "firewall", which no node of ours has.
_ENGINES = ("CNI-ADMIN", "CNI-FORWARD")


def remember(places: Places) -> None:
    """Keep what the cluster will change on the machine, and make the folders that nodes mount over."""
    record = places.state / _BEFORE
    if record.exists():
        return
    missing = {
        str(folder) for target in TARGETS for folder in (Path(target), *Path(target).parents) if not folder.exists()
    }
    settings = {name: (_KERNEL / name).read_text().strip() for name in _SETTINGS if (_KERNEL / name).exists()}
    unfinished = record.with_suffix(".part")
    unfinished.write_text(json.dumps({"settings": settings, "folders": sorted(missing)}, indent=1))
    unfinished.replace(record)
    for target in TARGETS:
        Path(target).mkdir(parents=True, exist_ok=True)


def put_back(places: Places) -> None:
    """Undo what ``remember`` kept."""
    try:
        before = json.loads((places.state / _BEFORE).read_text())
    except FileNotFoundError:
        return
    for name, value in before["settings"].items():
        (_KERNEL / name).write_text(value)
    for folder in sorted(before["folders"], reverse=True):
        Path(folder).rmdir()


def residue(places: Places) -> list[str]:
    """Everything of a cluster that is on the machine: processes, mounts, links, routes, rules, groups."""
    found = [f"process {pid}: {command}" for pid, command in _processes(places)]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    ours = (str(places.state), *TARGETS)
    found += [f"mount {line}" for line in mounts if line.split()[1].startswith(ours)]
    links = run("ip", "-oneline", "link", "show").stdout.splitlines()
    found += [f"interface {line}" for line in links if f" {BRIDGE}" in line or " st-node" in line]
    subnets = (f"{UNDERLAY}.", f"{PODS}.", f"{SERVICES}.")
    for line in run("ip", "route", "show", "table", "all").stdout.splitlines():
        found += [f"route {line}"] if any(f" {subnet}" in f" {line}" for subnet in subnets) else []
    for line in run("iptables-save", check=False).stdout.splitlines():
        of_nodes = "CNI-" in line and not any(name in line for name in _ENGINES)
        if any(subnet in line for subnet in subnets) or "KUBE-" in line or "ST-" in line or of_nodes:
            found.append(f"packet filter rule {line}")
    found += [f"control group {group}" for group in groups("stilts-node*")]
    return found


def _processes(places: Places) -> list[tuple[int, str]]:
    """Processes that name the cluster's folder, but for this one and its parent."""
    excused = {os.getpid(), os.getppid()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in excused:
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if f"{places.state}/" in command:
                found.append((int(entry.name), command))
    return found
