"""From a file to a plan: real slices, encoders in folders, and what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.planning.encoders import resolve_encoders
from stilts_core.planning.estimate import transformer_parameters
from stilts_core.planning.load import plan_study
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.study import Study

REAL = """
kind: Study
metadata: {name: real}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline, mnli, squad_v1, {name: mnli-hellaswag, steps: [mnli, hellaswag]}]
  targets: [xnli, udpos, xquad, tydiqa, tatoeba]
  seeds: 2
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, slices: Path) -> Plan:
    folder = tmp_path_factory.mktemp("real")
    (folder / "study.yaml").write_text(REAL)
    return plan_study(folder / "study.yaml", data_root=str(slices), cache=folder / "cache")


def test_every_language_of_the_real_slices_is_planned(real: Plan) -> None:
    languages = {cell.target: cell.languages for cell in real.cells}
    assert {target: len(found) for target, found in languages.items()} == {
        "xnli": 15,
        "udpos": 33,
        "xquad": 11,
        "tydiqa": 9,
        "tatoeba": 36,
    }
    assert set(languages["xnli"].values()) == {"dev"}
    assert {languages["udpos"][code] for code in ("kk", "th", "tl", "yo")} == {"test"}
    formats = {
        file.role: file.format
        for stage in real.stages
        if stage.kind is StageKind.PREPARE and getattr(stage.params, "task", "") == "udpos"
        for file in stage.files
    }
    assert [formats[f"test/{code}"] for code in ("kk", "th", "tl", "yo")] == ["conllu"] * 4
    assert formats["dev/af"] == "tags-tsv"


def test_notes_name_the_languages_of_another_split_and_the_unpinned_encoder(real: Plan) -> None:
    assert any(note.startswith("xnli: scored on dev data, for want of test data, in 15 of 15") for note in real.notes)
    assert any("no `revision` is given" in note for note in real.notes)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(REAL)
    (tmp_path / "data").mkdir()
    with pytest.raises(MissingInputError, match=r"xnli/test-ar\.tsv"):
        plan_study(tmp_path / "study.yaml", data_root=str(tmp_path / "data"), cache=tmp_path / "cache")
    with pytest.raises(MissingInputError, match="nowhere"):
        plan_study(tmp_path / "study.yaml", data_root=str(tmp_path / "nowhere"), cache=tmp_path / "cache")


def test_the_plan_knows_its_data_from_any_working_directory(
    tmp_path: Path, slices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study.yaml").write_text(REAL)
    monkeypatch.chdir(slices.parent)
    plan = plan_study(tmp_path / "study.yaml", data_root=slices.name, cache=tmp_path / "cache")
    assert Path(plan.data_root) == slices.resolve()


def test_names_are_checked_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(REAL.replace("squad_v1,", "squad_v3,"))
    with pytest.raises(SpecError, match=r"study\.yaml:6:\d+: .*squad_v3"):
        plan_study(tmp_path / "study.yaml", data_root=str(tmp_path), cache=tmp_path / "cache")


CONFIG = {
    "model_type": "xlm-roberta",
    "num_hidden_layers": 6,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "max_position_embeddings": 130,
    "pad_token_id": 1,
}


def encoder_folder(folder: Path, **files: str) -> Path:
    folder.mkdir()
    whole = {"config.json": json.dumps(CONFIG), "tokenizer.json": "{}", "model.safetensors": "weights", **files}
    for name, text in whole.items():
        (folder / name).write_text(text)
    return folder


def resolved(encoder: Any, cache: Path) -> EncoderSource:
    spec = {"encoders": [encoder], "curricula": ["baseline"], "targets": ["xnli"]}
    study = Study.model_validate({"metadata": {"name": "a"}, "spec": spec})
    (source,) = resolve_encoders(study, load_catalogue(), cache).values()
    return source


def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    one = resolved(str(encoder_folder(tmp_path / "one")), tmp_path / "cache")
    two = resolved(str(encoder_folder(tmp_path / "two")), tmp_path / "cache")
    other = resolved(str(encoder_folder(tmp_path / "three", **{"model.safetensors": "x"})), tmp_path / "cache")
    assert one.digest == two.digest != other.digest
    assert one.location == str(tmp_path / "one")
    assert (one.max_length, one.parameters) == (128, int(transformer_parameters(6, 256, 1024)))


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (["tokenizer.json"], "lacks its tokenizer"),
        (["model.safetensors"], "lacks its weights"),
        (["config.json", "tokenizer.json"], "lacks its configuration .* and its tokenizer"),
    ],
)
def test_an_encoder_that_is_not_whole_says_what_it_lacks(tmp_path: Path, gone: list[str], named: str) -> None:
    folder = encoder_folder(tmp_path / "encoder")
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(MissingInputError, match=named):
        resolved(str(folder), tmp_path / "cache")


