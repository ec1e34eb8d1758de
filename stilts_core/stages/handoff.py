"""The hand-off between stages: an encoder as a folder for AutoModel and AutoTokenizer, free of how it was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from stilts_core.catalog.encoders import TOKENIZER_FILES
from stilts_core.data.tokenise.library import load_tokenizer
from stilts_core.errors import MissingInputError, SpecError
from stilts_core.modeling.masking import Vocabulary
from stilts_core.planning.params import EncoderSource
from stilts_core.stages.context import StageContext


def encoder_location(
    context: StageContext, source: EncoderSource | None, role: str = "encoder"
) -> tuple[str | Path, str | None]:
    """Where a stage's encoder is: the parent of that role, a given folder, or a hub id and its revision."""
    if role in context.inputs:
        return context.inputs[role] / "encoder", None
    if source is None:
        raise SpecError(f"The stage {context.stage.label} has no encoder.")
    return source.location, source.revision


def read_vocabulary(location: str | Path, revision: str | None = None) -> Vocabulary:
    """The ids that masking needs, from the encoder's tokenizer.

    Raises:
        MissingInputError: there is no tokenizer, or it has no mask token.
    """
    try:
        tokenizer = load_tokenizer(location, revision)
    except (OSError, ValueError) as error:
        raise MissingInputError(f"The encoder {location} has no tokenizer: {error}") from error
    if tokenizer.mask_token_id is None:
        raise MissingInputError(
            f"The tokenizer of {location} has no mask token, which masked training needs.",
            hint="Leave masked text out of this encoder's curricula; mT5, for one, was not pretrained with a mask.",
        )
    return Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.mask_token_id, tuple(tokenizer.all_special_ids))


def write_encoder(
    folder: Path,
    encoder: nn.Module,
    weights: Mapping[str, Tensor],
    tokenizer: str | Path,
    revision: str | None = None,
) -> None:
    """Write configuration, safetensors weights and tokenizer.

    Args:
        weights: by the encoder's own parameter names; buffers are made anew when it is loaded.
        tokenizer: the folder, or the hub id and its revision, whose tokenizer belongs to it.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    configuration = encoder.config.to_diff_dict()  # type: ignore[operator, union-attr]
    # What loaded the weights is no part of what they are.
    for key in ("_name_or_path", "transformers_version", "dtype"):
        configuration.pop(key, None)
    configuration["architectures"] = [type(encoder).__name__]
    (folder / "config.json").write_text(
        json.dumps(configuration, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    save_file({name: t.contiguous() for name, t in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    write_tokenizer(folder, tokenizer, revision)


def write_tokenizer(folder: Path, tokenizer: str | Path, revision: str | None = None) -> None:
    """Copy a tokenizer's files byte for byte, or save the hub's."""
    source = Path(tokenizer)
    if not source.is_dir():
        load_tokenizer(tokenizer, revision).save_pretrained(folder)
        return
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
