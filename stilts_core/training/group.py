"""The nodes that share one training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """One node's place among the nodes of a training. By default it is alone.

    Attributes:
        nodes: how many there are; each has as many ranks as any other.
        node: which one this is, from 0; the ranks of the first are the first ranks.
        leader: name or address of the first node, where the ranks meet.
        port: of the leader.
        patience: seconds for which a rank waits there for all the others; the nodes may start minutes apart.
    """

    nodes: int = 1
    node: int = 0
    leader: str = ""
    port: int = 0
    patience: float = 600.0


ALONE = Group()
