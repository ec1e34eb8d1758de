"""The encoders of the catalogue: their sizes are those of the real classes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "data")]
from architectures import CATALOGUE, new_config, new_model, traits  # noqa: E402

from stilts_core.catalog.encoders import KnownEncoder  # noqa: E402

KNOWN = {known.name: known for known in CATALOGUE.encoders.values()}
PUBLISHED_MILLIONS = {
    "xlm-roberta-base": 277,
    "xlm-roberta-large": 559,
    "xlm-roberta-xl": 3476,
    "xlm-roberta-xxl": 10696,
    "xlm-v-base": 778,
    "mdeberta-v3-base": 278,
    "rembert": 575,
    "mt5-small": 147,
    "mt5-base": 277,
    "mt5-large": 564,
    "mt5-xl": 1670,
    "mt5-xxl": 5655,
    "mbert": 177,
    "distilmbert": 135,
    "mminilmv2-l12": 117,
    "mminilmv2-l6": 107,
    "mmbert-small": 140,
    "mmbert-base": 307,
    "eurobert-210m": 212,
    "eurobert-610m": 608,
    "eurobert-2.1b": 2108,
}


@pytest.mark.train
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_parameters_are_those_of_the_class(known: KnownEncoder) -> None:
    with torch.device("meta"):
        model = new_model(known)
    assert sum(parameter.numel() for parameter in model.parameters()) == known.parameters
    words = model.get_input_embeddings().weight
    assert known.parameters - words.numel() == known.body
    assert model.config.num_hidden_layers == known.layers
    assert model.config.hidden_size == known.hidden


@pytest.mark.parametrize(("name", "millions"), PUBLISHED_MILLIONS.items())
def test_the_parameters_are_as_published(name: str, millions: int) -> None:
    assert round(KNOWN[name].parameters / 1e6) == millions


@pytest.mark.train
@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_longest_input_follows_from_the_configuration(known: KnownEncoder) -> None:
    assert traits(known.architecture).max_length(new_config(known).to_dict()) == known.max_length


def test_what_pretraining_has_seen() -> None:
    xtreme = CATALOGUE.language_groups["xtreme"]
    listed = set(CATALOGUE.language_groups["xtreme-r"])
    for known in KNOWN.values():
        assert known.seen is not None
        assert set(known.seen) <= listed
        assert known.architecture in CATALOGUE.architectures
    eurobert = KNOWN["eurobert-210m"].seen or ()
    assert len(set(xtreme) & set(eurobert)) == 14
    agglutinative = {code for code in xtreme if CATALOGUE.languages[code].morphology == "agglutinative"}
    assert agglutinative & set(eurobert) == {"tr", "ja"}
    in_cc100 = {code for code, language in CATALOGUE.languages.items() if language.cc100_gib is not None}
    assert set(KNOWN["xlm-roberta-base"].seen or ()) == in_cc100


def test_no_two_encoders_have_a_hub_id() -> None:
    assert len({known.hub for known in KNOWN.values()}) == len(KNOWN)
