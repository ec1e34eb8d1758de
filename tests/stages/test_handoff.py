"""The hand-off: what it costs in memory, and that transformers alone loads it as its card says, whatever its kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
pytest.importorskip("deepspeed", reason="the training packages are an extra")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modeling"), str(HERE.parent / "data")]
from architectures import CASES, traits, write_case  # noqa: E402
from conftest import SENTENCES  # noqa: E402

from stilts_core.analysis.model.loading import encoder_lines, head_lines, vector_lines  # noqa: E402
from stilts_core.catalog.models import Head  # noqa: E402
from stilts_core.modeling.encoder import encode, load_encoder  # noqa: E402
from stilts_core.modeling.heads import DualHead  # noqa: E402
from stilts_core.modeling.model import new_task_model, write_heads  # noqa: E402
from stilts_core.stages.handoff import write_encoder  # noqa: E402

pytestmark = pytest.mark.train


def measured(what: str, folder: Path) -> dict[str, Any]:
    (folder / "tokenizer").mkdir()
    command = [sys.executable, str(HERE / "handoff_worker.py"), what, str(folder), str(folder / "tokenizer")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def test_no_two_sharded_weights_are_whole_at_once(tmp_path: Path) -> None:
    """Under ZeRO 3 a rank has its shards and one gathered weight, besides the copy that rank 0 makes."""
    result = measured("gather", tmp_path)
    assert len(result["sharded"]) > 10
    assert result["seen"] == [[name, [name] if name in result["sharded"] else []] for name, _ in result["seen"]]
    assert result["left"] == []
    assert result["right"]


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of a process is read from Linux's /proc"
)
def test_writing_makes_no_second_copy(tmp_path: Path) -> None:
    result = measured("write", tmp_path)
    assert result["size"] > 100_000_000
    assert result["raised"] < 0.1 * result["size"]


@pytest.mark.parametrize("name", CASES)
def test_the_card_loads_it_with_transformers_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published, handed = tmp_path / "published", tmp_path / "handed"
    known = write_case(published, name, list(SENTENCES.values()))
    model = new_task_model(load_encoder(published), [(Head.CLASSIFICATION, 3)], seed=0).eval()
    weights = {name: tensor.detach() for name, tensor in model.encoder.named_parameters()}
    write_encoder(handed, model.encoder, weights, published)
    heads = {name: tensor.detach() for name, tensor in model.heads.named_parameters()}
    write_heads(handed, [(Head.CLASSIFICATION, 3)], heads)
    adapter, config = traits(known.architecture), json.loads((handed / "config.json").read_text(encoding="utf-8"))
    lines = encoder_lines(adapter, [path.name for path in handed.iterdir()])
    assert len(lines) == 3
    monkeypatch.chdir(handed)
    found: dict[str, Any] = {}
    with torch.no_grad():
        more = [*head_lines(Head.CLASSIFICATION, adapter, config), *vector_lines("cls", adapter, config)]
        exec("\n".join([*lines, *more]), found)
        ids = torch.tensor([found["tokenizer"]("Habari ya asubuhi!")["input_ids"]])
        states = encode(model.encoder, ids, None)
        torch.testing.assert_close(found["states"], states, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found["logits"], model.heads[0](states), rtol=1e-4, atol=1e-4)
        dual = DualHead(adapter.sentence_pooling(config))
        torch.testing.assert_close(found["vector"], dual(states), rtol=1e-4, atol=1e-4)


def test_a_tokenizer_of_another_class_than_the_layers_is_named() -> None:
    lines = encoder_lines(traits("bert"), ["config.json", "sentencepiece.bpe.model"])
    assert "import AutoModel, XLMRobertaTokenizer" in lines[0]
    assert "XLMRobertaTokenizer.from_pretrained" in lines[1]
