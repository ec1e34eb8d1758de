"""The facts of how a stage ran, for the record; no result depends on them."""

from __future__ import annotations

import os
import platform
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from stilts_core import __version__
from stilts_core.stages.context import Resources

PACKAGES = ("numpy", "pyarrow", "torch", "transformers", "tokenizers", "safetensors", "deepspeed", "datasets")


def describe_machine(resources: Resources) -> dict[str, Any]:
    """Host, Python, packages, processor and placement, as JSON."""
    return {
        "stilts": __version__,
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "device": device_name(resources.device),
        "threads": resources.threads,
        "ranks": resources.ranks,
        "nodes": resources.group.nodes,
        "zero_stage": resources.zero_stage,
        "precision": resources.precision,
    }


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed version by package, of those that are there."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def device_name(device: str) -> str:
    """``cpu``, or the name of the GPU."""
    torch = sys.modules.get("torch")
    if device != "cuda" or torch is None:
        return device
    return f"cuda ({torch.cuda.get_device_name(0)})"
