"""Models of a finished study as a person takes them away: loaded by transformers, as their cards say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from servers import S3Server
from whole_study import Done, Place

from stilts_core.catalog.models import Head
from stilts_core.storage.commit import read_manifest
from stilts_core.storage.hashing import record_of
from stilts_core.storage.manifest import attempt_prefix
from stilts_core.storage.open import open_store

torch = pytest.importorskip("torch", reason="the training packages are an extra")
pytest.importorskip("deepspeed", reason="the training packages are an extra")

pytestmark = [pytest.mark.train, pytest.mark.xdist_group("whole-study")]

HEADS = {"xnli": (Head.CLASSIFICATION, 3), "udpos": (Head.TAGGING, 17), "xquad": (Head.SPAN, 0)}


def run_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the Python of a card gives, run in its folder as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert sum(map(bool, blocks[0].splitlines())) == 3
    monkeypatch.chdir(folder)
    found: dict[str, Any] = {}
    with torch.no_grad():
        exec("".join(blocks), found)
    return found


def stages_of(place: Place) -> dict[str, dict[str, Any]]:
    """Label and kind → stage of the plan."""
    stages = json.loads(place.on_study("plan", "--json").out)["stages"]
    return {f"{stage['kind']} {stage['label']}": stage for stage in stages}


def fetch(place: Place, folder: Path, *arguments: str) -> None:
    done = place.on_study("results", "--model", *arguments, "--out", str(folder))
    assert (done.status, done.err) == (0, "")


def test_an_encoder_is_what_its_children_go_on_from(
    finished: tuple[Place, Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stilts_core.modeling.encoder import encode, load_encoder

    place, _ = finished
    fetch(place, tmp_path / "mine", "all-kinds")
    stages = stages_of(place)
    made_by = stages["train mnli+squad_v2+mlm > hellaswag · tiny · seed 0"]["fingerprint"]
    assert stages["train mnli+squad_v2+mlm > hellaswag > udpos · tiny · seed 0"]["parents"]["encoder"] == made_by
    assert stages["evaluate mnli+squad_v2+mlm > hellaswag > tatoeba · tiny · seed 0"]["parents"]["model"] == made_by
    store = open_store(place.store)
    manifest = read_manifest(store, made_by)
    assert manifest is not None
    handed = {name for name in manifest.files if name.startswith("encoder/")}
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {Path(name).name for name in handed} | {"README.md"}
    for name in handed:
        assert record_of(tmp_path / "mine" / Path(name).name) == manifest.files[name]

    found = run_card(tmp_path / "mine", monkeypatch)
    committed = store.local_path(attempt_prefix(made_by, manifest.attempt) + "encoder")
    assert committed is not None
    texts = ["Habari ya asubuhi!", "Ein Satz.", "A much longer sentence, about nothing at all."]
    encoder = load_encoder(committed).eval()
    with torch.no_grad():
        for text in texts:
            batch = found["tokenizer"](text, return_tensors="pt")
            theirs = found["model"](**batch).last_hidden_state
            torch.testing.assert_close(theirs, encode(encoder, batch["input_ids"], None), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", HEADS)
def test_a_model_with_its_head_gives_the_projects_outputs(
    finished: tuple[Place, Done], target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stilts_core.modeling.encoder import encode
    from stilts_core.modeling.model import load_task_model

    place, _ = finished
    fetch(place, tmp_path / "mine", "tiny/all-kinds", "--target", target)
    found = run_card(tmp_path / "mine", monkeypatch)
    # A stage's folder, put together again from what was fetched.
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/encoder").symlink_to(tmp_path / "mine")
    for name in ("heads.json", "heads.safetensors"):
        (tmp_path / "stage" / name).symlink_to(tmp_path / "mine" / name)
    model = load_task_model(tmp_path / "stage", *HEADS[target]).eval()
    with torch.no_grad():
        ids = found["tokenizer"]("Habari ya asubuhi!", return_tensors="pt")["input_ids"]
        logits = model.heads[0](encode(model.encoder, ids, None))
    torch.testing.assert_close(found["logits"], logits, rtol=1e-5, atol=1e-5)


def test_the_pretrained_encoder_is_the_baselines(
    finished: tuple[Place, Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(finished[0], tmp_path / "mine", "baseline")
    assert run_card(tmp_path / "mine", monkeypatch)["states"].shape[2] == 32


def test_a_bucket_gives_the_same_folder(
    finished: tuple[Place, Done], moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    place = finished[0]
    bucket = open_store("s3://studies/copied")
    for path in sorted(Path(place.store).glob("stages/**/*")):
        if path.is_file():
            bucket.put(path.relative_to(place.store).as_posix(), path)
    arguments = ("all-kinds", "--target", "xnli", "--seed", "0")
    fetch(place, tmp_path / "folder", *arguments)
    there = Place(place.folder, "s3://studies/copied", moto.environment)
    fetch(there, tmp_path / "bucket", *arguments)
    files = {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "bucket").iterdir()} == files
