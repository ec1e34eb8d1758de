"""What this machine can do for a study, and what to do where it cannot."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from stilts_core.engine.check import Check
from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus
from stilts_core.errors import StiltsError
from stilts_core.spec.profile import Profile
from stilts_core.stages.machine import PACKAGES, cpu_model, package_versions

_GIB = 2**30
_LITTLE_MEMORY = 4 * _GIB
_LITTLE_DISK = 5 * _GIB
_BF16_FLAGS = ("amx_bf16", "avx512_bf16")
TRAINING_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "deepspeed", "datasets", "sentencepiece")


def check_machine(profile: Profile, folder: Path) -> Iterator[Check]:
    """Processor, memory, disk, GPU, Python and packages.

    Args:
        profile: what is asked of the machine.
        folder: where unfinished work and a store in a folder would lie.
    """
    yield Check("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    yield Check("processor", f"{cpu_model()}, {usable_cores()} cores to use")
    yield _bf16()
    yield _memory()
    yield _disk(folder)
    yield _gpus()
    yield _placement(profile)
    yield check_packages()


def _bf16() -> Check:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        flags = []
    found = [flag for flag in _BF16_FLAGS if flag in flags]
    if found:
        return Check("bf16", f"computed by the processor ({', '.join(found)})")
    return Check("bf16", "not computed by the processor: training on it uses fp32")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _available() or total
    detail = f"{free / _GIB:.1f} GiB free of {total / _GIB:.1f} GiB"
    if free < _LITTLE_MEMORY:
        return Check("memory", detail, "A base encoder needs about 4 GiB a stage: end other programs, or use one slot.")
    return Check("memory", detail)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _disk(folder: Path) -> Check:
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    detail = f"{free / _GIB:.1f} GiB free at {there}"
    if not os.access(there, os.W_OK):
        return Check("disk", f"{there} cannot be written", "Set XDG_CACHE_HOME to a folder that can.", blocks=True)
    if free < _LITTLE_DISK:
        return Check("disk", detail, "Free some space: a base encoder takes about 1 GiB for each training stage.")
    return Check("disk", detail)


def _gpus() -> Check:
    found = visible_gpus()
    if not found:
        return Check("GPU", "none: stages run on the processor")
    if find_spec("torch") is None:
        return Check("GPU", f"{len(found)}")
    import torch

    if not torch.cuda.is_available():
        return Check("GPU", f"{len(found)}, but torch cannot use them", "Install a torch that fits the NVIDIA driver.")
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return Check("GPU", f"{names}; CUDA {torch.version.cuda}")


def _placement(profile: Profile) -> Check:
    try:
        placement = LocalPlacement(profile.spec, slots=None, cores=usable_cores(), gpus=visible_gpus())
    except StiltsError as error:
        return Check("profile", error.message, error.hint or "Change the profile.", blocks=True)
    return Check("profile", f"{profile.metadata.name}: {placement.slots} slots on {placement.device}")


def check_packages() -> Check:
    """The training packages."""
    missing = [name for name in TRAINING_PACKAGES if find_spec(name) is None]
    if missing:
        return Check(
            "packages",
            f"without {', '.join(missing)}: a study can be planned here, but not run",
            "Install the training packages: pip install 'stilts[train]'",
            blocks=True,
        )
    return Check("packages", ", ".join(f"{name} {version}" for name, version in package_versions(PACKAGES).items()))
