"""Small studies and a data root that exists by name only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stilts_core.catalog.load import load_catalogue
from stilts_core.model import Frozen
from stilts_core.planning.expand import make_plan
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Plan, Stage, StageKind
from stilts_core.spec.study import Study

LANGUAGES = ("en", "de", "sw", "zh")
SOURCE = EncoderSource(location="somewhere/base", digest="e" * 64, parameters=1_000_000)


class Files:
    """Data files whose content is their name, or what ``content`` says."""

    def __init__(self, paths: Iterable[str], content: Mapping[str, str] | None = None) -> None:
        self.paths = sorted(paths)
        self.content = dict(content or {})

    def find(self, pattern: str) -> list[str]:
        expression = re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))
        return [path for path in self.paths if expression.fullmatch(path)]

    def digest(self, path: str) -> tuple[str, int]:
        text = self.content.get(path, path)
        return hashlib.sha256(text.encode()).hexdigest(), 100_000

    def without(self, *patterns: str) -> Files:
        gone = {path for pattern in patterns for path in self.find(pattern)}
        return Files([path for path in self.paths if path not in gone], self.content)

    def moved(self, change: Callable[[str], str]) -> Files:
        return Files([change(path) for path in self.paths], {change(path): path for path in self.paths})


def all_files(languages: Iterable[str] = LANGUAGES) -> Files:
    paths = [
        "mnli/multinli_1.0_train.jsonl",
        "mnli/multinli_1.0_dev_matched.jsonl",
        "squad/train-v1.1.json",
        "squad/dev-v1.1.json",
        "hellaswag/hellaswag_train.jsonl",
        "hellaswag/hellaswag_val.jsonl",
        "xnli/train-en.tsv",
        "udpos/train-en.tsv",
    ]
    catalogue = load_catalogue()
    for code in languages:
        iso3 = catalogue.languages[code].iso3
        paths += [f"xnli/{split}-{code}.tsv" for split in ("dev", "test")]
        paths += [f"udpos/{split}-{code}.tsv" for split in ("dev", "test")]
        paths += [
            f"xquad/xquad.{code}.json",
            f"lareqa/xquad-r/{code}.json",
            f"mlm/{code}.txt",
            f"mnli/train-{code}.tsv",
        ]
        paths += [f"tatoeba/v1/tatoeba.{iso3}-eng.{iso3}", f"tatoeba/v1/tatoeba.{iso3}-eng.eng"]
    return Files(paths)


def pretraining(**changes: Any) -> dict[str, Any]:
    text = [
        {"path": "mlm/{lang}.txt", "format": "text-lines", "languages": ["en", "de"]},
        {
            "path": "tatoeba/v1/tatoeba.{iso3}-eng.{iso3}",
            "pair": "tatoeba/v1/tatoeba.{iso3}-eng.eng",
            "format": "parallel-lines",
            "languages": ["sw"],
            "parallel": True,
            "rows": [0, 0.5],
        },
    ]
    return {"name": "made", "pretrain": {"steps": 10, "text": text, **changes}}


def study(**spec: Any) -> Study:
    """A study of the encoder ``base`` on two languages, with anything of its spec replaced."""
    whole: dict[str, Any] = {
        "encoders": [{"name": "base", "source": "somewhere/base"}],
        "curricula": ["baseline", "mnli", {"name": "mnli-squad", "steps": ["mnli", "squad_v1"]}],
        "targets": [
            {"task": "xnli", "languages": ["en", "de"]},
            {"task": "xquad", "languages": ["en", "de"]},
            {"task": "tatoeba", "languages": ["de", "sw"]},
        ],
        "seeds": 2,
    }
    return Study.model_validate({"metadata": {"name": "small"}, "spec": {**whole, **spec}})


def plan_of(written: Study | None = None, files: Files | None = None, source: EncoderSource = SOURCE) -> Plan:
    written = written or study()
    catalogue = load_catalogue(written.spec.tasks)
    encoders = {encoder.name: source for encoder in written.spec.encoders if encoder.source}
    return make_plan(written, catalogue, files or all_files(), encoders)


def stages_of(plan: Plan, kind: StageKind, params: type[Frozen] | None = None) -> list[Stage]:
    return [s for s in plan.stages if s.kind is kind and (params is None or isinstance(s.params, params))]


def fingerprints(plan: Plan) -> set[str]:
    return {stage.fingerprint for stage in plan.stages}
