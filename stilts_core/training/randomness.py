"""The state of every random generator of a process, as tensors."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

PREFIX = "rng."


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Of Python, NumPy, torch, and the device."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    if (version, name) != (3, "MT19937"):
        raise RuntimeError(f"Python's generator has version {version}, and NumPy's is {name}")
    states = {
        "python": torch.tensor(words, dtype=torch.int64),
        "python.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.tensor([*map(int, keys), int(position), int(has_gauss)], dtype=torch.int64),
        "numpy.gauss": torch.tensor([cached], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {PREFIX + name: state for name, state in states.items()}


def set_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Bring the generators to where `generator_states` found them; a device's only where there is one."""
    words = tuple(states[PREFIX + "python"].tolist())
    gauss = states[PREFIX + "python.gauss"].tolist()
    random.setstate((3, words, gauss[0] if gauss else None))
    *keys, position, has_gauss = states[PREFIX + "numpy"].tolist()
    cached = float(states[PREFIX + "numpy.gauss"][0])
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states[PREFIX + "torch"].clone())
    if device.type == "cuda" and PREFIX + "cuda" in states:
        torch.cuda.set_rng_state(states[PREFIX + "cuda"].clone(), device)
