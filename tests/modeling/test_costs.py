"""Counting and cutting every architecture; meters of memory and energy."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
sys.path.insert(0, str(Path(__file__).parent))
from architectures import CASES, new_model, tiny  # noqa: E402

from stilts_core.catalog.models import Head  # noqa: E402
from stilts_core.modeling.costs import architecture, classify, cut, exit_layers  # noqa: E402
from stilts_core.modeling.encoder import encode, encode_states  # noqa: E402
from stilts_core.modeling.exits import exit_answers, exit_weights, train_exits  # noqa: E402
from stilts_core.modeling.meters import EnergyMeter, MemoryMeter  # noqa: E402
from stilts_core.modeling.model import TaskModel, new_task_model  # noqa: E402

pytestmark = pytest.mark.train
CPU = torch.device("cpu")
IDS = torch.arange(5, 17).repeat(3, 1)
RELATIVE = frozenset({"deberta-v2"})
"""Whose attention also multiplies with positions."""


def model_of(name: str) -> TaskModel:
    torch.manual_seed(0)
    encoder = new_model(tiny(name, 40), pad_token_id=1, bos_token_id=0, eos_token_id=2).eval()
    return new_task_model(encoder, [(Head.CLASSIFICATION, 3)], seed=0).eval()


ARCHITECTURES = sorted({architecture for architecture, _ in CASES.values()})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_encoder_is_cut_after_a_layer_and_whole_again(name: str) -> None:
    encoder = model_of(name).encoder
    with torch.no_grad():
        states = encode_states(encoder, IDS, None)
        whole = encode(encoder, IDS, None)
        with cut(encoder, 1):
            one = encode(encoder, IDS, None)
        assert one.shape == whole.shape
        assert not torch.allclose(one, whole)
        assert torch.equal(encode(encoder, IDS, None), whole)
    norm = next((getattr(encoder, n) for n in ("final_norm", "norm", "final_layer_norm") if hasattr(encoder, n)), None)
    if norm is None and name not in ("mt5", "umt5", "t5", "xlm-roberta-xl"):  # these have a last norm further in
        assert torch.allclose(one, states[1], atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_operations_are_those_that_torch_counts(name: str, layers: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = model_of(name)
    counts = architecture(model, layers)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), cut(model.encoder, layers):
        classify(model, {"input_ids": IDS})
    mine = 3 * float(counts.flops(IDS.shape[1]))
    if name in RELATIVE:
        assert mine < counter.get_total_flops()
    else:
        assert mine == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_parameters_are_those_of_the_layers_that_run() -> None:
    model = model_of("xlm-roberta")
    one, two = (architecture(model, layers) for layers in (1, 2))
    layer = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 4 * 32
    assert two.parameters - one.parameters == layer
    assert two.parameters + two.embeddings == sum(p.numel() for p in model.parameters())
    assert two.flops(10) == 2 * 10 * 2 * (4 * 32**2 + 2 * 32 * 64) + 4 * 100 * 32 * 2 + 2 * (32**2 + 3 * 32)


def test_exits_lie_before_the_last_layer_and_each_counts_once() -> None:
    assert exit_layers(12, (0.25, 0.5, 0.75)) == (3, 6, 9)
    assert exit_layers(2, (0.34, 0.67)) == (1,)
    assert exit_layers(1, (0.5,)) == ()


def test_exits_learn_what_the_states_say_and_the_encoder_stays() -> None:
    model = model_of("xlm-roberta")
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 600)
    told = (np.eye(3)[labels] @ random.normal(size=(3, 32)) + random.normal(size=(600, 32))).astype(np.float32)
    untold = random.normal(size=(600, 32)).astype(np.float32)
    heads = train_exits(model.encoder, [told, untold], labels, 3, 0, CPU)
    right = [float((answer == labels).mean()) for answer in exit_answers(heads, [told, untold], CPU)]
    assert right[0] > 0.95 > 0.7 > right[1]
    again = train_exits(model.encoder, [told, untold], labels, 3, 0, CPU)
    first, second = exit_weights(heads, (1, 2)), exit_weights(again, (1, 2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(name.startswith("layer2.") for name in first)
    assert all(torch.equal(before[name], value) for name, value in model.encoder.state_dict().items())


def test_memory_is_the_peak_since_the_reset(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n")
    meter = MemoryMeter(CPU, tmp_path)
    meter.reset()
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert meter.peak() == 2048 * 1024
    lost = MemoryMeter(CPU, tmp_path / "nowhere")
    lost.reset()
    assert lost.peak() is None
    assert lost.source == ""


def test_the_processors_counter_is_summed_and_wraps(tmp_path: Path) -> None:
    for zone, value in (("intel-rapl:0", 9_000_000), ("intel-rapl:1", 1_000_000), ("intel-rapl:0:0", 5)):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text(f"{value}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("10000000\n")
    meter = EnergyMeter(CPU, tmp_path)
    assert meter.source == "RAPL"
    assert meter.joules() == 10.0
    (tmp_path / "intel-rapl:0/energy_uj").write_text("2000000\n")  # over its range of 10 J, and 2 more
    assert meter.joules() == 13.0


def test_a_machine_without_a_counter_says_so(tmp_path: Path) -> None:
    meter = EnergyMeter(CPU, tmp_path)
    assert meter.joules() is None
    assert meter.absent == "the system shows no energy counter of the processor"


def test_a_gpus_counter_is_nvmls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def by_uuid(name: str) -> str:
        asked.append(name)
        return "handle"

    nvml = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 12_500,
    )
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1-2"))
    meter = EnergyMeter(torch.device("cuda"), load=lambda name: nvml)
    assert (meter.source, meter.joules(), asked) == ("NVML", 12.5, ["GPU-1-2"])

    def missing(name: str) -> None:
        raise ImportError(name)

    assert "nvidia-ml-py" in EnergyMeter(torch.device("cuda"), load=missing).absent
