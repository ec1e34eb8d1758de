"""Curricula that follow from a list of tasks: ordered sequences and their controls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt, model_validator

from stilts_core.catalog.models import Name
from stilts_core.model import Frozen
from stilts_core.spec.steps import Curriculum, Step, TaskUse

if TYPE_CHECKING:
    from typing import Self

LONGEST_NAME = 40
MOST = 1000
"""Curricula that a study may ask for in this way."""


class Similarity(Frozen):
    """How alike tasks are, and what a target's inputs look like to a model: measured on a seeded sample.

    Attributes:
        examples: of each task, for embeddings, LogME and label-free probes.
        tokens: of these, whose states are compared one by one.
        gradients: examples whose gradients make the diagonal of the Fisher information.
        seed: of the samples.
    """

    examples: PositiveInt = 500
    tokens: PositiveInt = 1000
    gradients: PositiveInt = 100
    seed: Annotated[int, Field(ge=0)] = 0


class Sequences(Frozen):
    """Every task alone, ordered sequences of different tasks, and joint training as a control.

    Without ``begin`` they are all ordered sequences up to ``length``, so that each has its reverse. With ``begin`` they
    are those sequences, each of them with one more task, and the reverse of these: the next round of a best-first
    search. A sequence is trained once, whichever others begin with it, and rounds in one store share what they train.

    Attributes:
        tasks: what a step trains.
        length: of the longest sequence.
        begin: names of tasks, in order: the sequences to go on from.
        joint: also train each set of tasks in one step.
        forgetting: score the development set of each earlier task after every step, with the head of its own training.
        similarity: measure how alike the tasks and the targets are; null for not.
    """

    tasks: tuple[TaskUse, ...] = Field(min_length=2)
    length: Annotated[int, Field(ge=1, le=5)] = 2
    begin: tuple[tuple[Name, ...], ...] = ()
    joint: bool = True
    forgetting: bool = True
    similarity: Similarity | None = Similarity()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [use.task for use in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tasks has {', '.join(twice)} more than once")
        for sequence in self.begin:
            strange = [name for name in sequence if name not in names]
            if strange:
                raise ValueError(f"begin names {', '.join(strange)}, which is not among the tasks")
            if len(set(sequence)) != len(sequence) or not sequence:
                raise ValueError("a sequence of begin is a list of different tasks")
        for number, _ in enumerate(self._orders()):
            if number == MOST:
                raise ValueError(f"that makes more than {MOST:,} sequences; lower `length`, or give `begin`")
        return self

    def curricula(self) -> tuple[Curriculum, ...]:
        """The curricula, shortest first: single tasks, sequences in the order of the tasks, joint trainings."""
        uses = {use.task: use for use in self.tasks}
        orders = list(self._orders())
        found = [
            Curriculum(name=_name(order), steps=tuple(Step(mix=(uses[name],)) for name in order)) for order in orders
        ]
        if self.joint:
            sets = dict.fromkeys(tuple(name for name in uses if name in order) for order in orders if len(order) > 1)
            found += [
                Curriculum(name=_name(names, "."), steps=(Step(mix=tuple(uses[name] for name in names)),))
                for names in sets
            ]
        return tuple(found)

    def _orders(self) -> Iterator[tuple[str, ...]]:
        """The names of the tasks of each sequence, each once, short ones first."""
        names = [use.task for use in self.tasks]
        yield from ((name,) for name in names)
        if not self.begin:
            for length in range(2, self.length + 1):
                yield from permutations(names, length)
            return
        found: dict[tuple[str, ...], None] = {}
        for begin in self.begin:
            found.update(dict.fromkeys(begin[:length] for length in range(2, len(begin) + 1)))
            longer = [(*begin, name) for name in names if name not in begin]
            found.update(dict.fromkeys(longer))
            found.update(dict.fromkeys(order[::-1] for order in longer))
        yield from sorted(found, key=len)


def _name(parts: Sequence[str], mark: str = "-") -> str:
    """``mnli-squad_v1``, or ``mnli.squad_v1`` for both at once; parts are cut where that is too long for a name."""
    whole = mark.join(parts)
    if len(whole) <= LONGEST_NAME:
        return whole
    room = (LONGEST_NAME - len(parts) + 1) // len(parts)
    return mark.join(part[:room].rstrip("._-") for part in parts)
