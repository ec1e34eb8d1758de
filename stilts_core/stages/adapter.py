"""Whether a tokenizer and the lengths asked for fit the encoder that they are for."""

from __future__ import annotations

from pathlib import Path

from stilts_core.catalog.encoders import traits_of
from stilts_core.catalog.load import load_architectures
from stilts_core.data.encoder_config import read_config
from stilts_core.data.tokenise import TextEncoder
from stilts_core.errors import DataError, SpecError


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
        DataError: the tokenizer does not frame texts as the architecture needs it.
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
