"""A study that has every part once and takes seconds, and the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stilts_core.storage.open import open_store

PROGRAM = str(Path(sys.executable).with_name("stilts"))
SLOTS = "2"
PATIENCE = 240

PRETRAINED = """
    - name: tiny
      pretrain:
        layers: 1
        hidden: 32
        heads: 2
        vocabulary: 1000
        max_length: 128
        sequence_length: 32
        steps: 8
        batch_tokens: 512
        dropout: 0
        objectives: {mlm: 1, tlm: 1, contrastive: 1, lexical: 1}
        text:
          - {path: "text/{lang}.txt", format: text-lines, languages: [en, de, sw]}
          - path: "parallel/{lang}-en.{lang}"
            pair: "parallel/{lang}-en.en"
            format: parallel-lines
            parallel: true
            languages: [de, sw]
"""

WHOLE = f"""
apiVersion: stilts/v1alpha1
kind: Study
metadata: {{name: whole, title: Every part once}}
spec:
  encoders:{PRETRAINED}
  curricula:
    - baseline
    - name: all-kinds
      steps:
        - {{mix: [{{task: mnli, limit: 60}}, {{task: squad_v2, limit: 60}}, {{mlm: sw}}]}}
        - {{task: hellaswag, limit: 40}}
  targets:
    - {{task: xnli, languages: [en, de, sw], limit: 20, train_limit: 40}}
    - {{task: udpos, languages: [en, ja], limit: 10, train_limit: 30}}
    - {{task: xquad, languages: [en, tr], limit: 10, train_limit: 40}}
    - {{task: tydiqa, languages: [en, fi], limit: 10, train_limit: 40}}
    - {{task: tatoeba, languages: [de, ar], limit: 20}}
  protocol: corrected
  data: {{root: "sample://"}}
  overrides:
    - match: {{}}
      set: {{batch_size: 8, max_steps: 3, dev_examples: 10, evaluate_every: 2, patience: 2, max_length: 96,
            question_length: 24, doc_stride: 32}}
"""

LANGUAGES = {"xnli": 3, "udpos": 2, "xquad": 2, "tydiqa": 2, "tatoeba": 2}
CURRICULA = ("baseline", "all-kinds")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """A working directory with a study in it, a cache of its own, and a store.

    Attributes:
        store: as on the command line.
        environment: over a clean one.
    """

    folder: Path
    store: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HF_"))}
        own = {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.folder / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "no-aws-credentials"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        return {**kept, **own, **self.environment}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def stilts(self, *arguments: str, **options: Any) -> Done:
        """A command to its end, without the store."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return Done(process.returncode, out, err)

    def on_study(self, verb: str, *arguments: str, study: str = "study.yaml") -> Done:
        """A verb on the study and the store."""
        return self.stilts(verb, study, *arguments, "--store", self.store)

    def run(self, *arguments: str, study: str = "study.yaml") -> Done:
        return self.on_study("run", *arguments, "--slots", SLOTS, study=study)

    def result(self, name: str) -> bytes:
        return (self.folder / "results" / "whole" / name).read_bytes()

    def manifests(self) -> dict[str, Path]:
        """Fingerprint → manifest, of a store that is a folder."""
        return {path.parent.name: path for path in Path(self.store).glob("stages/*/*/manifest.json")}

    def no_manifest(self) -> bool:
        return not any(info.key.endswith("/manifest.json") for info in open_store(self.store).list("stages/"))


def make_place(folder: Path, store: str | None = None, environment: Mapping[str, str] | None = None) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder, store or str(folder / "store"), environment or {})
    place.write("study.yaml", WHOLE)
    return place
