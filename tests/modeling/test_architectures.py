"""Every architecture with random weights of its real class and a tokenizer of its kind."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "data")]
from architectures import ARCHITECTURES, CASES, traits, write_case  # noqa: E402
from conftest import SENTENCES  # noqa: E402

from stilts_core.catalog.models import Head, Hyper  # noqa: E402
from stilts_core.data.dataset import Dataset, Segment  # noqa: E402
from stilts_core.data.records import ChoiceRecord, PairRecord, SentencePairRecord, SpanRecord, TagRecord  # noqa: E402
from stilts_core.data.tokenise import (  # noqa: E402
    Part,
    TextEncoder,
    choices,
    pairs,
    spans,
    tagged,
    translations,
)
from stilts_core.errors import IncompatibleCheckpointError, MissingInputError, SpecError  # noqa: E402
from stilts_core.modeling.dropout import BitDropout, use_bit_dropout  # noqa: E402
from stilts_core.modeling.encoder import encode, encode_states, load_encoder  # noqa: E402
from stilts_core.modeling.feed import input_tensors, training_tensors  # noqa: E402
from stilts_core.modeling.heads import SentenceHead  # noqa: E402
from stilts_core.modeling.inference import Inference  # noqa: E402
from stilts_core.modeling.model import TaskModel, load_task_model, new_task_model, write_heads  # noqa: E402
from stilts_core.stages.handoff import write_encoder  # noqa: E402

pytestmark = pytest.mark.train
CPU = torch.device("cpu")
LABELS = ("no", "yes")
HEADS = {Head.CLASSIFICATION: 2, Head.CHOICE: 0, Head.SPAN: 0, Head.TAGGING: 2}
TEXTS = list(SENTENCES.values())


@dataclass(frozen=True)
class Case:
    """A published encoder of the tests: its folder, and as it is loaded."""

    name: str
    folder: Path
    words: TextEncoder
    encoder: torch.nn.Module


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    write_case(folder, request.param, TEXTS)
    return Case(request.param, folder, TextEncoder.load(folder), load_encoder(folder).eval())


def records_of(head: Head) -> list[Any]:
    match head:
        case Head.CLASSIFICATION:
            both = [(a, b) for a in ("dog", *TEXTS) for b in ("fox", *TEXTS)]
            return [PairRecord(str(i), a, b, LABELS[i % 2]) for i, (a, b) in enumerate(both)]
        case Head.CHOICE:
            endings = "the dog", "Wo schlief letzte Nacht", "?"
            return [ChoiceRecord(str(i), text, endings, i % 3) for i, text in enumerate(TEXTS)]
        case Head.SPAN:
            return [SpanRecord(str(i), "Who?", text, ((text[4:8].strip(), 4),)) for i, text in enumerate(TEXTS)]
        case Head.TAGGING:
            return [TagRecord(str(i), tuple(text.split()), ("no",) * len(text.split())) for i, text in enumerate(TEXTS)]
    return [SentencePairRecord(str(i), text, TEXTS[0]) for i, text in enumerate(TEXTS)]


def dataset(case: Case, head: Head, folder: Path, max_length: int = 64) -> Dataset:
    records = records_of(head)
    part: Part
    match head:
        case Head.CLASSIFICATION:
            part = pairs(case.words, records, LABELS, max_length)
        case Head.CHOICE:
            part = choices(case.words, records, max_length)
        case Head.SPAN:
            part = spans(case.words, records, max_length=max_length, doc_stride=8, question_length=16)
        case Head.TAGGING:
            part = tagged(case.words, records, LABELS, max_length)
        case _:
            part = translations(case.words, records, max_length)
    Dataset.write(
        folder,
        head=head,
        segments=[Segment("train", "en", 0, len(part.examples))],
        pad_id=case.words.pad_id,
        ids=part.ids,
        offsets=part.offsets,
        example_of=part.example_of,
        columns=part.columns,
        examples=part.examples,
    )
    return Dataset.open(folder)


def model_of(case: Case, head: Head) -> TaskModel:
    return new_task_model(load_encoder(case.folder), [(head, HEADS[head])], seed=0).eval()  # type: ignore[return-value]


def test_every_known_architecture_is_tested() -> None:
    assert {architecture for architecture, _ in CASES.values()} == set(ARCHITECTURES)


def test_what_is_loaded_is_the_encoder_alone(case: Case) -> None:
    names = [name for name, _ in case.encoder.named_parameters()]
    assert not [name for name in names if "decoder" in name or "pooler" in name or "lm_head" in name]
    assert all(parameter.dtype is torch.float32 for parameter in case.encoder.parameters())
    kind = traits(CASES[case.name][0])
    if kind.body is not None:
        assert type(case.encoder).__name__ == kind.body


@pytest.mark.parametrize("head", HEADS)
def test_outputs_are_the_same_alone_and_in_a_padded_batch(case: Case, head: Head, tmp_path: Path) -> None:
    data = dataset(case, head, tmp_path)
    assert (data.lengths <= 64).all()
    assert len(set(data.lengths.tolist())) > 1
    model = model_of(case, head)
    alone, together = (
        Inference(device=CPU, precision="fp32", tokens=tokens).head_outputs(model, 0, data) for tokens in (1, 100_000)
    )
    for one, many in zip(*(o if isinstance(o, tuple) else (o,) for o in (alone, together)), strict=True):
        assert np.isfinite(many).all()
        np.testing.assert_allclose(one, many, atol=2e-5)


def test_the_loss_does_not_depend_on_the_cut_of_a_batch(case: Case, tmp_path: Path) -> None:
    data = dataset(case, Head.CLASSIFICATION, tmp_path)
    model = model_of(case, Head.CLASSIFICATION)
    rows = np.arange(12)
    with torch.no_grad():
        whole = float(model(0, training_tensors(data, rows, CPU)))
        parts = sum(float(model(0, training_tensors(data, rows[i : i + 1], CPU))) for i in rows)
    assert parts == pytest.approx(whole, rel=1e-5)


def test_states_begin_with_the_embeddings_and_end_with_the_last_layer(case: Case, tmp_path: Path) -> None:
    data = dataset(case, Head.RETRIEVAL, tmp_path)
    batch = input_tensors(data, np.arange(4), CPU)
    with torch.no_grad():
        states = encode_states(case.encoder, batch["input_ids"], batch["mask"])
        last = encode(case.encoder, batch["input_ids"], batch["mask"])
    assert len(states) == 3
    assert {state.shape[-1] for state in states} == {32}
    assert torch.equal(states[-1], last)
    # Nothing has been attended to yet: the same token at the same place has the same vector, whatever stands behind it.
    with torch.no_grad():
        begun = encode_states(case.encoder, batch["input_ids"][:, :2], None)
    torch.testing.assert_close(begun[0], states[0][:, :2])
    assert not torch.allclose(begun[1], states[1][:, :2])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_retrieval_pools_every_layer(case: Case, pooling: str, tmp_path: Path) -> None:
    data = dataset(case, Head.RETRIEVAL, tmp_path)
    pooled = Inference(device=CPU, precision="fp32", tokens=200).pooled_states(case.encoder, data, pooling)
    assert [level.shape for level in pooled] == [(2 * len(TEXTS), 32)] * 3
    first = pooling == "cls" and traits(CASES[case.name][0]).pooling == "first"
    for at in range(3):
        ids = torch.from_numpy(data.ids[data.offsets[at] : data.offsets[at + 1]].astype(np.int64))[None]
        with torch.no_grad():
            states = encode_states(case.encoder, ids, None)
        for level, state in zip(pooled, states, strict=True):
            expected = state[0, 0] if first else state[0].mean(0)
            np.testing.assert_allclose(level[at], expected.numpy(), atol=2e-5)


@pytest.mark.parametrize("padded", [True, False])
def test_the_attention_of_processors_is_that_of_the_class(case: Case, padded: bool, tmp_path: Path) -> None:
    """In bf16 attention is stilts' own; what the class does by itself is the reference."""
    data = dataset(case, Head.RETRIEVAL, tmp_path)
    rows = np.flatnonzero(data.lengths == data.lengths.max())[:1]
    batch = input_tensors(data, np.arange(4) if padded else rows, CPU)
    assert ("mask" in batch) == padded
    reference = load_encoder(case.folder).eval()
    reference.set_attn_implementation("eager")
    real = batch.get("mask", torch.ones_like(batch["input_ids"], dtype=torch.bool))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        ours = encode(case.encoder, batch["input_ids"], batch.get("mask"))[real].float()
        theirs = encode(reference, batch["input_ids"], real)[real].float()
    error = (ours - theirs).norm() / theirs.norm()
    assert error < 0.05


