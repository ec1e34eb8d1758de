"""Plans and manifests with made-up numbers, for the tests of the analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from stilts_core.catalog.models import Head, Hyper, Metric
from stilts_core.model import digest
from stilts_core.planning.params import EncoderSource, EvaluateParams, TrainParams, TrainTask
from stilts_core.planning.plan import KIND_VERSIONS, Cell, DataFile, Plan, Stage, StageKind, fingerprint
from stilts_core.storage.manifest import Attempt, Manifest

Entry = dict[str, Any]
ENCODER = EncoderSource(location="hub/tiny-encoder", digest=digest("tiny-encoder"))
KINDS: dict[str, tuple[Head, Metric]] = {
    "xnli": (Head.CLASSIFICATION, Metric.ACCURACY),
    "udpos": (Head.TAGGING, Metric.TAG_F1),
    "xquad": (Head.SPAN, Metric.SQUAD),
    "tydiqa": (Head.SPAN, Metric.SQUAD),
    "tatoeba": (Head.RETRIEVAL, Metric.RETRIEVAL_ACCURACY),
}


def make_plan(
    *,
    curricula: Sequence[str] = ("baseline", "mnli"),
    targets: dict[str, Sequence[str]] | None = None,
    seeds: Sequence[int] = (0, 1),
    encoders: Sequence[str] = ("tiny",),
    name: str = "fake",
    title: str = "",
    question: str = "",
    data_root: str = "data",
    notes: tuple[str, ...] = (),
) -> Plan:
    """A plan with a train stage before each evaluation, except for retrieval; the untrained encoder is shared by all
    seeds.
    """
    targets = targets or {"xnli": ("en", "de")}
    stages: dict[str, Stage] = {}
    cells: list[Cell] = []
    for encoder in encoders:
        source = EncoderSource(location=f"hub/{encoder}", digest=digest(encoder))
        for curriculum in curricula:
            for target, languages in targets.items():
                for seed in seeds:
                    parent = None
                    if curriculum != "baseline":
                        parent = _train(stages, curriculum, seed, source, None)
                    head, metric = KINDS[target]
                    if head is not Head.RETRIEVAL:
                        parent = _train(stages, target, seed, source, parent)
                    evaluation = _evaluate(stages, target, head, metric, languages, source, parent, seed)
                    cells.append(
                        Cell(
                            encoder=encoder,
                            curriculum=curriculum,
                            target=target,
                            seed=seed,
                            fingerprint=evaluation,
                            languages=dict.fromkeys(languages, "test"),
                        )
                    )
    study = {
        "metadata": {"name": name, "title": title, "question": question},
        "spec": {
            "encoders": [{"name": e, "source": f"hub/{e}"} for e in encoders],
            "curricula": list(curricula),
            "targets": list(targets),
            "seeds": list(seeds),
            "overrides": [{"match": {"task": "xnli"}, "set": {"epochs": 2}}],
        },
    }
    return Plan(
        name=name,
        protocol="xtreme-2020",
        data_root=data_root,
        study=study,
        stages=tuple(stages.values()),
        cells=tuple(cells),
        notes=notes,
    )


def _train(stages: dict[str, Stage], task: str, seed: int, encoder: EncoderSource, parent: str | None) -> str:
    hyper = Hyper(max_steps=400)
    params = TrainParams(
        tasks=(TrainTask(task=task, head=Head.CLASSIFICATION, labels=(task,), hyper=hyper),),
        hyper=hyper,
        mix_cap=1000,
        seed=seed,
        encoder=None if parent else encoder,
    )
    file = DataFile(role="train/en", path=f"{task}/train.jsonl", format="mnli-jsonl", sha256=digest(task), size=12345)
    parents = {"encoder": parent} if parent else {}
    return _add(stages, StageKind.TRAIN, params, parents, (file,), f"train {task}, seed {seed}")


def _evaluate(
    stages: dict[str, Stage],
    target: str,
    head: Head,
    metric: Metric,
    languages: Iterable[str],
    encoder: EncoderSource,
    parent: str | None,
    seed: int,
) -> str:
    retrieval = head is Head.RETRIEVAL
    params = EvaluateParams(
        task=target,
        head=head,
        labels=(target,),
        metric=metric,
        answer_length=30,
        pooling="mean" if retrieval else None,
        retrieval_share=0.6 if retrieval else None,
        encoder=None if parent else encoder,
    )
    files = tuple(
        DataFile(role=f"test/{code}", path=f"{target}/{code}", format="pairs-tsv", sha256=digest(code), size=999)
        for code in languages
    )
    parents = {"model": parent} if parent else {}
    return _add(stages, StageKind.EVALUATE, params, parents, files, f"evaluate {target}, seed {seed}")


def _add(
    stages: dict[str, Stage],
    kind: StageKind,
    params: TrainParams | EvaluateParams,
    parents: dict[str, str],
    files: tuple[DataFile, ...],
    label: str,
) -> str:
    name = fingerprint(kind, params, parents, files)
    stages.setdefault(
        name,
        Stage(
            fingerprint=name,
            kind=kind,
            version=KIND_VERSIONS[kind],
            params=params,
            parents=parents,
            files=files,
            label=label,
        ),
    )
    return name


def entry(score: float | None, *, chance: float = 33.5, n: int = 100, **more: Any) -> Entry:
    """The metrics of a language as an evaluation leaves them."""
    known = score is not None
    return {
        "split": "test",
        "n": n,
        "metrics": {"accuracy": score} if known else {},
        "score": score,
        "chance": chance if known else None,
        "at_chance": score - chance < 2 if score is not None else None,
        "degenerate": False if known else None,
        "note": None,
        **more,
    }


def manifest(stage: Stage, metrics: dict[str, Any], *, attempt: int = 1, seconds: float = 2.5) -> Manifest:
    return Manifest(
        fingerprint=stage.fingerprint,
        stage=stage.model_dump(mode="json"),
        attempt=Attempt(number=attempt, token="0123456789abcdef"),
        files={},
        metrics=metrics,
        run={
            "started": "2030-01-01T10:00:00+00:00",
            "finished": "2030-01-01T10:00:02+00:00",
            "seconds": seconds,
            "host": "node-a",
            "cpu": "Some CPU",
            "packages": {"torch": "9.9", "numpy": "8.8"},
        },
    )


def make_manifests(plan: Plan, score: Callable[[Cell, str], Entry | None]) -> dict[str, Manifest]:
    """Manifests of all stages; ``score`` gives the entry of a language, or None for a stage that has not committed."""
    found: dict[str, Manifest] = {}
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for cell in plan.cells:
        entries = {code: score(cell, code) for code in cell.languages}
        if any(value is None for value in entries.values()):
            continue
        metric = KINDS[cell.target][1].value
        found.setdefault(cell.fingerprint, manifest(stages[cell.fingerprint], {"metric": metric, "languages": entries}))
    for stage in plan.stages:
        if stage.kind is StageKind.TRAIN:
            metrics = {"steps": 400, "best_step": 300, "loss_first": 1.1, "loss_last": 0.4, "dev": {"xnli": 66.6}}
            found[stage.fingerprint] = manifest(stage, {**metrics, "examples": 12800, "tokens": 500000}, seconds=61)
    return found


XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
UDPOS = (
    "af",
    "ar",
    "bg",
    "de",
    "el",
    "en",
    "es",
    "et",
    "eu",
    "fa",
    "fi",
    "fr",
    "he",
    "hi",
    "hu",
    "id",
    "it",
    "ja",
    "kk",
    "ko",
    "mr",
    "nl",
    "pt",
    "ru",
    "ta",
    "te",
    "th",
    "tl",
    "tr",
    "ur",
    "vi",
    "yo",
    "zh",
)
XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
TYDIQA = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
TATOEBA = ("ar", "de", "es", "et", "fi", "fr", "ja", "sw", "ta", "tr", "ur", "zh")
LEVELS = {"xnli": (52, 6), "udpos": (60, 14), "xquad": (38, 9), "tydiqa": (12, 5), "tatoeba": (28, 12)}
GAINS = {"mnli": (4, -0.5, 1.2, 0.4, 9), "squad_v1": (0.3, 0.2, 4.5, 3.1, 5), "hellaswag": (-2.2, -0.9, -0.6, 0.1, 2)}


def realistic(seeds: Sequence[int] = (0, 1, 2), **plan_options: Any) -> tuple[Plan, dict[str, Manifest]]:
    """A study of 3 curricula and 5 targets in up to 33 languages, with missing runs and runs at chance."""
    targets = {"xnli": XNLI, "udpos": UDPOS, "xquad": XQUAD, "tydiqa": TYDIQA, "tatoeba": TATOEBA}
    options = {"curricula": ("baseline", "mnli", "squad_v1", "hellaswag"), "targets": targets, "seeds": seeds}
    plan = make_plan(**{**options, **plan_options})
    place = {name: number for number, name in enumerate(LEVELS)}

    def score(cell: Cell, code: str) -> Entry | None:
        if (cell.curriculum, cell.target, cell.seed) == ("hellaswag", "xquad", seeds[-1]):
            return None
        level, width = LEVELS[cell.target]
        of_language = np.random.default_rng([place[cell.target], *code.encode()]).normal(0, width)
        rng = np.random.default_rng([cell.seed, place[cell.target], *cell.curriculum.encode(), *code.encode()])
        common = np.random.default_rng([cell.seed, place[cell.target], *cell.curriculum.encode()]).normal(0, 0.6)
        untrained = cell.target == "tatoeba" and cell.curriculum == "baseline"
        gain = GAINS[cell.curriculum][place[cell.target]] if cell.curriculum in GAINS else 0.0
        noise = 0.0 if untrained else common + rng.normal(0, 0.5)
        english = {"xnli": 14, "udpos": 26, "xquad": 18, "tydiqa": 15}.get(cell.target, 0) if code == "en" else 0
        value = float(np.clip(level + of_language * (code != "en") + english + gain + noise, 0.3, 97))
        chance = {"xnli": 33.4, "udpos": 9.5, "xquad": 5.0, "tydiqa": 11.0, "tatoeba": 0.1}[cell.target]
        if cell.target == "xnli" and cell.curriculum == "hellaswag" and cell.seed == seeds[0]:
            return entry(33.3, chance=33.4, n=5010, degenerate=True)
        made = entry(value, chance=chance, n=5010 if cell.target == "xnli" else 47 + 19 * len(code) + ord(code[0]))
        if cell.target == "tatoeba":
            made["metrics"] |= {
                f"accuracy@state{state:02d}": max(0.2, value * (1 - ((state - 4) / 7) ** 2)) for state in range(7)
            }
        return made

    return plan, make_manifests(plan, score)
