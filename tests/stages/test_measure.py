"""A study that asks what inference costs, from its plan over its stages to the rows of the table."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the training packages are an extra")
from task_files import sentence, write_made  # noqa: E402

from stilts_core.analysis.collect import files, read  # noqa: E402
from stilts_core.analysis.frame import frame_of  # noqa: E402
from stilts_core.analysis.questions import answers  # noqa: E402
from stilts_core.catalog.load import load_catalogue  # noqa: E402
from stilts_core.data.root import open_data_root  # noqa: E402
from stilts_core.data.vocabulary import train_tokenizer  # noqa: E402
from stilts_core.errors import StoppedError  # noqa: E402
from stilts_core.modeling import timing  # noqa: E402
from stilts_core.planning.expand import make_plan  # noqa: E402
from stilts_core.planning.params import TIMINGS_FILE, CostParams, EncoderSource  # noqa: E402
from stilts_core.planning.plan import Plan, StageKind  # noqa: E402
from stilts_core.spec.profile import StoreSettings  # noqa: E402
from stilts_core.spec.study import Study  # noqa: E402
from stilts_core.stages.context import Progress, StageContext  # noqa: E402
from stilts_core.stages.registry import stage_function  # noqa: E402
from stilts_core.stages.saving import Saving  # noqa: E402
from stilts_core.storage.attempts import new_attempt  # noqa: E402
from stilts_core.storage.base import Store  # noqa: E402
from stilts_core.storage.commit import commit_stage  # noqa: E402
from stilts_core.storage.manifest import Attempt  # noqa: E402
from stilts_core.storage.open import open_store  # noqa: E402
from stilts_core.storage.parts import parts_prefix  # noqa: E402

pytestmark = pytest.mark.train
MEASURE = {
    "precisions": ["fp32", "bf16"],
    "batches": [1, 4],
    "lengths": [16],
    "languages": ["en", "de"],
    "blocks": 3,
    "passes": 4,
    "warmup": 1,
    "exits": [0.5],
    "exit_examples": 9,
}


def make_encoder(folder: Path) -> EncoderSource:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = train_tokenizer([sentence(number, 9) for number in range(60)], 120, 64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return EncoderSource(location=str(folder), digest="e" * 64, max_length=64)


def study(location: str, **measure: Any) -> Study:
    settings = {"batch_size": 8, "max_steps": 2, "evaluate_every": 0, "patience": 0, "max_length": 64}
    return Study.model_validate(
        {
            "metadata": {"name": "costs"},
            "spec": {
                "encoders": [{"name": "tiny", "source": location}],
                "curricula": ["baseline", "mnli"],
                "targets": [{"task": "xnli", "languages": ["en", "de", "ar"]}],
                "protocol": "corrected",
                "overrides": [{"set": settings}],
                "questions": ["transfer", "efficiency"],
                "measure": {**MEASURE, **measure},
            },
        }
    )


class Ran:
    """A study that has run in this process."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        root = folder / "data"
        for task in ("mnli", "xnli"):
            write_made(root, task)
        source = make_encoder(folder / "encoder")
        files = open_data_root(str(root), folder / "cache")
        self.plan: Plan = make_plan(study(source.location), load_catalogue(), files, {"tiny": source})
        self.store: Store = open_store(str(folder / "store"))
        self.folders: dict[str, Path] = {}
        self.contexts: dict[str, StageContext] = {}
        for stage in self.plan.stages:
            out = folder / "out" / stage.fingerprint
            out.mkdir(parents=True)
            context = StageContext(
                stage=stage,
                inputs={role: self.folders[parent] for role, parent in stage.parents.items()},
                data={file.path: root / file.path for file in stage.files},
                out=out,
            )
            metrics = stage_function(stage.kind)(context)
            commit_stage(
                self.store,
                stage=stage.model_dump(mode="json"),
                fingerprint=stage.fingerprint,
                attempt=new_attempt(1),
                folder=out,
                metrics=metrics,
                run={},
            )
            self.folders[stage.fingerprint], self.contexts[stage.fingerprint] = out, context


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("costs"))


