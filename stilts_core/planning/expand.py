"""From a study to its plan: a pure function of the study, the catalogue, the data's digests and the encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import LARGE_LAYERS, Head, Hyper, Metric, Protocol, Retrieval, Task
from stilts_core.errors import MissingInputError, SpecError
from stilts_core.planning import estimate, settings
from stilts_core.planning.graph import Graph
from stilts_core.planning.lineage import Seen, provenance_notes, zero_shot_notes
from stilts_core.planning.measuring import add_measurements
from stilts_core.planning.params import UNCAPPED, EncoderSource, EvaluateParams, TrainParams, TrainTask
from stilts_core.planning.plan import Cell, Plan, StageKind
from stilts_core.planning.preparation import Origin, Preparation, Prepared
from stilts_core.planning.reuse import reuse_notes
from stilts_core.planning.sequels import Lineages, TargetTrained, sequence_readings
from stilts_core.planning.settings import Resolved, Resolver
from stilts_core.planning.sources import DataFiles, Locator
from stilts_core.spec.study import Curriculum, Encoder, Step, Study, Target


def make_plan(study: Study, catalogue: Catalogue, data: DataFiles, encoders: Mapping[str, EncoderSource]) -> Plan:
    """The plan of a study.

    Args:
        study: as written.
        catalogue: with the study's own tasks in it.
        data: the study's data root.
        encoders: name → source of every encoder that the study does not pretrain.

    Raises:
        SpecError: the study asks for something that cannot be, such as training on a task without a training set.
        MissingInputError: a data file or an encoder is not there.
        DataError: a pattern of the catalogue fits several files.
    """
    return _Expansion(study, catalogue, data, encoders).plan()


@dataclass(frozen=True, slots=True)
class _Training:
    """What the trainings of all seeds have in common."""

    tasks: tuple[TrainTask, ...]
    hyper: Hyper
    mix_cap: int
    data: dict[str, str]
    work: float


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What the evaluations of all seeds have in common.

    Attributes:
        params: for a model that a stage made.
        untrained: for an encoder that is there.
    """

    params: EvaluateParams
    untrained: EvaluateParams
    data: str
    splits: dict[str, str]
    work: float