def test_segments_reach_encoders_that_have_them(case: Case, tmp_path: Path) -> None:
    data = dataset(case, Head.CLASSIFICATION, tmp_path)
    batch = input_tensors(data, np.arange(4), CPU)
    architecture, kind = CASES[case.name]
    assert ("segments" in batch) == (kind in ("mbert", "mdeberta", "rembert"))
    if "segments" not in batch:
        return
    mask = batch.get("mask", torch.ones_like(batch["input_ids"], dtype=torch.bool))
    with torch.no_grad():
        told = encode(case.encoder, batch["input_ids"], mask, batch["segments"])
        untold = encode(case.encoder, batch["input_ids"], mask)
    assert torch.equal(told, untold) == (architecture in ("deberta-v2", "distilbert"))
    second = batch["segments"][0].bool() & mask[0]
    expected = case.words.encode([records_of(Head.CLASSIFICATION)[0].text_b]).rows.values.tolist()
    assert batch["input_ids"][0][second].tolist() == [*expected, case.words.pair.ids[-1]]


def test_a_hand_off_gives_the_same_encoder_again(case: Case, tmp_path: Path) -> None:
    model = model_of(case, Head.CLASSIFICATION)
    weights = dict(model.encoder.named_parameters())
    write_encoder(tmp_path / "encoder", model.encoder, {n: w.detach() for n, w in weights.items()}, case.folder)
    write_heads(tmp_path, [(Head.CLASSIFICATION, 2)], model.heads.state_dict())
    again = load_task_model(tmp_path, Head.CLASSIFICATION, 2).eval()
    assert dict(again.encoder.named_parameters()).keys() == weights.keys()
    assert all(torch.equal(w, weights[n]) for n, w in again.encoder.named_parameters())
    mine, other = TextEncoder.load(tmp_path / "encoder"), case.words
    assert mine.encode(TEXTS).rows.values.tolist() == other.encode(TEXTS).rows.values.tolist()
    assert mine.pair.ids.tolist() == other.pair.ids.tolist()
    data = dataset(case, Head.CLASSIFICATION, tmp_path / "data")
    outputs = [Inference(device=CPU, precision="fp32").head_outputs(m, 0, data) for m in (model, again)]
    np.testing.assert_array_equal(*outputs)


