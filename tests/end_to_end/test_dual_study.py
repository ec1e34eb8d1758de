"""LAReQA on slices of the real files and Mewsli-X on made ones, from the study's file to its results."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from dual_files import write_mewslix
from whole_study import make_place

SLICES = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: dual}
spec:
  encoders: [{name: tiny, source: ./encoder}]
  curricula: [baseline, {name: questions, steps: [{task: squad_v1, limit: 40}]}]
  targets:
    - {task: lareqa, languages: [en, tr], train_limit: 80}
    - {task: lareqa, name: lareqa-untrained, languages: [en, tr], training: false}
    - {task: mewslix, languages: [en, de]}
  protocol: xtreme-2020
  data: {root: data}
  overrides:
    - match: {task: squad_v1}
      set: {max_steps: 2, max_length: 96, question_length: 24, doc_stride: 32, dev_examples: 10}
    - {match: {task: lareqa}, set: {max_length: 128, question_length: 32, learning_rate: 1.0e-3}}
    - {match: {task: mewslix}, set: {batch_size: 16, pool: 8, epochs: 4}}
"""


def make_encoder(folder: Path) -> None:
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from stilts_core.data.readers import texts
    from stilts_core.data.vocabulary import train_tokenizer

    written = [record.text for record in texts("squad-json", SLICES / "squad/dev-v1.1.json")]
    tokenizer = train_tokenizer([*written, "αβγδεζηθικλμνξοπρστυφχψω абвгдежзиклмнопрстуфхцчш { }"], 600, 128)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        pad_token_id=tokenizer.pad_token_id,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)


def test_a_study_with_dual_encoders(tmp_path: Path) -> None:
    if not (SLICES / "squad").is_dir():
        pytest.skip(f"needs the data slices; STILTS_TEST_DATA names their folder (looked in {SLICES})")
    place = make_place(tmp_path)
    write_mewslix(tmp_path / "data")
    for name in ("squad", "lareqa"):
        (tmp_path / "data" / name).symlink_to(SLICES / name)
    make_encoder(tmp_path / "encoder")
    place.write("study.yaml", STUDY)
    run = place.run()
    assert run.status == 0, run.err + run.out
    text = (tmp_path / "results/dual/results.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["metric"] == "score"]
    found = {(row["curriculum"], row["target"], row["language"]): row for row in rows}
    targets = {"lareqa": ("en", "tr"), "lareqa-untrained": ("en", "tr"), "mewslix": ("en", "de")}
    assert set(found) == {
        (curriculum, target, language)
        for curriculum in ("baseline", "questions")
        for target, languages in targets.items()
        for language in languages
    }
    for (curriculum, target, language), row in found.items():
        assert 0 < float(row["value"]) <= 100
        trained = target != "lareqa-untrained" or curriculum == "questions"
        assert row["zero_shot"] == ("false" if language == "en" and trained else "true"), row
    kinds: dict[str, list[dict[str, object]]] = {}
    for path in place.manifests().values():
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kinds.setdefault(manifest["stage"]["kind"], []).append(manifest)
    tasks = sorted(str(manifest["metrics"]["tasks"]) for manifest in kinds["train"])  # type: ignore[index]
    assert tasks == ["['lareqa']", "['lareqa']", "['mewslix']", "['mewslix']", "['squad_v1']"]
