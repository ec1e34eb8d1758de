"""What a study of sequences measures beside its scores: what is retained of earlier tasks, and how alike tasks are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stilts_core.catalog.models import Head
from stilts_core.planning import estimate
from stilts_core.planning.graph import Graph
from stilts_core.planning.params import (
    CompareParams,
    FeaturesParams,
    FisherParams,
    Params,
    ProbeParams,
    RetainedParams,
    TrainTask,
)
from stilts_core.planning.plan import Reading, StageKind
from stilts_core.planning.preparation import Origin
from stilts_core.spec.sequences import Similarity
from stilts_core.spec.study import BASELINE, Spec

NO_TARGET = "-"

MEASURES = ("text", "tokens", "fisher")
"""Measures of a task beside a target."""

PROBES = ("logme", "rank", "cka")
"""Measures of a target's inputs in a model with intermediate training."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A step of a curriculum, with one seed.

    Attributes:
        stage: the training.
        data: role → the prepared data of each of its tasks.
    """

    stage: str
    tasks: tuple[TrainTask, ...]
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class TargetTrained:
    """A target's training.

    Attributes:
        stage: None where it has none, and then ``data`` are what it is scored on.
        labelled: its examples have labels for a head; a dual encoder's have none.
    """

    stage: str | None
    data: str
    labelled: bool


@dataclass
class Lineages:
    """The trainings of a plan while it is made, by encoder, curriculum and seed."""

    origins: dict[str, Origin] = field(default_factory=dict)
    steps: dict[tuple[str, str, int], list[Trained]] = field(default_factory=dict)
    targets: dict[tuple[str, str, str, int], TargetTrained] = field(default_factory=dict)

    def step(
        self,
        origin: Origin,
        curriculum: str,
        seed: int,
        stage: str,
        tasks: tuple[TrainTask, ...],
        data: dict[str, str],
    ) -> None:
        """Note a step, in the order of the steps."""
        self.origins[origin.name] = origin
        self.steps.setdefault((origin.name, curriculum, seed), []).append(Trained(stage, tasks, data))

    def target(self, origin: Origin, curriculum: str, name: str, seed: int, trained: TargetTrained) -> None:
        """Note what a target is trained on."""
        self.origins[origin.name] = origin
        self.targets[origin.name, curriculum, name, seed] = trained


def sequence_readings(graph: Graph, spec: Spec, lineages: Lineages) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
    """Add the stages that a study's `sequences` ask for.

    Returns:
        What to read of them, and notes for people.
    """
    if spec.sequences is None:
        return (), ()
    found = _Sequels(graph, spec, lineages)
    readings = [*found.trials()]
    if spec.sequences.forgetting:
        readings += found.retained()
    if spec.sequences.similarity is not None:
        readings += found.similarity(spec.sequences.similarity)
    return tuple(readings), tuple(found.notes)


class _Sequels:
    def __init__(self, graph: Graph, spec: Spec, lineages: Lineages) -> None:
        self._graph = graph
        self._spec = spec
        self._lineages = lineages
        self._params: dict[Params, Params] = {}
        self.notes: dict[str, None] = {}

    # What everything costs

    def trials(self) -> Iterator[Reading]:
        """How long each step of a curriculum, and each target's training, took: what trying a curriculum costs."""
        for (encoder, curriculum, seed), steps in self._lineages.steps.items():
            for step in steps:
                yield self._seconds("trial", encoder, curriculum, NO_TARGET, seed, step.stage)
        for (encoder, curriculum, target, seed), trained in self._lineages.targets.items():
            if trained.stage is not None:
                yield self._seconds("trial", encoder, curriculum, target, seed, trained.stage)

    def _seconds(self, name: str, encoder: str, curriculum: str, target: str, seed: int, stage: str) -> Reading:
        return Reading(
            encoder=encoder,
            curriculum=curriculum,
            target=target,
            seed=seed,
            fingerprint=stage,
            of="run",
            place=("seconds",),
            metric=f"cost_{name}",
        )

    # Forgetting

    def retained(self) -> Iterator[Reading]:
        """The development score of each task after its own step, and after every later one."""
        for (encoder, curriculum, seed), steps in self._lineages.steps.items():
            for number, step in enumerate(steps, start=1):
                known: dict[str, None] = {}
                for task in step.tasks:
                    if task.head is Head.MLM:
                        continue
                    known[task.task] = None
                    yield self._reading(encoder, curriculum, seed, step.stage, ("dev", task.task), task.task, number)
                for earlier in reversed(steps[: number - 1]):
                    for index, task in enumerate(earlier.tasks):
                        if task.head is Head.MLM or task.task in known:
                            continue
                        known[task.task] = None
                        stage = self._graph.add(
                            StageKind.EVALUATE,
                            self._one(RetainedParams(task=task, index=index)),
                            {"data": earlier.data[f"data/{index}"], "model": step.stage, "heads": earlier.stage},
                            label=f"{task.task} after step {number} of {curriculum} · {encoder} · seed {seed}",
                            work=self._work(encoder, task.hyper.dev_examples),
                        )
                        yield self._reading(encoder, curriculum, seed, stage, ("score",), task.task, number)

    def _reading(
        self, encoder: str, curriculum: str, seed: int, stage: str, place: tuple[str, ...], task: str, number: int
    ) -> Reading:
        return Reading(
            encoder=encoder,
            curriculum=curriculum,
            seed=seed,
            fingerprint=stage,
            place=place,
            metric=f"after_{number}_{task}",
            split="dev",
        )

    def _one(self, params: Params) -> Params:
        """One object for equal parameters: fingerprints write shared objects once."""
        return self._params.setdefault(params, params)

    def _work(self, encoder: str, examples: int) -> float:
        return estimate.evaluate_work(estimate.Amount(examples, 64.0 * examples), self._lineages.origins[encoder].body)

    # Similarity

    def similarity(self, settings: Similarity) -> Iterator[Reading]:
        """Every task that a curriculum of its own trains, with every target, for each encoder."""
        for origin in self._lineages.origins.values():
            yield from self._compared(origin, settings)
            yield from self._probed(origin, settings)

    def _singles(self, origin: Origin, seed: int) -> dict[str, Trained]:
        """Curriculum → its only training, of one task that has examples."""
        found = {}
        for curriculum in self._spec.curricula:
            steps = self._lineages.steps.get((origin.name, curriculum.name, seed), [])
            if len(steps) == 1 and len(steps[0].tasks) == 1 and steps[0].tasks[0].head is not Head.MLM:
                found[curriculum.name] = steps[0]
        return found

    def _compared(self, origin: Origin, settings: Similarity) -> Iterator[Reading]:
        seed = self._spec.seed_list()[0]
        sources = self._singles(origin, seed)
        any_curriculum = BASELINE if (origin.name, BASELINE) in self._arms() else self._spec.curricula[0].name
        targets = {
            target.name: self._lineages.targets[origin.name, any_curriculum, target.name, seed]
            for target in self._spec.targets
        }
        parents: dict[str, str] = {}
        for place, (name, step) in enumerate(sources.items()):
            data = step.data["data/0"]
            parents[f"source/{place}"] = self._features(origin, settings, name, data, "train")
            parents[f"source-fisher/{place}"] = self._fisher(origin, settings, name, step.stage, data)
        for place, (name, trained) in enumerate(targets.items()):
            split = None if trained.stage is None else "train"
            parents[f"target/{place}"] = self._features(origin, settings, name, trained.data, split)
            if trained.stage is not None and trained.labelled and any_curriculum == BASELINE:
                parents[f"target-fisher/{place}"] = self._fisher(origin, settings, name, trained.stage, trained.data)
        if any_curriculum != BASELINE:
            self.notes["Without a baseline the Fisher information of targets is not compared."] = None
        stage = self._graph.add(
            StageKind.SIMILARITY,
            CompareParams(sources=tuple(sources), targets=tuple(targets)),
            parents,
            label=f"{len(sources)} tasks with {len(targets)} targets · {origin.name}",
            work=0.0,
        )
        for source in sources:
            for target in targets:
                for measure in MEASURES:
                    yield Reading(
                        encoder=origin.name,
                        curriculum=source,
                        target=target,
                        seed=seed,
                        fingerprint=stage,
                        place=(measure, source, target),
                        metric=f"similarity_{measure}",
                    )
        for role, made in parents.items():
            side, _, number = role.partition("/")
            of_target = side.startswith("target")
            name = list(targets if of_target else sources)[int(number)]
            where = (any_curriculum, name) if of_target else (name, NO_TARGET)
            for measure in ("fisher",) if side.endswith("fisher") else ("text", "tokens"):
                yield self._seconds(measure, origin.name, *where, seed, made)
            if side.endswith("fisher"):  # it needs trained models of both
                model = targets[name].stage if of_target else sources[name].stage
                yield self._seconds("fisher", origin.name, *where, seed, model or made)

    def _arms(self) -> set[tuple[str, str]]:
        return {(encoder, curriculum) for encoder, curriculum, _, _ in self._lineages.targets}

    def _features(self, origin: Origin, settings: Similarity, name: str, data: str, split: str | None) -> str:
        params = FeaturesParams(
            split="train" if split else None,
            examples=settings.examples,
            tokens=settings.tokens,
            seed=settings.seed,
            encoder=origin.source,
        )
        return self._graph.add(
            StageKind.SIMILARITY,
            self._one(params),
            {"data": data, **self._encoder(origin)},
            label=f"inputs of {name} · {origin.name}",
            work=self._work(origin.name, settings.examples),
        )

    def _fisher(self, origin: Origin, settings: Similarity, name: str, model: str, data: str) -> str:
        params = FisherParams(examples=settings.gradients, seed=settings.seed)
        return self._graph.add(
            StageKind.SIMILARITY,
            self._one(params),
            {"data": data, "model": model},
            label=f"Fisher information of {name} · {origin.name}",
            work=3 * self._work(origin.name, settings.gradients),
        )

    def _probed(self, origin: Origin, settings: Similarity) -> Iterator[Reading]:
        for seed in self._spec.seed_list():
            for source, step in self._singles(origin, seed).items():
                for target in self._spec.targets:
                    trained = self._lineages.targets[origin.name, source, target.name, seed]
                    params = ProbeParams(
                        split=None if trained.stage is None else "train",
                        examples=settings.examples,
                        tokens=settings.tokens,
                        seed=settings.seed,
                        encoder=origin.source,
                    )
                    stage = self._graph.add(
                        StageKind.SIMILARITY,
                        self._one(params),
                        {"data": trained.data, "model": step.stage, **self._encoder(origin)},
                        label=f"{target.name} in {source} · {origin.name} · seed {seed}",
                        work=2 * self._work(origin.name, settings.examples),
                    )
                    for probe in PROBES:
                        if probe == "logme" and not trained.labelled:
                            continue
                        yield Reading(
                            encoder=origin.name,
                            curriculum=source,
                            target=target.name,
                            seed=seed,
                            fingerprint=stage,
                            place=(probe,),
                            metric=f"similarity_{probe}",
                        )
                        yield self._seconds(probe, origin.name, source, target.name, seed, stage)
                for probe in PROBES:  # they look at a trained model
                    yield self._seconds(probe, origin.name, source, NO_TARGET, seed, step.stage)

    def _encoder(self, origin: Origin) -> dict[str, str]:
        return {} if origin.stage is None else {"encoder": origin.stage}
