"""The plan as a graph for the engine: who waits for whom, and what each stage occupies while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from stilts_core.engine.labels import stage_title
from stilts_core.planning.plan import Stage


@dataclass(frozen=True, slots=True)
class Capacity:
    """What is shared out to stages: cores and devices (GPUs) of a machine, or Jobs in flight in a cluster."""

    cores: int = 0
    devices: int = 0
    jobs: int = 0

    def __add__(self, other: Capacity) -> Capacity:
        return Capacity(self.cores + other.cores, self.devices + other.devices, self.jobs + other.jobs)

    def __sub__(self, other: Capacity) -> Capacity:
        return Capacity(self.cores - other.cores, self.devices - other.devices, self.jobs - other.jobs)

    def fits(self, free: Capacity) -> bool:
        """Whether this much can be taken from what is free; nothing always can."""
        wanted = ((self.cores, free.cores), (self.devices, free.devices), (self.jobs, free.jobs))
        return all(not want or want <= there for want, there in wanted)

    def within(self, total: Capacity) -> Capacity:
        """No more than there is at all."""
        return Capacity(min(self.cores, total.cores), min(self.devices, total.devices), min(self.jobs, total.jobs))

    def __str__(self) -> str:
        parts = [f"{self.cores} core{'s' * (self.cores != 1)}"] * bool(self.cores)
        parts += [f"{self.devices} GPU{'s' * (self.devices != 1)}"] * bool(self.devices)
        parts += ["a place among the Jobs in flight"] * bool(self.jobs)
        return " and ".join(parts) or "nothing"


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph of stages, by fingerprint.

    Attributes:
        order: parents before children, as in the plan; ``positions`` are the indices in it.
        below: all descendants of a stage as a bit set over ``order``.
    """

    order: tuple[str, ...]
    positions: Mapping[str, int]
    labels: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, tuple[str, ...]]
    below: Mapping[str, int]
    needs: Mapping[str, Capacity]

    @classmethod
    def of(cls, stages: Iterable[Stage], need: Callable[[Stage], Capacity]) -> Graph:
        """The graph of a plan's stages; ``need`` says what a stage occupies."""
        order: list[str] = []
        labels: dict[str, str] = {}
        parents: dict[str, tuple[str, ...]] = {}
        children: dict[str, list[str]] = {}
        needs: dict[str, Capacity] = {}
        for stage in stages:
            name = stage.fingerprint
            order.append(name)
            labels[name] = stage_title(stage)
            parents[name] = tuple(dict.fromkeys(stage.parents.values()))
            children[name] = []
            needs[name] = need(stage)
            for parent in parents[name]:
                children[parent].append(name)
        positions = {name: index for index, name in enumerate(order)}
        below: dict[str, int] = {}
        for name in reversed(order):
            reach = 0
            for child in children[name]:
                reach |= below[child] | 1 << positions[child]
            below[name] = reach
        frozen = {name: tuple(found) for name, found in children.items()}
        return cls(tuple(order), positions, labels, parents, frozen, below, needs)

    def bits(self, names: Iterable[str]) -> int:
        """A set of stages as a bit set over ``order``."""
        field = bytearray(len(self.order) // 8 + 1)
        for name in names:
            index = self.positions[name]
            field[index // 8] |= 1 << index % 8
        return int.from_bytes(field, "little")
