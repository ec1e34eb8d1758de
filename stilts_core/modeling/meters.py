"""What memory and energy a piece of work took, where the machine says so."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

POWERCAP = Path("/sys/class/powercap")
PROCESS = Path("/proc/self")


class MemoryMeter:
    """The peak of memory since `reset`, bytes: what torch has allocated of a GPU, or what the whole process resides in.

    Args:
        process: where the system keeps a process's own facts.
    """

    def __init__(self, device: torch.device, process: Path = PROCESS) -> None:
        self._device, self._process = device, process
        self.source = "torch's allocator" if device.type == "cuda" else "resident set of the process"

    def reset(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            (self._process / "clear_refs").write_text("5", encoding="ascii")  # sets the peak to what is resident now
        except OSError:
            self.source = ""

    def peak(self) -> float | None:
        """None where the system does not say."""
        if self._device.type == "cuda":
            return float(torch.cuda.max_memory_allocated(self._device))
        if not self.source:
            return None
        try:
            lines = (self._process / "status").read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        return None if kilobytes is None else float(kilobytes) * 1024


class EnergyMeter:
    """A counter of joules: of the GPU through NVML, or of the processors' packages through RAPL.

    Both count everything that the chip does, not this process alone. NVML's counter moves some ten times a second, so
    work of less than a second is measured roughly.

    Attributes:
        source: what counts; empty where nothing does, with the reason in ``absent``.
    """

    def __init__(
        self, device: torch.device, powercap: Path = POWERCAP, load: Callable[[str], Any] = importlib.import_module
    ) -> None:
        self.source, self.absent = "", ""
        self._read: Callable[[], float] | None = None
        if device.type == "cuda":
            self._nvml(device, load)
        else:
            self._rapl(powercap)

    def joules(self) -> float | None:
        """The counter now; only differences mean something. None where there is none."""
        return None if self._read is None else self._read()

    def _nvml(self, device: torch.device, load: Callable[[str], Any]) -> None:
        try:
            nvml = load("pynvml")
        except ImportError:
            self.absent = "the package nvidia-ml-py is not installed"
            return
        try:
            nvml.nvmlInit()
            name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            handle = nvml.nvmlDeviceGetHandleByUUID(name)
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except nvml.NVMLError as error:
            self.absent = f"NVML says: {error}"
            return
        self.source = "NVML"
        self._read = lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000  # from millijoules

    def _rapl(self, powercap: Path) -> None:
        zones = sorted(powercap.glob("intel-rapl:[0-9]*"))
        packages = [zone for zone in zones if zone.name.count(":") == 1]  # further ones are parts of these
        try:
            counters = [_Wrapping(zone) for zone in packages]
            for counter in counters:
                counter.joules()
        except (OSError, ValueError):
            self.absent = "the system keeps the processor's energy counter from this user"
            return
        if not counters:
            self.absent = "the system shows no energy counter of the processor"
            return
        self.source = "RAPL"
        self._read = lambda: sum(counter.joules() for counter in counters)


class _Wrapping:
    """A counter of microjoules that starts again at its range."""

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
        self._last, self._turns = 0, 0

    def joules(self) -> float:
        now = int(self._file.read_text(encoding="ascii"))
        if now < self._last:
            self._turns += 1
        self._last = now
        return (now + self._turns * self._range) / 1e6