def test_a_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "encoder", **{"config.json": "{"})
    with pytest.raises(DataError, match=r"config\.json of the encoder"):
        resolved(str(folder), tmp_path / "cache")


def test_a_hub_id_is_known_by_its_name_and_revision(tmp_path: Path) -> None:
    plain = resolved("xlm-roberta-base", tmp_path)
    pinned = resolved({"name": "base", "source": "xlm-roberta-base", "revision": "abc"}, tmp_path)
    spelled = resolved({"name": "base", "source": "FacebookAI/xlm-roberta-base"}, tmp_path)
    assert plain.location == "FacebookAI/xlm-roberta-base"
    assert plain.digest == spelled.digest != pinned.digest
    assert (plain.max_length, plain.parameters) == (512, 277_453_056 - 250_002 * 768)


def test_a_path_that_is_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no folder"):
        resolved({"name": "base", "source": str(tmp_path / "nowhere")}, tmp_path)


@pytest.mark.parametrize(
    ("config", "max_length", "parameters"),
    [
        (
            {"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0},
            512,
            transformer_parameters(6, 256, 1024),
        ),
        (
            {"model_type": "mt5", "num_layers": 8, "d_model": 512, "d_ff": 1024, "max_position_embeddings": None},
            1024,
            transformer_parameters(8, 512, 1024, gated=True),
        ),
        (
            {"model_type": "distilbert", "n_layers": 3, "dim": 64, "hidden_dim": 128, "max_position_embeddings": 512},
            512,
            transformer_parameters(3, 64, 128),
        ),
        (
            {"model_type": "eurobert", "max_position_embeddings": 8192},
            8192,
            transformer_parameters(6, 256, 1024, gated=True),
        ),
    ],
)
def test_a_configuration_is_read_as_its_architecture_writes_it(
    tmp_path: Path, config: dict[str, Any], max_length: int, parameters: float
) -> None:
    folder = encoder_folder(tmp_path / "encoder", **{"config.json": json.dumps(CONFIG | config)})
    source = resolved(str(folder), tmp_path / "cache")
    assert (source.max_length, source.parameters) == (max_length, int(parameters))


def test_an_encoder_without_an_adapter_is_refused_when_planning(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path / "encoder", **{"config.json": json.dumps(CONFIG | {"model_type": "longformer"})})
    with pytest.raises(SpecError, match="has the architecture longformer, and stilts knows xlm-roberta, "):
        resolved(str(folder), tmp_path / "cache")


def test_a_newer_adapter_is_another_encoder(tmp_path: Path) -> None:
    """Results of an architecture whose adapter changed are not those of before; XLM-R's is the first still."""
    folder = encoder_folder(tmp_path / "encoder")
    catalogue = load_catalogue()
    before = resolved(str(folder), tmp_path / "cache").digest
    traits = catalogue.architectures["xlm-roberta"].model_copy(update={"version": 2})
    newer = replace(catalogue, architectures={**catalogue.architectures, "xlm-roberta": traits})
    spec = {"encoders": [str(folder), "xlm-roberta-base"], "curricula": ["baseline"], "targets": ["xnli"]}
    study = Study.model_validate({"metadata": {"name": "a"}, "spec": spec})
    sources = resolve_encoders(study, newer, tmp_path / "cache")
    assert sources["encoder"].digest != before
    assert sources["xlm-roberta-base"].digest != resolved("xlm-roberta-base", tmp_path).digest


def test_languages_that_pretraining_did_not_have_are_named(tmp_path: Path, slices: Path) -> None:
    study = REAL.replace("encoders: [xlm-roberta-base]", "encoders: [xlm-roberta-base, eurobert-210m]")
    assert study != REAL
    (tmp_path / "study.yaml").write_text(study)
    plan = plan_study(tmp_path / "study.yaml", data_root=str(slices), cache=tmp_path / "cache")
    scored = {language for cell in plan.cells for language in cell.languages}
    xlm_r, note = [note for note in plan.notes if "pretraining had no text" in note]
    asked = f"of the {len(scored)} languages that it is scored in: "
    assert xlm_r == f"xlm-roberta-base: its pretraining had no text in 1 {asked}yo."
    missing = sorted(
        scored - {"ar", "de", "en", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "ru", "tr", "vi", "zh"}
    )
    assert note == f"eurobert-210m: its pretraining had no text in {len(missing)} {asked}{', '.join(missing)}."
