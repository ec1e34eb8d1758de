from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from servers import S3Server, moto_server, versitygw_server  # noqa: E402
from whole_study import Done, Place, make_place  # noqa: E402


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Done]:
    """The whole study, run once on a folder, and what the command said. Tests only read it."""
    place = make_place(tmp_path_factory.mktemp("finished"))
    return place, place.run()


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        server.make_bucket("studies")
        yield server


@pytest.fixture(scope="session")
def versitygw() -> Iterator[S3Server]:
    with versitygw_server() as server:
        server.make_bucket("studies")
        yield server
