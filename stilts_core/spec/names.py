"""Whether the names in a study mean something, and whether they fit together, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import get_args

from pydantic import ValidationError

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head, Hyper, Metric, Source, Task
from stilts_core.catalog.nearest import unknown
from stilts_core.catalog.published import shipped
from stilts_core.errors import SpecError
from stilts_core.spec.claims import Claim
from stilts_core.spec.document import Problem, report, show
from stilts_core.spec.load import LoadedStudy
from stilts_core.spec.own_task import OwnTask
from stilts_core.spec.sentences import sentence_of
from stilts_core.spec.study import BASELINE, Encoder, Measure, Override, Target, TaskUse

EFFICIENCY = "efficiency"

QUESTIONS = ("transfer", "morphology", EFFICIENCY, "metrics", "languages", "order")
"""The questions that the report can answer."""

MIX = "mix"

FORMATS: tuple[str, ...] = get_args(Source.model_fields["format"].annotation)

HEADS = {
    "pairs-tsv": Head.CLASSIFICATION,
    "mnli-jsonl": Head.CLASSIFICATION,
    "mnli-glue": Head.CLASSIFICATION,
    "anli-jsonl": Head.CLASSIFICATION,
    "qqp-glue": Head.CLASSIFICATION,
    "xnli-tsv": Head.CLASSIFICATION,
    "xnli-jsonl": Head.CLASSIFICATION,
    "xnli-mt-tsv": Head.CLASSIFICATION,
    "pawsx-tsv": Head.CLASSIFICATION,
    "squad-json": Head.SPAN,
    "tydiqa-json": Head.SPAN,
    "hellaswag-jsonl": Head.CHOICE,
    "xcopa-jsonl": Head.CHOICE,
    "copa-xml": Head.CHOICE,
    "cosmosqa-csv": Head.CHOICE,
    "cosmosqa-jsonl": Head.CHOICE,
    "commonsenseqa-jsonl": Head.CHOICE,
    "socialiqa-jsonl": Head.CHOICE,
    "tags-tsv": Head.TAGGING,
    "panx-tsv": Head.TAGGING,
    "conllu": Head.TAGGING,
    "ccg-tsv": Head.TAGGING,
    "table": Head.CLASSIFICATION,
    "choices-jsonl": Head.CHOICE,
    "parallel-lines": Head.RETRIEVAL,
    "bucc": Head.RETRIEVAL,
    "lareqa-json": Head.RETRIEVAL,
    "squad-sentences": Head.RETRIEVAL,
    "mewslix-jsonl": Head.RETRIEVAL,
    "mewslix-pairs": Head.RETRIEVAL,
    "text-lines": Head.MLM,
}
LABEL_FORMATS = frozenset({"label-lines", "label-json"})
_WITH_LABELS = (Head.CLASSIFICATION, Head.TAGGING)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_WHOLE = (0.0, 1.0)

Place = tuple[str | int, ...]


def check_names(loaded: LoadedStudy, catalogue: Catalogue) -> None:
    """Check a study against the catalogue.

    Args:
        loaded: the study with its file.
        catalogue: with the study's own tasks in it, and those of its data root.

    Raises:
        SpecError: all problems at once, each with line and column, what is allowed, and the nearest known name.
    """
    check = _Check(loaded, catalogue)
    spec = loaded.study.spec
    if spec.protocol not in catalogue.protocols:
        check.unknown("protocol", spec.protocol, catalogue.protocols, "spec", "protocol")
    for index, question in enumerate(spec.questions):
        if question not in QUESTIONS:
            check.unknown("question", question, QUESTIONS, "spec", "questions", index)
    for index, claim in enumerate(spec.claims):
        check.claim(claim, ("spec", "claims", index))
    for index, reference in enumerate(spec.reference):
        if not reference.rows and reference.name not in shipped():
            check.unknown("table of published results", reference.name, shipped(), "spec", "reference", index)
    if spec.measure is not None:
        check.measure(spec.measure, ("spec", "measure"))
    for index, task in enumerate(spec.tasks):
        check.own_task(task, index)
    if check.strange:  # what a file beside the study says wrong makes no sense of the rest
        raise report(*check.strange)
    for index, encoder in enumerate(spec.encoders):
        check.encoder(encoder, ("spec", "encoders", index))
    made = {curriculum.name for curriculum in spec.sequences.curricula()} if spec.sequences else set()
    for index, use in enumerate(spec.sequences.tasks if spec.sequences else ()):
        check.use(use, ("spec", "sequences", "tasks", index))
    for index, curriculum in enumerate(spec.curricula):
        for number, step in enumerate(curriculum.steps if curriculum.name not in made else ()):
            for part, use in enumerate(step.mix):
                check.use(use, ("spec", "curricula", index, "steps", number, "mix", part))
    for index, target in enumerate(spec.targets):
        check.target(target, ("spec", "targets", index))
    for index, override in enumerate(spec.overrides):
        check.override(override, ("spec", "overrides", index))
    if check.problems:
        raise report(loaded.document.name, check.problems)


class _Check:
    def __init__(self, loaded: LoadedStudy, catalogue: Catalogue) -> None:
        self.problems: list[Problem] = []
        self.strange: tuple[str, list[Problem]] | None = None
        self._loaded = loaded
        self._document = loaded.document
        self._spec = loaded.study.spec
        self._catalogue = catalogue
        brought = (code for task in catalogue.tasks.values() for code in (*task.languages, *task.extra_languages))
        self._languages = dict.fromkeys((*catalogue.languages, *brought))

    def say(self, sentence: str, *place: str | int) -> None:
        path = self._document.locate(place)
        self.problems.append(Problem(self._document.positions[path], f"{show(path)}: {sentence}"))

    def say_of_key(self, sentence: str, *place: str | int) -> None:
        path = self._document.locate(place)
        self.problems.append(Problem(self._document.keys[path], f"{show(path[:-1])}: {sentence}"))

    def unknown(self, what: str, name: str, known: Collection[str], *place: str | int) -> None:
        self.say(unknown(what, name, known), *place)

    def claim(self, claim: Claim, place: Place) -> None:
        curricula = [curriculum.name for curriculum in self._spec.curricula]
        targets = [target.name for target in self._spec.targets]
        for index, name in enumerate(claim.curricula):
            if name not in curricula:
                self.unknown("curriculum", name, curricula, *place, "curricula", index)
        if claim.against not in curricula:
            self.unknown("curriculum", claim.against, curricula, *place, "against")
        for index, name in enumerate(claim.targets):
            if name not in targets:
                self.unknown("target", name, targets, *place, "targets", index)

    def measure(self, measure: Measure, place: Place) -> None:
        if EFFICIENCY not in self._spec.questions:
            self.say(f"measures for a question that is not asked; add {EFFICIENCY} to `questions`", *place)
        targets = {target.name: target for target in self._spec.targets}
        for index, name in enumerate(measure.targets):
            task = self._catalogue.tasks.get(targets[name].task) if name in targets else None
            if name not in targets:
                self.unknown("target", name, targets, *place, "targets", index)
            elif task is not None and task.head is not Head.CLASSIFICATION:
                self.say(f"{name} does not classify sentences, and only that is measured", *place, "targets", index)
        if measure.languages is not None:
            known = [self._catalogue.tasks[t.task] for t in targets.values() if t.task in self._catalogue.tasks]
            codes = dict.fromkeys(code for task in known for code in (*task.languages, *task.extra_languages))
            self._codes(measure.languages, codes, " of the study's targets", (*place, "languages"))

    def encoder(self, encoder: Encoder, place: Place) -> None:
        if encoder.source is not None:
            self._source(encoder.source, (*place, "source"))
        for index, text in enumerate(encoder.pretrain.text if encoder.pretrain else ()):
            here = (*place, "pretrain", "text", index)
            if text.format not in FORMATS:
                self.unknown("format", text.format, FORMATS, *here, "format")
            self._path(text.path, (*here, "path"))
            if text.pair is not None:
                self._path(text.pair, (*here, "pair"))
            self._share(text.rows, (*here, "rows"))
            self._codes(text.languages, self._languages, "", (*here, "languages"))

    def use(self, use: TaskUse, place: Place) -> None:
        task = self._task(use.task, (*place, "task"))
        if task is None:
            return
        if use.mlm is not None:
            self._masked(use, task, place)
        elif task.head is Head.RETRIEVAL:
            self.say(f"{task.name} is retrieval, which cannot be a step of a curriculum", *place, "task")
        elif not (task.train or task.parts):
            other = f"; its training set is that of {task.train_on}" if task.train_on else ""
            self.say(f"{task.name} has no training set of its own{other}", *place, "task")
        else:
            allowed = self._catalogue.training_languages(task)
            self._codes(use.languages, allowed, f" that {task.name} can be trained in", (*place, "languages"))

    def target(self, target: Target, place: Place) -> None:
        task = self._task(target.task, (*place, "task"))
        if task is None:
            return
        if task.metric is None:
            self.say(f"{task.name} has no metric and cannot be a target", *place, "task")
            return
        if not (task.test or task.dev or task.parts):
            self.say(f"{task.name} has no evaluation data", *place, "task")
        if target.languages is not None:
            allowed = (*task.languages, *task.extra_languages)
            self._codes(target.languages, allowed, f" of {task.name}", (*place, "languages"))
        self._share(target.rows, (*place, "rows"))
        if task.head is Head.RETRIEVAL and task.metric is not Metric.RETRIEVAL_ACCURACY and target.rows != _WHOLE:
            self.say(f"the rows of {task.name} belong to each other; it takes a `limit`", *place, "rows")
        if task.head is Head.RETRIEVAL:
            self._retrieval(target, task, place)
            return
        if not target.training:
            self.say(f"only a retrieval target can do without training; {task.name} needs it", *place, "training")
        if target.rows != _WHOLE:
            self.say(f"only a retrieval target has rows; {task.name} takes a `limit`", *place, "rows")
        source = self._catalogue.tasks.get(task.train_on) if task.train_on else task
        if source is not None and not (source.train or source.parts):
            self.say(f"{source.name}, on which {task.name} is trained, has no training set", *place, "task")
        elif source is not None and target.translate_train is not None:
            allowed = tuple(code for code in self._catalogue.training_languages(task) if code != "en")
            here = (*place, "translate_train", "languages")
            self._codes(target.translate_train.languages, allowed, f" that {source.name} can be trained in", here)
        if target.few_shot is not None:
            sources = (*task.train, *task.dev)
            held = dict.fromkeys(c for s in sources for c in self._catalogue.source_languages(task, s) if c != "en")
            here = (*place, "few_shot", "languages")
            self._codes(target.few_shot.languages, held, f" with labelled examples of {task.name}", here)

    def _retrieval(self, target: Target, task: Task, place: Place) -> None:
        """The options of a retrieval target, which may be trained, and then in English alone."""
        source = self._catalogue.tasks.get(task.train_on) if task.train_on else task
        learns = source is not None and bool(source.train)
        if not learns and "training" in target.model_fields_set and target.training:
            self.say(f"{task.name} has no training set", *place, "training")
        for option in ("train_limit", "few_shot", "translate_train"):
            if getattr(target, option) is None:
                continue
            if not (learns and target.training):
                self.say(f"{task.name} has no training", *place, option)
            elif option != "train_limit":
                self.say(f"{task.name} is trained on its English set alone", *place, option)

    def override(self, override: Override, place: Place) -> None:
        match = override.match
        curricula = [curriculum.name for curriculum in self._spec.curricula]
        encoders = [encoder.name for encoder in self._spec.encoders]
        for what, name, known in (
            ("task", match.task, [*self._catalogue.tasks, MIX, *(target.name for target in self._spec.targets)]),
            ("curriculum", match.curriculum, curricula),
            ("encoder", match.encoder, encoders),
        ):
            if name is not None and name not in known:
                self.unknown(what, name, known, *place, "match", what)
        if match.curriculum == BASELINE and match.kind == "train":
            self.say(f"{BASELINE} trains nothing before the target", *place, "match", "curriculum")
        for name, value in override.set.items():
            if name not in Hyper.model_fields:
                self.say_of_key(unknown("setting", name, Hyper.model_fields), *place, "set", name)
                continue
            try:
                Hyper.model_validate({name: value}, strict=True)
            except ValidationError as error:
                self.say(sentence_of(error.errors()[0]), *place, "set", name)

    def own_task(self, task: OwnTask, index: int) -> None:
        """A task that the study brings, in its own file or in one beside it."""
        document, place = self._loaded.task_places[index]
        if document is self._loaded.document:
            return self._own(task, place)
        here, problems = self._document, self.problems
        self._document, self.problems = document, []
        self._own(task, place)
        if self.problems and self.strange is None:
            self.strange = (document.name, self.problems)
        self._document, self.problems = here, problems
        return None

    def _own(self, task: OwnTask, place: Place) -> None:
        if task.path is not None:
            self._path(task.path, (*place, "path"))
            if len(task.languages) > 1 and "{lang}" not in task.path and "{iso3}" not in task.path:
                self.say(f"{task.name} has {len(task.languages)} languages, so its path needs {{lang}}", *place, "path")
            if task.pair is None and task.head is Head.RETRIEVAL:
                self.say("needs the English side as `pair`", *place)
            if task.format is not None and HEADS.get(task.format) is not task.head:
                fitting = [name for name, head in HEADS.items() if head is task.head]
                sentence = f"{task.format} holds no {task.head.value} data; allowed: {', '.join(fitting)}"
                self.say(sentence, *place, "format")
        elif task.pair or task.format or task.columns or task.provenance:
            self.say("pair, format, columns and provenance go with `path`; a source has its own", *place)
        elif not (task.train or task.dev or task.test or task.train_on or task.parts):
            self.say(f"{task.name} has no data: give its `path`, or `train`, `dev` and `test`", *place)
        self.task(task, place)

    def task(self, task: OwnTask, place: Place) -> None:
        """What holds for every task."""
        if task.train_on is not None:
            self._like(task, task.train_on, (*place, "train_on"))
        for key, names in (("train_first", task.train_first), ("parts", task.parts)):
            for index, name in enumerate(names):
                self._like(task, name, (*place, key, index))
        if task.head in _WITH_LABELS and len(set(task.labels)) < 2 and not task.labels_from:
            self.say(f"{task.name} needs `labels`: at least two, all different", *place)
        for index, source in enumerate(task.labels_from):
            if source.format not in LABEL_FORMATS and HEADS.get(source.format) not in _WITH_LABELS:
                self.say(f"{source.format} gives no list of labels", *place, "labels_from", index, "format")
        if task.parts and (task.train or task.dev or task.test):
            self.say(f"{task.name} has `parts`, so its data are theirs: leave out train, dev and test", *place)
        for split in ("train", "dev", "test"):
            sources: tuple[Source, ...] = getattr(task, split)
            for index, source in enumerate(sources):
                here = (*place, split, index)
                if task.path is not None:
                    continue  # it stands for this source, and has been looked at
                if HEADS.get(source.format) is not task.head:
                    fitting = [name for name, head in HEADS.items() if head is task.head]
                    sentence = f"{source.format} holds no {task.head.value} data; allowed: {', '.join(fitting)}"
                    self.say(sentence, *here, "format")
                self._path(source.path, (*here, "path"))
                if source.pair is not None:
                    self._path(source.pair, (*here, "pair"))
                elif source.format == "parallel-lines":
                    self.say("needs the English side as `pair`", *here)

    def _like(self, task: Task, name: str, place: Place) -> None:
        """Another task that shares a task's head."""
        other = self._task(name, place)
        if other is None:
            return
        if (other.head, other.labels) != (task.head, task.labels):
            self.say(f"{name} has another head than {task.name}, or other labels, or in another order", *place)
        if other.parts and task.parts:
            self.say(f"{name} has parts itself; name those", *place)

    def _task(self, name: str, place: Place) -> Task | None:
        task = self._catalogue.tasks.get(name)
        if task is None:
            self.unknown("task", name, self._catalogue.tasks, *place)
        return task

    def _source(self, source: str, place: Place) -> None:
        scheme, separator, _ = source.partition("://")
        if separator and scheme != "s3":
            self.say(f"{scheme}:// is no address of an encoder; allowed: a hub id, a folder, s3://", *place)
        known = self._catalogue.encoders
        if not separator and "/" not in source and not source.startswith((".", "~")) and source not in known:
            sentence = unknown("encoder", source, known)
            self.say(f"{sentence} (a hub id has the form OWNER/NAME, a folder ./{source})", *place)

    def _masked(self, use: TaskUse, task: Task, place: Place) -> None:
        if task.head is not Head.MLM:
            self.say(f"`mlm` names the text of masked-language training; {task.name} is another task", *place, "mlm")
            return
        if use.limit is not None:
            self.say(f"`limit` does not apply to {task.name}: it trains on text, not on examples", *place, "limit")
        try:
            self._catalogue.languages_of(use.mlm or "")
        except SpecError as error:
            self.say(error.message[:1].lower() + error.message[1:], *place, "mlm")

    def _codes(self, codes: Sequence[str], allowed: Collection[str], of: str, place: Place) -> None:
        if not codes:
            self.say("needs at least one language", *place)
        for index, code in enumerate(codes):
            if code not in allowed:
                self.unknown(f"language{of}", code, allowed, *place, index)
            elif code in codes[:index]:
                self.say(f"{code} is here twice", *place, index)

    def _share(self, rows: tuple[float, float], place: Place) -> None:
        if rows[0] >= rows[1]:
            self.say(f"the share [{rows[0]:g}, {rows[1]:g}) is empty; the first number must be the smaller", *place)

    def _path(self, path: str, place: Place) -> None:
        if any(part in {"", ".", ".."} for part in path.split("/")) or "\\" in path:
            self.say(f'"{path}" is no path under the data root; write it without / at its ends, and without ..', *place)
        strange = [name for name in _PLACEHOLDER.findall(path) if name not in {"lang", "iso3", "split"}]
        if strange:
            self.say(unknown("placeholder", f"{{{strange[0]}}}", ["{lang}", "{iso3}"]), *place)
