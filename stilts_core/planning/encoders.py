"""Encoders that exist before a study: where they are, what they are, and whether they are whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stilts_core.catalog.encoders import VOCABULARY_FILES, EncoderTraits, traits_of
from stilts_core.catalog.load import Catalogue
from stilts_core.data.index import INDEX
from stilts_core.data.root import DataRoot, open_data_root
from stilts_core.errors import DataError, MissingInputError
from stilts_core.model import digest
from stilts_core.planning.estimate import transformer_parameters
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Cell
from stilts_core.spec.study import Encoder, Study
from stilts_core.storage.settings import S3Settings

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def resolve_encoders(
    study: Study, catalogue: Catalogue, cache: Path | None = None, s3: S3Settings | None = None
) -> dict[str, EncoderSource]:
    """The source of each encoder that the study does not pretrain itself, by the encoder's name.

    Raises:
        MissingInputError: a folder or address is not there, or lacks configuration, tokenizer or weights.
        DataError: its configuration cannot be read.
        SpecError: there is no adapter for its architecture.
    """
    return {
        encoder.name: _resolve(encoder, encoder.source, catalogue, cache, s3 or S3Settings())
        for encoder in study.spec.encoders
        if encoder.source is not None
    }


def assumed_encoders(study: Study, catalogue: Catalogue) -> dict[str, EncoderSource]:
    """The same by name alone: nothing is looked up, and files are taken to be there and whole."""
    return {
        encoder.name: _by_name(encoder, encoder.source, catalogue)
        for encoder in study.spec.encoders
        if encoder.source is not None
    }


def _resolve(encoder: Encoder, source: str, catalogue: Catalogue, cache: Path | None, s3: S3Settings) -> EncoderSource:
    location = catalogue.encoder_location(source)
    if location.startswith("s3://"):
        return _files(location, open_data_root(location, cache, s3), catalogue)
    folder = Path(location).expanduser()
    if folder.is_dir():
        return _files(str(folder.absolute()), open_data_root(str(folder), cache, s3), catalogue)
    if not _HUB_ID.fullmatch(location):
        raise MissingInputError(
            f"The encoder {encoder.name}: there is no folder {location}.",
            hint="Give a folder with configuration, tokenizer and weights, an s3:// address or a hub id.",
        )
    return _by_name(encoder, source, catalogue)


def _by_name(encoder: Encoder, source: str, catalogue: Catalogue) -> EncoderSource:
    location, known = catalogue.encoder_location(source), catalogue.known_encoder(source)
    if known is None:
        revision, adapter = encoder.revision, ""
    else:
        revision, adapter = encoder.revision or known.revision, _adapter(catalogue.architectures[known.architecture])
    return EncoderSource(
        location=location,
        revision=revision,
        digest=hashlib.sha256(f"{location}@{revision or 'main'}{adapter}".encode()).hexdigest(),
        parameters=None if known is None else known.body,
        max_length=None if known is None else known.max_length,
        layers=None if known is None else known.layers,
    )


def _adapter(traits: EncoderTraits) -> str:
    """What the first version of an architecture's adapter leaves out of an encoder's digest, and later ones put in."""
    return f"#{traits.name}-{traits.version}" if traits.version > 1 else ""


def _files(location: str, root: DataRoot, catalogue: Catalogue) -> EncoderSource:
    """An encoder as files; hidden files and the index of digests are no part of it."""
    names = [name for name in root.find("*") if name != INDEX and not name.startswith(".")]
    lacking = [
        what
        for what, alternatives in (
            ("configuration (config.json)", ("config.json",)),
            (f"tokenizer ({', '.join(VOCABULARY_FILES)})", VOCABULARY_FILES),
            (f"weights ({' or '.join(_WEIGHTS)})", _WEIGHTS),
        )
        if not any(name in alternatives for name in names)
    ]
    if lacking:
        raise MissingInputError(
            f"The encoder {location} lacks its {' and its '.join(lacking)}.",
            hint="Save it there with save_pretrained of both the model and the tokenizer.",
        )
    config = _config(root.fetch("config.json"), location)
    traits = traits_of(config, catalogue.architectures, encoder=location)
    content = {name: root.digest(name)[0] for name in names}
    adapter = _adapter(traits)
    return EncoderSource(
        location=location,
        digest=digest(content | {"": adapter} if adapter else content),
        files=tuple(sorted(content.items())) if location.startswith("s3://") else (),
        parameters=_parameters(config, traits),
        max_length=traits.max_length(config),
        layers=layers if isinstance(layers := config.get(traits.layers), int) else None,
    )


def _config(file: Path, location: str) -> Mapping[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"config.json of the encoder {location} cannot be read: {error}.") from error
    if not isinstance(config, dict):
        raise DataError(f"config.json of the encoder {location} holds no mapping.")
    return config


def _parameters(config: Mapping[str, Any], traits: EncoderTraits) -> int | None:
    layers, hidden = config.get(traits.layers), config.get(traits.hidden)
    if not (isinstance(layers, int) and isinstance(hidden, int)):
        return None
    inner = config.get(traits.intermediate)
    inner = inner if isinstance(inner, int) else None
    return int(transformer_parameters(layers, hidden, inner, gated=traits.gated)) or None


def unseen(study: Study, catalogue: Catalogue, cells: Iterable[Cell]) -> list[str]:
    """A note for each encoder whose pretraining lacked languages that it is scored in, as far as that is known."""
    scored: dict[str, dict[str, None]] = {}
    for cell in cells:
        scored.setdefault(cell.encoder, {}).update(dict.fromkeys(cell.languages))
    notes = []
    for encoder in study.spec.encoders:
        known = catalogue.known_encoder(encoder.source) if encoder.source else None
        if known is None or known.seen is None:
            continue
        languages = scored.get(encoder.name, {})
        missing = sorted(set(languages) - set(known.seen))
        if missing:
            notes.append(
                f"{encoder.name}: its pretraining had no text in {len(missing)} of the {len(languages)} languages that "
                f"it is scored in: {', '.join(missing)}."
            )
    return notes


def unpinned(study: Study, encoders: Mapping[str, EncoderSource]) -> list[str]:
    """A note for each encoder of a hub that the study does not pin: what it names may change."""
    return [
        f"{encoder.name}: no `revision` is given, so it is whatever {encoders[encoder.name].location} is on the hub's "
        f"main branch when a stage loads it."
        for encoder in study.spec.encoders
        if encoder.name in encoders and encoders[encoder.name].revision is None and on_hub(encoders[encoder.name])
    ]


def on_hub(source: EncoderSource) -> bool:
    """Whether an encoder comes from a hub, not from a folder or a bucket."""
    return _HUB_ID.fullmatch(source.location) is not None
