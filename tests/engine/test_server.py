"""The stage server with the real packages: ready to be forked."""

from __future__ import annotations

import os
import selectors
from pathlib import Path

import pytest

from stilts_core.engine.local.spawn import ServerProcess
from stilts_core.stages.run import DEFAULT_REGISTRY


@pytest.mark.train
def test_loading_the_training_packages_starts_no_thread(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    server = ServerProcess(DEFAULT_REGISTRY, writer, tmp_path / "server.log")
    try:
        documents: list[dict[str, object]] = []
        with selectors.DefaultSelector() as selector:
            selector.register(server.descriptor, selectors.EVENT_READ)
            while not documents and not server.ended:
                selector.select(timeout=120)
                documents = server.read()
        assert [document.get("threads") for document in documents] == [1], (tmp_path / "server.log").read_text()
    finally:
        assert server.close() == "exit 0"
        os.close(reader)
        os.close(writer)
