"""Newer code over an image, as an archive with nothing else in it. Needs no cluster."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster.commands import ClusterError
from cluster.machine.code_layer import PACKAGES, code_layer, read_image, write_thin_archive

NAME = "localhost/thing:1"
BELOW = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "digest": f"sha256:{'a' * 64}", "size": 7}
MANIFEST: dict[str, Any] = {"layers": [BELOW], "config": {"digest": "sha256:c"}}
CONFIG: dict[str, Any] = {
    "config": {"User": "65532:65532"},
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'b' * 64}"]},
    "history": [{"created_by": "COPY"}],
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "one.py").write_text("ONE = 1\n")
    return folder


def test_a_layer_hides_the_old_package_and_is_the_same_for_the_same_code(package: Path) -> None:
    layer = code_layer(package)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        names = tar.getnames()
    assert names[0] == f"{PACKAGES}/thing/.wh..wh..opq"
    assert f"{PACKAGES}/thing/one.py" in names
    assert code_layer(package) == layer


def test_what_does_not_compile_goes_nowhere(package: Path) -> None:
    (package / "two.py").write_text("<<<<<<< mine\n")
    with pytest.raises(ClusterError, match="does not compile"):
        code_layer(package)


def test_an_archive_adds_one_layer_and_the_next_takes_its_place(package: Path, tmp_path: Path) -> None:
    archive = tmp_path / "thin.tar"
    write_thin_archive(archive, NAME, MANIFEST, CONFIG, code_layer(package))
    first, config = _read(archive)
    assert first["layers"][0] == BELOW
    assert config["config"] == CONFIG["config"]
    (package / "one.py").write_text("ONE = 2\n")
    layer = code_layer(package)
    write_thin_archive(archive, NAME, first, config, layer)
    second, config = _read(archive)
    assert [each["digest"] for each in second["layers"]] == [BELOW["digest"], _digest(layer)]
    assert config["rootfs"]["diff_ids"] == [*CONFIG["rootfs"]["diff_ids"], _digest(gzip.decompress(layer))]


def test_an_image_that_is_not_there_is_none() -> None:
    listed = f"REF TYPE DIGEST\n{NAME}-other kind sha256:d\n"
    assert read_image(lambda *arguments: listed, NAME) is None


def _read(archive: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and configuration; every blob has the digest that it is named by."""
    with tarfile.open(archive) as tar:
        found = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar.getmembers()}
    blobs = {name.removeprefix("blobs/").replace("/", ":"): data for name, data in found.items() if "blobs/" in name}
    assert all(_digest(data) == digest for digest, data in blobs.items())
    (entry,) = json.loads(found["index.json"])["manifests"]
    manifest = json.loads(blobs[entry["digest"]])
    return manifest, json.loads(blobs[manifest["config"]["digest"]])


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
