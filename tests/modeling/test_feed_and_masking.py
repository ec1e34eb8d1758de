"""From flat arrays to tensors: items, micro-batches of every head, masked tokens."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from synthetic import LABELS, VOCABULARY, write_dataset  # noqa: E402
from synthetic import settings as encoder_settings  # noqa: E402

from stilts_core.catalog.models import Head  # noqa: E402
from stilts_core.modeling.dropout import BitDropout, use_bit_dropout  # noqa: E402
from stilts_core.modeling.encoder import new_encoder  # noqa: E402
from stilts_core.modeling.feed import Items, labelled_units, training_tensors  # noqa: E402
from stilts_core.modeling.heads import IGNORED  # noqa: E402
from stilts_core.modeling.inference import Inference  # noqa: E402
from stilts_core.modeling.masking import Vocabulary, mask_tokens  # noqa: E402
from stilts_core.modeling.model import load_task_model, new_task_model, write_heads  # noqa: E402
from stilts_core.modeling.pretraining import contrastive_loss  # noqa: E402

pytestmark = pytest.mark.train
CPU = torch.device("cpu")
WORDS = Vocabulary(size=50, pad_id=1, mask_id=49, special=(0, 1, 2, 3, 49))
SUPERVISED = [Head.CLASSIFICATION, Head.CHOICE, Head.SPAN, Head.TAGGING]


def small_model(head: Head) -> torch.nn.Module:
    torch.manual_seed(0)
    encoder = new_encoder(encoder_settings(), VOCABULARY, 1, 0, 2)
    return new_task_model(encoder, [(head, LABELS.get(head, 0))], seed=0).eval()


@pytest.mark.parametrize("head", SUPERVISED)
def test_the_summed_loss_does_not_depend_on_how_a_batch_is_cut(tmp_path: Path, head: Head) -> None:
    dataset = write_dataset(tmp_path, head, examples=12)
    items = Items.of(dataset, "train").index
    model = small_model(head)
    with torch.no_grad():
        whole = float(model(0, training_tensors(dataset, items, CPU)))
        parts = sum(float(model(0, training_tensors(dataset, part, CPU))) for part in np.array_split(items, 5))
    assert parts == pytest.approx(whole, rel=1e-5)


def test_units_are_labelled_words_for_tags_and_items_otherwise(tmp_path: Path) -> None:
    tags = write_dataset(tmp_path / "tags", Head.TAGGING, examples=8)
    assert labelled_units(tags, np.arange(8)) == int((tags.columns["label"] != IGNORED).sum())
    pairs = write_dataset(tmp_path / "pairs", Head.CLASSIFICATION, examples=8)
    assert labelled_units(pairs, np.arange(5)) == 5


def test_a_choice_item_counts_all_of_its_padded_choices(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, Head.CHOICE, examples=6)
    items = Items.of(dataset, "train")
    lengths = dataset.lengths.reshape(6, 3)
    np.testing.assert_array_equal(items.lengths, lengths.max(1) * 3)


def test_choices_of_different_numbers_share_a_batch(tmp_path: Path) -> None:
    """A missing choice is never the likeliest: its score is minus infinity."""
    head = small_model(Head.CHOICE).heads[0]
    states = torch.randn(5, 3, 32)
    batch = {"label": torch.tensor([1, 2]), "slot": torch.tensor([0, 1, 3, 4, 5]), "choices": torch.tensor(3)}
    with torch.no_grad():
        scores = head(states).squeeze(-1)
    expected = -scores[:2].log_softmax(0)[1] - scores[2:].log_softmax(0)[2]
    assert float(head.loss(states, batch).detach()) == pytest.approx(float(expected), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(3, 20), min_size=1, max_size=8), st.integers(0, 2**16))
def test_masking_hides_ordinary_tokens_only_and_some_of_every_sequence(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequences = [np.concatenate(([0], rng.integers(4, 49, n), [2])) for n in lengths]
    masked = mask_tokens(sequences, WORDS, 0.15, rng)
    original = np.concatenate(sequences)
    hidden = masked.label != IGNORED
    assert not hidden[np.isin(original, WORDS.special)].any()
    np.testing.assert_array_equal(masked.label[hidden], original[hidden])
    np.testing.assert_array_equal(masked.ids[~hidden], original[~hidden])
    assert all(part.any() for part in np.split(hidden, masked.offsets[1:-1]))
    assert not np.isin(masked.ids[hidden & (masked.ids != WORDS.mask_id)], WORDS.special).any()


def test_masking_shares_are_those_of_bert() -> None:
    rng = np.random.default_rng(0)
    masked = mask_tokens([np.full(200_000, 7)], WORDS, 0.15, rng)
    hidden = masked.label != IGNORED
    assert hidden.mean() == pytest.approx(0.15, abs=0.005)
    assert (masked.ids[hidden] == WORDS.mask_id).mean() == pytest.approx(0.8, abs=0.01)
    assert (masked.ids[hidden] == 7).mean() == pytest.approx(0.1, abs=0.01)


def test_bit_dropout_keeps_the_mean_and_drops_the_rate() -> None:
    torch.manual_seed(0)
    layer = BitDropout(0.1).train()
    out = layer(torch.ones(400_000))
    assert float((out == 0).float().mean()) == pytest.approx(0.1, abs=0.003)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.005)
    assert torch.equal(layer.eval()(torch.ones(5)), torch.ones(5))


def test_every_dropout_of_a_model_is_replaced() -> None:
    model = new_encoder(encoder_settings(dropout=0.1), VOCABULARY, 1, 0, 2)
    use_bit_dropout(model)
    kinds = {type(module) for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert kinds == {BitDropout}


def test_the_contrastive_loss_is_least_for_the_right_pairs() -> None:
    vectors = torch.eye(4)
    right = float(contrastive_loss(vectors, vectors))
    assert right < 1e-6
    assert float(contrastive_loss(vectors, vectors.flip(0))) > 10


@pytest.mark.parametrize("head", SUPERVISED)
def test_inference_gives_the_same_under_any_token_budget(tmp_path: Path, head: Head) -> None:
    dataset = write_dataset(tmp_path, head, examples=20)
    model = small_model(head)
    outputs = [
        Inference(device=CPU, precision="fp32", tokens=tokens).head_outputs(model, 0, dataset) for tokens in (40, 4000)
    ]
    for small, large in zip(*(o if isinstance(o, tuple) else (o,) for o in outputs), strict=True):
        assert np.isfinite(small).all()
        np.testing.assert_allclose(small, large, atol=1e-5)


def test_pooled_states_match_one_by_one(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, Head.CLASSIFICATION, examples=10)
    encoder = small_model(Head.CLASSIFICATION).encoder
    pooled = Inference(device=CPU, precision="fp32", tokens=200).pooled_states(encoder, dataset, "mean")
    assert len(pooled) == 3
    for at in range(10):
        ids = torch.from_numpy(dataset.ids[dataset.offsets[at] : dataset.offsets[at + 1]].astype(np.int64))
        with torch.no_grad():
            states = encoder(input_ids=ids[None], output_hidden_states=True).hidden_states
        for level, state in zip(pooled, states, strict=True):
            np.testing.assert_allclose(level[at], state[0].mean(0).numpy(), atol=1e-5)


def test_heads_travel_through_files_and_misfits_are_refused(tmp_path: Path) -> None:
    from stilts_core.errors import IncompatibleCheckpointError, MissingInputError

    model = small_model(Head.TAGGING)
    model.encoder.save_pretrained(tmp_path / "encoder")
    write_heads(tmp_path, [(Head.TAGGING, 5)], model.heads.state_dict())
    loaded = load_task_model(tmp_path, Head.TAGGING, 5)
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    with pytest.raises(IncompatibleCheckpointError, match="tagging with 4 labels"):
        load_task_model(tmp_path, Head.TAGGING, 4)
    with pytest.raises(MissingInputError):
        load_task_model(tmp_path / "nowhere", Head.TAGGING, 5)


def test_frozen_words_are_left_out_and_slow_words_have_a_group_of_their_own() -> None:
    from stilts_core.catalog.models import Hyper
    from stilts_core.training.engine import parameter_groups

    model = small_model(Head.SPAN)
    groups, scales = parameter_groups(model, Hyper(embedding_rate=0.1))
    assert sorted(scales) == [0.1, 1.0, 1.0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    groups, scales = parameter_groups(model, Hyper(embedding_rate=0.0))
    words = model.encoder.get_input_embeddings().weight
    assert scales == [1.0, 1.0]
    assert not words.requires_grad
    assert all(parameter is not words for group in groups for parameter in group["params"])
