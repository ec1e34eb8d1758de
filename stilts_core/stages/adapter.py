"""The tokenizer of a stage's encoder, and whether it and the lengths asked for fit that encoder."""

from __future__ import annotations

from pathlib import Path

from stilts_core.catalog.encoders import traits_of
from stilts_core.catalog.load import load_architectures
from stilts_core.catalog.models import Head
from stilts_core.data.encoder_config import read_config
from stilts_core.data.tokenise import TextEncoder
from stilts_core.errors import DataError, SpecError
from stilts_core.planning.params import EncoderSource
from stilts_core.stages.context import StageContext

LEAST_KNOWN = 0.5
"""Share of an encoder's word embeddings that its tokenizer uses at least; published ones use over 0.99 of them."""


_PAIRED = frozenset({Head.CLASSIFICATION, Head.CHOICE, Head.SPAN})


def tokenizer_of(context: StageContext, source: EncoderSource | None, *, max_length: int, head: Head) -> TextEncoder:
    """The tokenizer of a parent, or of an encoder that exists before the study; checked as in `check_inputs`."""
    if "tokenizer" in context.inputs:
        return TextEncoder.load(context.inputs["tokenizer"] / "tokenizer")
    location: str | Path
    if "encoder" in context.inputs:
        folder = context.inputs["encoder"]
        location, revision = folder / "encoder" if (folder / "encoder").is_dir() else folder, None
    elif source is None:
        raise SpecError(f"The stage {context.stage.label} has neither a tokenizer nor an encoder.")
    else:
        location, revision = source.location, source.revision
    encoder = TextEncoder.load(location, revision)
    check_inputs(encoder, location, revision, max_length=max_length, pairs=head in _PAIRED)
    return encoder


def check_inputs(
    encoder: TextEncoder, location: str | Path, revision: str | None = None, *, max_length: int, pairs: bool
) -> None:
    """Check what the plan could not: an encoder of the hub is only known once it is there.

    A folder without a configuration is a tokenizer alone, and nothing is known of its encoder.

    Args:
        max_length: of the inputs that will be made.
        pairs: whether they hold two texts.

    Raises:
        SpecError: inputs would be longer than the encoder takes, or its architecture is not known.
        DataError: the tokenizer is another encoder's, or does not frame texts as the architecture needs it.
    """
    try:
        config = read_config(location, revision)
    except OSError:
        return
    except ValueError as error:
        raise DataError(f"config.json of the encoder {location} cannot be read: {error}.") from error
    traits = traits_of(config, load_architectures(), encoder=location)
    limit = traits.max_length(config)
    if limit is not None and max_length > limit:
        raise SpecError(
            f"Inputs of {max_length} tokens are asked for, and the encoder {location} takes {limit} at most.",
            hint=f"Set max_length to {limit} or less for it by an override with `match: {{encoder: …}}`.",
        )
    rows = config.get("vocab_size")
    if isinstance(rows, int) and not rows * LEAST_KNOWN <= encoder.vocabulary <= rows:
        raise DataError(
            f"The tokenizer of {location} has {encoder.vocabulary} tokens, and the encoder's embeddings {rows} rows: "
            "they do not belong together.",
            hint="Put the encoder's own tokenizer into the folder, best as tokenizer.json.",
        )
    lacks = ""
    if traits.sentence_pooling(config) == "first" and not encoder.single.before[1]:
        lacks = "puts no special token before a text, which is what stands for the text"
    elif pairs and not encoder.pair.between[1]:
        lacks = "puts nothing between the two texts of a pair"
    if lacks:
        raise DataError(
            f"The tokenizer of {location} {lacks}; encoders of the architecture {traits.name} read {traits.pair}.",
            hint="Take the tokenizer as its publishers give it: one saved without its post-processor loses this.",
        )
