from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import S3Server, has_go, moto_server, versitygw_server

from stilts_core.storage.base import Store
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.retry import Backoff
from stilts_core.storage.s3 import S3Store
from stilts_core.storage.settings import S3Settings

BUCKET = "stilts-tests"
QUICK = Backoff(attempts=8, first=0.005, longest=0.02)
KINDS = ["folder", "moto", *(["versitygw"] if has_go() else [])]


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testtesttest")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def versitygw() -> Iterator[S3Server]:
    with versitygw_server() as server:
        server.make_bucket(BUCKET)
        yield server


def s3_store(endpoint: str, *, uri: str | None = None, **settings: object) -> S3Store:
    """A store under a prefix that no other test has, or at the address of another one."""
    prefix = f"runs/{uuid.uuid4().hex}" if uri is None else uri.removeprefix(f"s3://{BUCKET}/")
    return S3Store(BUCKET, prefix, S3Settings(endpoint=endpoint, **settings), backoff=QUICK)


@pytest.fixture
def s3_at() -> Callable[..., S3Store]:
    """Opens a store at an endpoint; S3 settings by name."""
    return s3_store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty."""
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    return s3_store(request.getfixturevalue(request.param).endpoint)