def test_word_embeddings_have_a_rate_of_their_own(case: Case) -> None:
    from stilts_core.training.engine import parameter_groups

    model = model_of(case, Head.TAGGING)
    groups, scales = parameter_groups(model, Hyper(embedding_rate=0.1, weight_decay=0.01))
    slow = [p for group, scale in zip(groups, scales, strict=True) if scale == 0.1 for p in group["params"]]
    assert [tuple(p.shape) for p in slow] == [(len_of(case), 16 if case.name in ("rembert", "electra") else 32)]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    plain = {id(p) for group in groups if not group["weight_decay"] for p in group["params"]}
    undecayed = {n for n, p in model.named_parameters() if id(p) in plain}
    assert undecayed == {n for n, p in model.named_parameters() if n.endswith(".bias") or p.ndim == 1}


def len_of(case: Case) -> int:
    return int(case.encoder.get_input_embeddings().weight.shape[0])  # type: ignore[operator]


def test_every_dropout_is_replaced_and_the_head_has_the_encoders(case: Case) -> None:
    model = model_of(case, Head.CLASSIFICATION)
    architecture = CASES[case.name][0]
    expected = {"distilbert": 0.2, "modernbert": 0.0, "rembert": 0.1}.get(architecture, 0.1)
    assert model.heads[0].dropout.p == pytest.approx(expected)
    use_bit_dropout(model)
    assert {type(m) for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {BitDropout}
    assert torch.isfinite(model.train()(0, training_tensors_of(case, model))).all()


def training_tensors_of(case: Case, model: TaskModel) -> dict[str, torch.Tensor]:
    ids = torch.arange(5, 25).reshape(2, 10) % len_of(case)
    return {"input_ids": ids, "label": torch.tensor([0, 1])}


def test_sentences_stand_for_themselves_as_their_architecture_has_it(case: Case) -> None:
    head = model_of(case, Head.CLASSIFICATION).heads[0]
    assert isinstance(head, SentenceHead)
    assert head.pooling == ("mean" if CASES[case.name][0] in ("mt5", "umt5", "t5", "eurobert") else "first")


# What a folder says


def changed(folder: Path, out: Path, **config: Any) -> Path:
    import shutil

    shutil.copytree(folder, out)
    document = json.loads((out / "config.json").read_text()) | config
    (out / "config.json").write_text(json.dumps(document))
    return out


@pytest.fixture(scope="module")
def modernbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modernbert") / "encoder"
    write_case(folder, "modernbert", TEXTS)
    return folder


@pytest.fixture(scope="module")
def eurobert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eurobert") / "encoder"
    write_case(folder, "eurobert", TEXTS)
    return folder


@pytest.mark.parametrize(("word", "pooling"), [("cls", "first"), ("mean", "mean")])
def test_a_configuration_may_name_its_pooling(modernbert: Path, tmp_path: Path, word: str, pooling: str) -> None:
    encoder = load_encoder(changed(modernbert, tmp_path / "encoder", classifier_pooling=word))
    (head,) = new_task_model(encoder, [(Head.CLASSIFICATION, 2)], seed=0).heads
    assert head.pooling == pooling


def test_an_unknown_architecture_is_named_with_the_known_ones(modernbert: Path, tmp_path: Path) -> None:
    folder = changed(modernbert, tmp_path / "encoder", model_type="quantumbert", auto_map={"AutoModel": "x.Y"})
    with pytest.raises(SpecError, match=r"quantumbert, and stilts knows xlm-roberta, .*never run") as caught:
        load_encoder(folder)
    assert "architectures.yaml" in str(caught.value)
    with pytest.raises(SpecError, match="names no architecture"):
        load_encoder(changed(modernbert, tmp_path / "other", model_type=None))


def test_code_beside_the_weights_is_never_run(eurobert: Path, tmp_path: Path) -> None:
    """EuroBERT is published with code of its own; the class of transformers is used, and the code is left alone."""
    folder = changed(
        eurobert,
        tmp_path / "encoder",
        auto_map={"AutoConfig": "code.Config", "AutoModel": "code.Model", "AutoModelForMaskedLM": "code.Model"},
    )
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    assert type(load_encoder(folder)).__name__ == "EuroBertModel"
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_no_random_weights(modernbert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = changed(modernbert, tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if name.endswith("layers.1.mlp.Wi.weight"))
    save_file({n: w for n, w in weights.items() if n != gone}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(IncompatibleCheckpointError, match=r"lacks 1 of its weights, such as layers\.1\.mlp\.Wi"):
        load_encoder(folder)


def test_weights_in_another_format_are_not_read(modernbert: Path, tmp_path: Path) -> None:
    folder = changed(modernbert, tmp_path / "encoder")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(MissingInputError, match="safetensors"):
        load_encoder(folder)


def test_an_older_configuration_keeps_its_rotation(eurobert: Path, tmp_path: Path) -> None:
    """EuroBERT's published configuration has the base of its positions where transformers 4 looked for it."""
    folder = changed(eurobert, tmp_path / "encoder", rope_theta=250_000)
    document = json.loads((folder / "config.json").read_text())
    del document["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(document))
    encoder = load_encoder(folder)
    assert encoder.config.rope_parameters["rope_theta"] == 250_000  # type: ignore[index, union-attr]