class _Expansion:
    def __init__(
        self, study: Study, catalogue: Catalogue, data: DataFiles, encoders: Mapping[str, EncoderSource]
    ) -> None:
        self._study = study
        self._spec = study.spec
        self._catalogue = catalogue
        self._encoders = encoders
        self._protocol = catalogue.protocol(study.spec.protocol)
        self._resolver = resolver_of(study, self._protocol, encoders)
        self._graph = Graph()
        locator = Locator(data, catalogue, study.spec.data.root, study.spec.benchmark)
        self._preparation = Preparation(self._graph, locator, catalogue, self._protocol.long_tagging)
        self._lineages = Lineages()
        self._cuts: dict[str, dict[str, int]] = {}
        self._bodies: dict[str, float] = {}
        # Shared objects are written into fingerprints once, so equal settings must be one object.
        self._hypers: dict[tuple[int, Head | None, int], tuple[Resolved, Hyper | None, Hyper]] = {}
        self._train_tasks: dict[tuple[str, int], TrainTask] = {}
        self._scorings: dict[tuple[str, int, str | None, bool], EvaluateParams] = {}

    def plan(self) -> Plan:
        cells: list[Cell] = []
        for encoder in self._spec.encoders:
            origin = self._origin(encoder)
            self._bodies[encoder.name] = origin.body
            for curriculum in self._spec.curricula:
                cells += self._arm(origin, curriculum)
        readings, notes = sequence_readings(self._graph, self._spec, self._lineages)
        measurements = add_measurements(self._graph, self._spec, self._catalogue, cells, self._bodies)
        stages = self._graph.stages
        return Plan(
            name=self._study.metadata.name,
            protocol=self._protocol.name,
            data_root=self._spec.data.root,
            study=self._study.model_dump(mode="json"),
            stages=stages,
            cells=tuple(cells),
            readings=readings,
            measurements=measurements,
            notes=(*self._notes(), *notes, *zero_shot_notes(cells), *reuse_notes(stages)),
        )

    # Phase 1

    def _origin(self, encoder: Encoder) -> Origin:
        if encoder.pretrain is None:
            source = self._encoders.get(encoder.name)
            if source is None:
                raise MissingInputError(f"The encoder {encoder.name} ({encoder.source}) was not found.")
            return Origin(encoder.name, estimate.body_parameters(source), source=source)
        return self._preparation.pretrain(encoder.name, encoder.pretrain)

    # Phases 2 and 3

    def _arm(self, origin: Origin, curriculum: Curriculum) -> list[Cell]:
        seeds = self._spec.seed_list()
        models: dict[int, str | None] = dict.fromkeys(seeds, origin.stage)
        names: list[str] = []
        seen = Seen(unlabelled=origin.text)
        for step in curriculum.steps:
            training = self._step(origin, curriculum, step)
            names.append(step.name)
            seen = seen.after(step, self._catalogue)
            for seed in seeds:
                models[seed] = trained = self._train(origin, training, models[seed], seed, names)
                self._lineages.step(origin, curriculum.name, seed, trained, training.tasks, training.data)
        return [
            cell
            for target in self._spec.targets
            for cell in self._target(origin, curriculum, target, models, names, seen)
        ]

    def _target(
        self,
        origin: Origin,
        curriculum: Curriculum,
        target: Target,
        models: Mapping[int, str | None],
        names: list[str],
        seen: Seen,
    ) -> list[Cell]:
        task = self._catalogue.task(target.task)
        resolved = self._resolve(settings.of_target(target, self._catalogue, curriculum.name, origin.name))
        trains = settings.trains(target, self._catalogue)
        evaluation = self._evaluation(origin, task, target, resolved.hyper, trains=trains)
        trainings: tuple[_Training, ...] = ()
        few = None
        if trains:
            languages = self._target_languages(task, target)
            trainings = self._target_trainings(origin, task, target, resolved, languages)
            few = self._few(origin, curriculum, task, target)
            seen = seen.with_labels((*languages, *(target.few_shot.languages if target.few_shot else ())))
        names = [*names, target.name]
        labelled, unlabelled = tuple(seen.labelled), tuple(seen.unlabelled)
        cells = []
        for seed, model in models.items():
            trained = model
            for number, training in enumerate(trainings, start=1):
                # The last one makes the target's model; those before it are named after what they train on.
                under = names if number == len(trainings) else [*names, training.tasks[0].task]
                trained = self._train(origin, training, trained, seed, under, keep_head=number > 1)
            noted = TargetTrained(
                trained if trainings else None,
                trainings[-1].data["data/0"] if trainings else evaluation.data,
                labelled=trains and task.head is not Head.RETRIEVAL,
            )
            self._lineages.target(origin, curriculum.name, target.name, seed, noted)
            if few is not None:
                trained = self._train(origin, few, trained, seed, [*names, "few"], keep_head=True)
            seeded = bool(trainings or curriculum.steps)
            cells.append(
                Cell(
                    encoder=origin.name,
                    curriculum=curriculum.name,
                    target=target.name,
                    task=task.name,
                    seed=seed,
                    fingerprint=self._evaluate(evaluation, trained, _label(names, origin, seed if seeded else None)),
                    languages=evaluation.splits,
                    labelled=labelled,
                    unlabelled=unlabelled,
                )
            )
        return cells

    def _train(
        self,
        origin: Origin,
        training: _Training,
        model: str | None,
        seed: int,
        names: list[str],
        *,
        keep_head: bool = False,
    ) -> str:
        params = TrainParams(
            tasks=training.tasks,
            hyper=training.hyper,
            mix_cap=training.mix_cap,
            seed=seed,
            keep_head=keep_head,
            encoder=origin.source if model is None else None,
        )
        parents = training.data if model is None else {"encoder": model, **training.data}
        label = _label(names, origin, seed)
        return self._graph.add(StageKind.TRAIN, params, parents, label=label, work=training.work)

    def _evaluate(self, evaluation: _Evaluation, model: str | None, label: str) -> str:
        parents = {"data": evaluation.data} if model is None else {"data": evaluation.data, "model": model}
        params = evaluation.params if model is not None else evaluation.untrained
        return self._graph.add(StageKind.EVALUATE, params, parents, label=label, work=evaluation.work)

    # What a training is made of

    def _step(self, origin: Origin, curriculum: Curriculum, step: Step) -> _Training:
        arm = (curriculum.name, origin.name)
        alone = len(step.mix) == 1
        common = None if alone else self._settings(settings.of_mix(step, self._catalogue, *arm), None)
        parts: list[tuple[TrainTask, Prepared]] = []
        for use in step.mix:
            subject = settings.of_use(use, self._catalogue, *arm)
            task = self._trained(subject.name)
            if task.head is Head.RETRIEVAL:
                raise SpecError(f"{task.name} cannot be a step of a curriculum: a dual encoder is trained as a target.")
            resolved = self._resolve(subject)
            hyper = self._reduced(resolved, task.head, common)
            if task.head is Head.MLM:
                data = self._preparation.masked_text(origin, task, use, resolved.hyper)
            else:
                data = self._preparation.training(
                    origin, task, resolved.hyper, use.languages, use.limit, use.provenance
                )
            parts.append((self._train_task(task, hyper), data))
        return self._training(origin, parts, common)

    def _target_languages(self, task: Task, target: Target) -> tuple[str, ...]:
        """The languages of a target's training set: English where there is some, and those asked for beside it."""
        known = self._catalogue.training_languages(self._trained(task.name))
        english = ("en",) if "en" in known or not known else known[:1]
        more = target.translate_train.languages if target.translate_train else ()
        return tuple(dict.fromkeys((*english, *more)))

    def _few(self, origin: Origin, curriculum: Curriculum, task: Task, target: Target) -> _Training | None:
        """The training on a few examples that a target asks for."""
        if target.few_shot is None:
            return None
        subject = settings.of_target(target, self._catalogue, curriculum.name, origin.name, phase="few-shot")
        resolved = self._resolve(subject)
        data = self._preparation.few(origin, task, resolved.hyper, target.few_shot)
        # The head is that of the training before, so it is the same task, by the name of the one trained on.
        trained = self._trained(task.name)
        return self._training(
            origin, [(self._train_task(trained, self._reduced(resolved, trained.head, None)), data)], None
        )

    def _target_trainings(
        self, origin: Origin, task: Task, target: Target, resolved: Resolved, languages: tuple[str, ...]
    ) -> tuple[_Training, ...]:
        """The trainings of a target, one after another with one head: first those of ``train_first``, in English."""
        first = [
            self._target_training(origin, task, self._trained(name), target, resolved, ("en",))
            for name in task.train_first
        ]
        return (*first, self._target_training(origin, task, self._trained(task.name), target, resolved, languages))

    def _target_training(
        self,
        origin: Origin,
        task: Task,
        trained: Task,
        target: Target,
        resolved: Resolved,
        languages: tuple[str, ...],
    ) -> _Training:
        if (trained.head, trained.labels) != (task.head, task.labels):
            raise SpecError(
                f"{task.name} cannot be trained on {trained.name}: their heads or labels differ.",
                hint="`train_on` needs a task with the same head and the same labels in the same order.",
            )
        provenance = target.translate_train.provenance if target.translate_train else None
        data = self._preparation.training(origin, trained, resolved.hyper, languages, target.train_limit, provenance)
        return self._training(
            origin, [(self._train_task(trained, self._reduced(resolved, trained.head, None)), data)], None
        )

    def _training(self, origin: Origin, parts: list[tuple[TrainTask, Prepared]], common: Hyper | None) -> _Training:
        tasks = tuple(task for task, _ in parts)
        hyper = common or tasks[0].hyper
        cap = UNCAPPED if common is None else self._protocol.mix_cap
        work = estimate.train_work(
            [data.amount for _, data in parts],
            hyper,
            [task.hyper.batch_size for task in tasks],
            cap,
            origin.body,
        )
        return _Training(tasks, hyper, cap, {f"data/{i}": data.stage for i, (_, data) in enumerate(parts)}, work)

    def _trained(self, name: str) -> Task:
        task = self._catalogue.training_task(self._catalogue.task(name))
        if not (task.train or task.parts):
            raise SpecError(
                f"{name} has no training set, so nothing can be trained on it.",
                hint="A retrieval target can do without (`training: false`); others need `train` or `train_on`.",
            )
        return task

    # What an evaluation is made of

    def _evaluation(self, origin: Origin, task: Task, target: Target, hyper: Hyper, *, trains: bool) -> _Evaluation:
        data, files = self._preparation.evaluation(origin, task, target, hyper)
        dual = trains and task.head is Head.RETRIEVAL
        return _Evaluation(
            params=self._evaluate_params(task, hyper.answer_length, None, dual=dual),
            untrained=self._evaluate_params(task, hyper.answer_length, origin.source),
            data=data.stage,
            splits=files.splits,
            work=estimate.evaluate_work(data.amount, origin.body),
        )

    def _evaluate_params(
        self, task: Task, answer_length: int, encoder: EncoderSource | None, *, dual: bool = False
    ) -> EvaluateParams:
        key = (task.name, answer_length, None if encoder is None else encoder.digest, dual)
        if key in self._scorings:
            return self._scorings[key]
        if task.metric is None:
            raise SpecError(f"{task.name} cannot be a target: it has no metric.")
        retrieval = self._protocol.retrieval_of(task.name) if task.head is Head.RETRIEVAL else None
        if retrieval is not None and dual:  # what was trained is what is compared: the last state
            retrieval = Retrieval(pooling=retrieval.trained, layer_share=1.0)
        scoring = self._protocol.scoring
        self._scorings[key] = EvaluateParams(
            task=task.name,
            head=task.head,
            labels=task.labels,
            null_answers=task.null_answers,
            metric=task.metric,
            answer_length=answer_length if task.head is Head.SPAN else 0,
            pooling=None if retrieval is None else retrieval.pooling,
            retrieval_states={} if retrieval is None else retrieval.layers,
            retrieval_share=None if retrieval is None else retrieval.layer_share,
            seqeval=scoring.seqeval if task.metric is Metric.TAG_F1 else None,
            squad=scoring.squad if task.metric is Metric.SQUAD else None,
            encoder=encoder,
        )
        return self._scorings[key]

    # Settings

    def _resolve(self, subject: settings.Subject) -> Resolved:
        resolved = self._resolver.resolve(subject)
        if resolved.cut_from is not None:
            self._cuts.setdefault(subject.encoder, {})[subject.name] = resolved.cut_from
        return resolved

    def _settings(self, subject: settings.Subject, common: Hyper | None) -> Hyper:
        return self._reduced(self._resolve(subject), subject.head, common)

    def _reduced(self, resolved: Resolved, head: Head | None, common: Hyper | None) -> Hyper:
        key = (id(resolved), head, id(common))
        known = self._hypers.get(key)
        if known is None:
            hyper = (
                settings.for_mix(resolved.hyper)
                if head is None
                else settings.for_task(resolved.hyper, head, common=common)
            )
            known = self._hypers[key] = (resolved, common, hyper)
        return known[2]

    def _train_task(self, task: Task, hyper: Hyper) -> TrainTask:
        key = (task.name, id(hyper))
        if key not in self._train_tasks:
            self._train_tasks[key] = TrainTask(
                task=task.name,
                head=task.head,
                labels=task.labels,
                null_answers=task.null_answers,
                metric=task.metric,
                hyper=hyper,
                pooling=self._protocol.retrieval_of(task.name).trained if task.head is Head.RETRIEVAL else None,
            )
        return self._train_tasks[key]

    def _notes(self) -> list[str]:
        splits = {target.name: target.split for target in self._spec.targets}
        notes = []
        for name, found in self._preparation.evaluation_files.items():
            if found.moved:
                asked = splits[name]
                other = "dev" if asked == "test" else "test"
                notes.append(
                    f"{name}: scored on {other} data, for want of {asked} data, in {len(found.moved)} of "
                    f"{len(found.splits)} languages: {', '.join(found.moved)}."
                )
        for encoder, cuts in self._cuts.items():
            limit = max_lengths(self._study, self._encoders)[encoder]
            inputs = ", ".join(f"{name} ({length})" for name, length in cuts.items())
            notes.append(f"{encoder}: takes {limit} tokens at most, so longer inputs are cut: {inputs}.")
        return [*notes, *provenance_notes(self._graph.stages)]


def resolver_of(study: Study, protocol: Protocol, encoders: Mapping[str, EncoderSource]) -> Resolver:
    """What settles the settings of a study's trainings."""
    layers = {encoder.name: encoder.pretrain.layers for encoder in study.spec.encoders if encoder.pretrain}
    layers.update({name: source.layers for name, source in encoders.items() if source.layers is not None})
    large = [name for name, count in layers.items() if count >= LARGE_LAYERS]
    return Resolver(protocol, study.spec.overrides, max_lengths(study, encoders), large)


def max_lengths(study: Study, encoders: Mapping[str, EncoderSource]) -> dict[str, int]:
    """Encoder → tokens it takes at most, where that is known."""
    known = {encoder.name: encoder.pretrain.max_length for encoder in study.spec.encoders if encoder.pretrain}
    known.update({name: source.max_length for name, source in encoders.items() if source.max_length is not None})
    return known


def _label(names: list[str], origin: Origin, seed: int | None) -> str:
    return f"{' > '.join(names)} · {origin.name}" + ("" if seed is None else f" · seed {seed}")