def test_everything_is_timed_in_every_block(ran: Ran) -> None:
    import pyarrow.parquet as pq

    (one,) = ran.plan.measurements
    timed = pq.read_table(ran.folders[one.fingerprint] / "timings.parquet").to_pylist()
    languages, depths, batches = ("en", "de"), (1, 2), (1, 4)
    found = {tuple(row[k] for k in ("model", "precision", "batch", "language", "layers")) for row in timed}
    assert found == {
        (model, precision, batch, code, depth)
        for model in (0, 1)
        for precision in ("fp32", "bf16")
        for batch in batches
        for code in languages
        for depth in depths
    }
    assert {row["tokens"] for row in timed if row["layers"] == 2} <= {"all", "1-16", "17+"}
    assert {row["tokens"] for row in timed if row["layers"] == 1} == {"all"}
    conditions = {tuple(row[k] for k in row if k not in ("seconds", "real_tokens", "block")) for row in timed}
    assert len(timed) == len(conditions) * 3 * 4
    assert all(row["seconds"] > 0 and row["real_tokens"] >= row["batch"] for row in timed)
    # both models are timed on the same sentences, in an order of their own in each block
    of_models = [
        {(r["block"], r["precision"], r["batch"], r["tokens"], r["language"], r["layers"]): [] for r in timed}
        for _ in (0, 1)
    ]
    for r in timed:
        key = (r["block"], r["precision"], r["batch"], r["tokens"], r["language"], r["layers"])
        of_models[r["model"]][key].append(r["real_tokens"])
    assert of_models[0] == of_models[1]
    orders = [tuple(r["language"] for r in timed if r["block"] == b and r["model"] == 0) for b in range(3)]
    assert len(set(orders)) > 1


def test_the_record_says_what_was_counted_and_on_what(ran: Ran) -> None:
    (one,) = ran.plan.measurements
    document = json.loads((ran.folders[one.fingerprint] / "costs.json").read_text())
    assert document["device"] == {"kind": "cpu", "threads": 1, "interop_threads": torch.get_num_interop_threads()}
    assert document["energy"]["source"] or document["energy"]["absent"]
    first = document["models"][0]
    assert first["depths"]["1"]["parameters"] < first["depths"]["2"]["parameters"]
    assert first == document["models"][1]  # intermediate training changes nothing that is counted
    english = first["sentences"]["en"]
    assert sum(english["buckets"].get(name, 0) for name in ("1-16", "17+")) == english["n"]


def test_the_table_has_rows_of_every_arm_and_the_question_its_answer(ran: Ran) -> None:
    collected = read(ran.store, ran.plan)
    assert not collected.gaps
    rows = [row for row in collected.rows if row.metric.startswith("latency_p50@bf16/b4/tall/l2")]
    assert {(row.curriculum, row.language) for row in rows} == {
        (curriculum, code) for curriculum in ("baseline", "mnli") for code in ("en", "de")
    }
    assert sum(row.metric.endswith(("#0", "#1", "#2")) for row in rows) == 12
    assert all(row.value > 0 for row in rows)
    exits = [row for row in collected.rows if row.metric == "accuracy@l1"]
    assert {(row.curriculum, row.language) for row in exits} >= {("baseline", "en"), ("mnli", "de")}
    (found,) = answers(frame_of(collected.rows), collected.scores, collected.evidence, ["efficiency"], only=True)
    assert found.answered
    assert {table.name for table in found.tables} == {
        *("efficiency_equality", "efficiency_front", "efficiency_languages", "efficiency_costs")
    }
    front = next(table for table in found.tables if table.name == "efficiency_front")
    assert len(front.records) == 2 * 2 * 2  # arms, precisions, depths
    written = files(collected)
    assert b'id="question-efficiency"' in written["report.html"]
    assert written["tables/efficiency_costs.csv"].count(b"\n") > 2 * 2 * 2 * 2 * 2


