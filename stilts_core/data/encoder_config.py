"""The configuration of an encoder, before anything of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_config(location: str | Path, revision: str | None = None) -> Mapping[str, Any]:
    """The content of the ``config.json`` of a folder or hub id.

    Raises:
        OSError: there is none that can be reached.
        ValueError: it is no JSON mapping.
    """
    folder = Path(location)
    if folder.is_dir():
        file = folder / "config.json"
    else:
        from transformers.utils import cached_file

        found = cached_file(str(location), "config.json", revision=revision)
        if found is None:
            raise FileNotFoundError(f"{location} has no config.json")
        file = Path(found)
    config = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{file} holds no mapping")
    return config
