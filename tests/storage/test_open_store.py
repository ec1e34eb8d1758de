from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stilts_core.errors import SpecError, StorageError
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.open import open_store
from stilts_core.storage.s3 import S3Store


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    for uri, root in {
        "results/store": tmp_path / "results/store",
        "/data/store": Path("/data/store"),
        "file:///data/my%20store": Path("/data/my store"),
        "file://localhost/data/store": Path("/data/store"),
        "~/store": Path("/home/me/store"),
    }.items():
        store = open_store(uri)
        assert isinstance(store, FolderStore)
        assert store.root == root
        assert store.uri == str(root)


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
    ],
)
def test_buckets(uri: str, normal: str) -> None:
    store = open_store(uri)
    assert isinstance(store, S3Store)
    assert store.uri == normal


@pytest.mark.parametrize(
    "uri", ["", "gs://bucket", "s3://", "s3:///key", "s3://a b/key", "file://host/path", "s3://ab/x"]
)
def test_addresses_that_mean_nothing(uri: str) -> None:
    with pytest.raises(SpecError) as caught:
        open_store(uri)
    assert caught.value.hint


@pytest.mark.parametrize("uri", ["s3://bucket/a/../b", "s3://bucket/a//b"])
def test_prefixes_that_are_no_keys(uri: str) -> None:
    with pytest.raises(StorageError, match="cannot be the key"):
        open_store(uri)


def test_a_folder_needs_no_s3_library() -> None:
    code = (
        "import sys; from stilts_core.storage.open import open_store; import stilts_core.storage.commit;"
        "open_store('x'); sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 's3transfer')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
