"""A model's files, brought from the store: the hand-off that the stages after it read, verified, and its card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stilts_core.analysis.model.find import ArmModel
from stilts_core.catalog.encoders import TOKENIZER_FILES
from stilts_core.errors import SpecError, StorageError
from stilts_core.planning.params import TrainParams
from stilts_core.storage.base import Store
from stilts_core.storage.commit import download_committed, read_committed
from stilts_core.storage.failures import folder_failure
from stilts_core.storage.manifest import Manifest

CARD = "README.md"
HEADS = ("heads.safetensors", "heads.json")
"""What a training commits beside its encoder (`modeling.model`), by names that do not need torch."""

_ENCODER = "encoder/"
_OWN = (CARD, "config.json", "model.safetensors", "masked_head.safetensors", *HEADS, *TOKENIZER_FILES)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a model's folder holds beside the card.

    Attributes:
        keys: name in the folder → name in the manifest of the stage that committed it.
        config: the content of ``config.json``.
        labels: of its head, in the order of the output; empty for a head without labels, or no head.
    """

    keys: Mapping[str, str]
    config: Mapping[str, Any]
    labels: tuple[str, ...] = ()


def find_files(store: Store, model: ArmModel, manifests: Mapping[str, Manifest]) -> ModelFiles:
    """The files of a model, and what the card needs of their content.

    Raises:
        DamagedStageError: a file is not what was committed.
        StorageError: the stage did not commit an encoder, or the store cannot be read.
    """
    manifest = manifests[model.made_by.fingerprint]
    keys = {name.removeprefix(_ENCODER): name for name in manifest.files if name.startswith(_ENCODER)}
    if "config.json" not in keys:
        raise StorageError(f"The stage {model.made_by.label} committed no encoder; its manifest is damaged.")
    config = _read_json(store, manifest, keys["config.json"])
    if model.head is None:
        return ModelFiles(keys, config)
    keys |= {name: name for name in HEADS if name in manifest.files}
    return ModelFiles(keys, config, _labels(store, model, manifests))


def check_folder(folder: Path, *, force: bool) -> None:
    """See that a model may be put there.

    Raises:
        SpecError: the folder has something in it, and that was not allowed; or it is a file.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise SpecError(f"{folder} is a file.", hint="Name a folder with --out.")
        taken = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise folder_failure(error, "read", folder) from error
    if taken and not force:
        raise SpecError(
            f"{folder} is not empty.",
            hint="Name another folder with --out, or take --force to put the model in the place of one that is there.",
        )


def fetch(store: Store, manifest: Manifest, files: ModelFiles, card: str, folder: Path) -> list[Path]:
    """Bring a model into a folder: each file under its name once its size and SHA-256 are right, the card last.

    Of a model that was there before, what this one lacks is removed; any other file is left alone.

    Returns:
        The files of the model.

    Raises:
        DamagedStageError: files are missing or not what was committed; then nothing in the folder has changed.
        StorageError: the store cannot be read, or the folder cannot be written.
    """
    place: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside it, so that moving a file there is no copy.
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        made = place
        download_committed(store, manifest, {key: made / name for name, key in files.keys.items()})
        (made / CARD).write_text(card, encoding="utf-8")
        folder.mkdir(exist_ok=True)
        names = [*sorted(files.keys), CARD]
        for name in names:
            (made / name).replace(folder / name)
        for name in set(_OWN) - set(names):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise folder_failure(error, "write", folder) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
    return [folder / name for name in names]


def _labels(store: Store, model: ArmModel, manifests: Mapping[str, Manifest]) -> tuple[str, ...]:
    """The labels of the target: those of the plan, or those that were found in the data."""
    params = model.made_by.params
    assert isinstance(params, TrainParams)  # noqa: S101 (a model with a head was trained)
    data = model.data_of(model.made_by)
    manifest = manifests.get(data[0].fingerprint) if data else None
    if params.tasks[0].labels or manifest is None or "data/meta.json" not in manifest.files:
        return params.tasks[0].labels
    return tuple(map(str, _read_json(store, manifest, "data/meta.json").get("labels") or ()))


def _read_json(store: Store, manifest: Manifest, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_committed(store, manifest, name))
    return found
