"""The encoder's own masked-language head: found beside its weights, handed on from stage to stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from stilts_core.modeling.heads import MaskedHead

MASKED_HEAD_FILE = "masked_head.safetensors"
"""In an encoder's folder, where a stage wrote it; names as in `heads.MaskedHead`."""

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_RELEASED: tuple[Mapping[str, str], ...] = (
    {  # RoBERTa, XLM-R, and what is built on them
        "dense.weight": "lm_head.dense.weight",
        "dense.bias": "lm_head.dense.bias",
        "norm.weight": "lm_head.layer_norm.weight",
        "norm.bias": "lm_head.layer_norm.bias",
        "bias": "lm_head.bias",
    },
    {  # BERT
        "dense.weight": "cls.predictions.transform.dense.weight",
        "dense.bias": "cls.predictions.transform.dense.bias",
        "norm.weight": "cls.predictions.transform.LayerNorm.weight",
        "norm.bias": "cls.predictions.transform.LayerNorm.bias",
        "bias": "cls.predictions.bias",
    },
)
"""The heads of the same shape as `heads.MaskedHead` (dense, GELU, normalisation, the tied embeddings and a bias): our
name → that of the release. The heads of other architectures have other parts, and a fresh one takes their place."""


def own_masked_head(location: str | Path, revision: str | None = None) -> dict[str, Tensor] | None:
    """The weights of an encoder's own head, as the state of a `heads.MaskedHead`; None where it has none of this shape.

    Args:
        location: a folder, of a stage or of a release, or a hub id.
    """
    written = _file(location, MASKED_HEAD_FILE, None)
    if written is not None:
        return _read({name: (written, name) for name in _RELEASED[0]})
    places = dict(_places(location, revision))
    for names in _RELEASED:
        if all(name in places for name in names.values()):
            return _read({ours: (places[theirs], theirs) for ours, theirs in names.items()})
    return None


def adopt(head: MaskedHead, weights: Mapping[str, Tensor], epsilon: float | None = None) -> bool:
    """Put an encoder's own weights into a head; False, and nothing changed, where their shapes are others.

    Args:
        epsilon: of the head's normalisation, where the encoder says it.
    """
    state = head.state_dict()
    if any(weights[name].shape != tensor.shape for name, tensor in state.items()):
        return False
    head.load_state_dict({name: weights[name].to(tensor.dtype) for name, tensor in state.items()})
    if epsilon is not None:
        head.norm.eps = epsilon
    return True


def write_masked_head(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a head into an encoder's folder, for the stages after this one."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / MASKED_HEAD_FILE)


def _places(location: str | Path, revision: str | None) -> Iterator[tuple[str, Path]]:
    """Name of a tensor → the file that holds it."""
    from safetensors import safe_open

    index = _file(location, _INDEX, revision)
    if index is not None:
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        wanted = {theirs for names in _RELEASED for theirs in names.values()}
        for name, shard in shards.items():
            found = _file(location, shard, revision) if name in wanted else None
            if found is not None:
                yield name, found
        return
    weights = _file(location, _WEIGHTS, revision)
    if weights is not None:
        with safe_open(weights, framework="pt") as tensors:
            yield from ((name, weights) for name in tensors.keys())  # noqa: SIM118 (no mapping)


def _file(location: str | Path, name: str, revision: str | None) -> Path | None:
    """A file of the encoder on this machine, also of one that comes from the hub; None where there is none."""
    folder = Path(location)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    from transformers.utils import cached_file

    quiet = dict.fromkeys(
        (
            "_raise_exceptions_for_missing_entries",
            "_raise_exceptions_for_gated_repo",
            "_raise_exceptions_for_connection_errors",
        ),
        False,
    )
    found = cached_file(str(location), name, revision=revision, **quiet)
    return Path(found) if found else None


def _read(places: Mapping[str, tuple[Path, str]]) -> dict[str, Tensor]:
    from safetensors import safe_open

    weights: dict[str, Tensor] = {}
    for ours, (file, theirs) in places.items():
        with safe_open(file, framework="pt") as tensors:
            weights[ours] = tensors.get_tensor(theirs)
    return weights
