"""Encoders in a bucket: fetched once, verified, refused where they have changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import S3Server, moto_server

from stilts_core.catalog.load import load_catalogue
from stilts_core.errors import DataError
from stilts_core.planning.encoders import resolve_encoders
from stilts_core.planning.params import EncoderSource, TextParams
from stilts_core.planning.plan import Stage, StageKind
from stilts_core.spec.study import Study
from stilts_core.stages.encoder_files import fetch_encoder, with_local_encoder
from stilts_core.storage.open import open_store
from stilts_core.storage.settings import S3Settings

FILES = {
    "config.json": json.dumps({"model_type": "xlm-roberta", "num_hidden_layers": 1, "hidden_size": 8}).encode(),
    "tokenizer.json": b"{}",
    "model.safetensors": b"weights",
}


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        server.make_bucket("encoders")
        yield server


@pytest.fixture
def address(moto: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://encoders/{tmp_path.name}"
    store = open_store(uri, S3Settings())
    for name, data in FILES.items():
        store.put(name, data)
    return uri


def source_of(address: str, cache: Path) -> EncoderSource:
    spec = {"encoders": [{"name": "far", "source": address}], "curricula": ["baseline"], "targets": ["xnli"]}
    study = Study.model_validate({"metadata": {"name": "s"}, "spec": spec})
    return resolve_encoders(study, load_catalogue(), cache)["far"]


def test_an_encoder_is_fetched_once_and_stands_in_a_folder(address: str, tmp_path: Path) -> None:
    source = source_of(address, tmp_path / "planner")
    cache = tmp_path / "cache"
    stage = Stage(
        fingerprint="0" * 64,
        kind=StageKind.PREPARE,
        version=1,
        params=TextParams(sequence_length=8, encoder=source),
    )
    local = with_local_encoder(stage, cache, S3Settings()).params
    assert isinstance(local, TextParams)
    assert local.encoder is not None
    folder = Path(local.encoder.location)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert local.encoder.digest == source.digest
    open_store(address, S3Settings()).delete("model.safetensors")
    assert fetch_encoder(source, cache, S3Settings()) == folder  # without the bucket


def test_a_damaged_copy_is_fetched_again(address: str, tmp_path: Path) -> None:
    source = source_of(address, tmp_path / "planner")
    folder = fetch_encoder(source, tmp_path / "cache", S3Settings())
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"rubbish")
    fetch_encoder(source, tmp_path / "cache", S3Settings())
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_an_encoder_that_has_changed_since_the_plan_is_refused(address: str, tmp_path: Path) -> None:
    source = source_of(address, tmp_path / "planner")
    open_store(address, S3Settings()).put("model.safetensors", b"others!")
    with pytest.raises(DataError, match="changed"):
        fetch_encoder(source, tmp_path / "cache", S3Settings())