def turns(folder: Path) -> int:
    """How often another model is measured than just before."""
    import pyarrow.parquet as pq

    models = pq.read_table(folder / "blocks.parquet")["model"].to_pylist()
    return sum(one != other for one, other in pairwise(models))


def test_small_models_take_turns_at_every_condition_and_large_ones_in_every_block(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = ran.plan.measurements
    small = turns(ran.folders[one.fingerprint])
    monkeypatch.setattr(timing, "HELD_BYTES", 0)
    context = replace(ran.contexts[one.fingerprint], out=tmp_path)
    metrics = stage_function(StageKind.MEASURE)(context)
    blocks, precisions = 3, 2
    assert turns(tmp_path) < blocks * precisions * 2 < metrics["conditions"] <= small


def test_a_measurement_stops_when_it_is_asked_to(ran: Ran, tmp_path: Path) -> None:
    (one,) = ran.plan.measurements
    context = ran.contexts[one.fingerprint]
    asked = StageContext(stage=context.stage, inputs=context.inputs, data={}, out=tmp_path, stop_requested=lambda: True)
    with pytest.raises(StoppedError):
        stage_function(StageKind.MEASURE)(asked)


def test_a_measurement_goes_on_after_the_last_whole_block(ran: Ran, tmp_path: Path) -> None:
    """Which blocks are whole when it is stopped is the machine's own doing: the second of three is under way."""
    import pyarrow.parquet as pq

    (one,) = ran.plan.measurements
    store = StoreSettings(uri=str(tmp_path / "store"))

    def attempt(number: int, stop_after: float = float("inf")) -> StageContext:
        seen: list[Progress] = []
        saving = Saving(store, Attempt(number=number, token=f"t{number}"), {}, tmp_path / f"scratch-{number}", 9.0)
        return replace(
            ran.contexts[one.fingerprint],
            out=tmp_path / f"out-{number}" / "out",
            saving=saving,
            report=seen.append,
            stop_requested=lambda: bool(seen) and seen[-1].total > 0 and seen[-1].step > stop_after,
        )

    first, second = attempt(1, stop_after=1), attempt(2)
    for context in (first, second):
        context.out.mkdir(parents=True)
    with pytest.raises(StoppedError):
        stage_function(StageKind.MEASURE)(first)
    opened = open_store(str(tmp_path / "store"))
    prefix = parts_prefix(one.fingerprint)
    (kept,) = [each.key for each in opened.list(prefix) if each.key.endswith(TIMINGS_FILE)]
    before = pq.read_table(tmp_path / "store" / kept).to_pylist()
    metrics = stage_function(StageKind.MEASURE)(second)
    rows = pq.read_table(second.out / TIMINGS_FILE).to_pylist()
    assert metrics["blocks_of_earlier_attempts"] == 1
    assert [row for row in rows if row["block"] == 0] == before
    assert [row["block"] for row in rows] == sorted(row["block"] for row in rows)
    undisturbed = pq.read_table(ran.folders[one.fingerprint] / TIMINGS_FILE).to_pylist()
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in undisturbed]


def test_only_what_is_measured_decides_its_fingerprint(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for task in ("mnli", "xnli"):
        write_made(root, task)
    files = open_data_root(str(root), tmp_path / "cache")
    source = EncoderSource(location="somewhere", digest="e" * 64, max_length=64)

    def cost(**measure: Any) -> str:
        plan = make_plan(study("somewhere", **measure), load_catalogue(), files, {"tiny": source})
        (found,) = (stage for stage in plan.stages if isinstance(stage.params, CostParams))
        assert found.fingerprint == plan.measurements[0].fingerprint
        return found.fingerprint

    assert cost() == cost()
    assert len({cost(), cost(machine="h100"), cost(machine="two-cores"), cost(blocks=4)}) == 4
    assert cost(exit_examples=5) == cost()  # that is the other stage's
