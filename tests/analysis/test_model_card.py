"""The card of a model, whole, for a study with everything that a card speaks of; and which model an arm's is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_study import entry, manifest

from stilts_core.analysis.model.card import model_card
from stilts_core.analysis.model.fetch import ModelFiles
from stilts_core.analysis.model.find import ArmModel, check_committed, find_model
from stilts_core.analysis.rows import language_results, result_frame
from stilts_core.analysis.scores import scores_of
from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head
from stilts_core.errors import MissingInputError, SpecError
from stilts_core.planning.encoders import assumed_encoders
from stilts_core.planning.expand import make_plan
from stilts_core.planning.offline import CatalogueFiles
from stilts_core.planning.params import EvaluateParams, TrainParams
from stilts_core.planning.plan import Plan, StageKind
from stilts_core.spec.study import Study
from stilts_core.storage.manifest import FileRecord, Manifest

GOLDEN = Path(__file__).parent
RELEASED = {"name": "own", "source": "somewhere/own-encoder", "revision": "v1"}
PRETRAINED = {
    "name": "small",
    "pretrain": {
        "seed": 5,
        "objectives": {"mlm": 1},
        "text": [{"path": "text/{lang}.txt", "format": "text-lines", "languages": ["en", "sw"]}],
    },
}
STUDY = Study.model_validate(
    {
        "metadata": {"name": "carded", "title": "A | title", "question": "Does it help *anyone*?"},
        "spec": {
            "encoders": ["xlm-roberta-base", RELEASED],
            "curricula": [
                "baseline",
                {
                    "name": "all-kinds",
                    "steps": [
                        {"mix": [{"task": "mnli", "languages": ["de", "sw"]}, "squad_v2", {"mlm": "ru,sw"}]},
                        {"task": "anli_plus", "limit": 5000},
                    ],
                },
            ],
            "targets": [
                {"task": "xnli", "languages": ["en", "de", "el"]},
                {
                    "task": "xnli",
                    "name": "few",
                    "languages": ["en", "sw"],
                    "few_shot": {"examples": 10, "languages": ["sw"]},
                },
                {"task": "udpos", "languages": ["en", "ja"]},
                {"task": "tatoeba", "languages": ["de"]},
            ],
            "seeds": [3, 4],
        },
    }
)


def plan_of(study: Study) -> Plan:
    catalogue = load_catalogue()
    return make_plan(study, catalogue, CatalogueFiles(catalogue), assumed_encoders(study, catalogue))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(STUDY)


def manifests_of(plan: Plan) -> dict[str, Manifest]:
    """All trainings, and the evaluations but for those of tagging and one seed; German is at chance once."""
    found = {}
    for stage in plan.stages:
        if stage.kind in (StageKind.TRAIN, StageKind.PRETRAIN):
            dev = {task.task: 50.25 for task in stage.params.tasks} if isinstance(stage.params, TrainParams) else None
            counts = {"steps": 1200, "examples": 28800, "tokens": 1_000_000, "best_step": 1100, "dev": dev}
            record = FileRecord(sha256="0123456789abcdef" * 4, size=1)
            one = manifest(stage, counts)
            run: dict[str, Any] = {**one.run, "stilts": "0.1.0", "device": "cpu", "ranks": 2, "image": "secret"}
            found[stage.fingerprint] = one.model_copy(
                update={"files": {"encoder/model.safetensors": record}, "run": run}
            )
    stages = {stage.fingerprint: stage for stage in plan.stages}
    for cell in plan.cells:
        params = stages[cell.fingerprint].params
        if cell.target == "udpos" or (cell.target == "few" and cell.seed == 4):
            continue
        assert isinstance(params, EvaluateParams)
        base = 50.0 + 2 * (cell.curriculum != "baseline") + (cell.seed - 3)
        values = {code: base - 3 * at for at, code in enumerate(cell.languages)}
        if cell.curriculum == "all-kinds" and cell.seed == 4 and "de" in values:
            values["de"] = 33.5
        languages = {code: entry(value) for code, value in values.items()}
        found[cell.fingerprint] = manifest(
            stages[cell.fingerprint], {"metric": params.metric.value, "languages": languages}
        )
    return found


def card_of(plan: Plan, model: ArmModel, files: ModelFiles) -> str:
    manifests = manifests_of(plan)
    done = {cell.fingerprint for cell in plan.cells} & manifests.keys()
    results = {name: language_results(manifests[name]) for name in done}
    scores = scores_of(plan.name, plan.protocol, plan.cells, result_frame(plan, results))
    return model_card(plan, model, manifests, files, scores)


def check_golden(name: str, card: str, plan: Plan, update: bool) -> None:
    """Fingerprints follow from the whole catalogue, so their places are held against the golden file, not they."""
    path = GOLDEN / name
    found = card.replace(plan.digest()[:16], "<plan>")
    for at, stage in enumerate(plan.stages):
        found = found.replace(stage.fingerprint, f"<stage {at}>")
    if update:
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


ENCODER = {name: f"encoder/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")}
CONFIG = {"model_type": "xlm-roberta"}


def test_the_card_of_an_encoder_after_its_curriculum(plan: Plan, update_golden: bool) -> None:
    model = find_model(plan, STUDY, "xlm-roberta-base/all-kinds", seed=4)
    files = ModelFiles({**ENCODER, "masked_head.safetensors": "encoder/masked_head.safetensors"}, CONFIG)
    check_golden("golden_card_encoder.md", card_of(plan, model, files), plan, update_golden)


def test_the_card_of_a_model_with_its_head(plan: Plan, update_golden: bool) -> None:
    model = find_model(plan, STUDY, "own/all-kinds", "few")
    files = ModelFiles(ENCODER, CONFIG, ("entailment", "neutral", "contradiction"))
    card = card_of(plan, model, files)
    check_golden("golden_card_head.md", card, plan, update_golden)
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["base_model"] == "somewhere/own-encoder"
    assert front["language"] == ["de", "en", "ru", "sw"]


def test_an_encoder_from_a_folder_is_not_named_by_its_place(plan: Plan) -> None:
    model = find_model(plan, STUDY, "own/all-kinds")
    assert model.source is not None
    moved = ArmModel(
        **{name: getattr(model, name) for name in ArmModel.__slots__}
        | {"source": model.source.model_copy(update={"location": "/home/someone/encoder"})}
    )
    card = card_of(plan, moved, ModelFiles(ENCODER, CONFIG))
    assert "/home" not in card
    assert "base_model" not in card
    assert "node-a" not in card
    assert "secret" not in card
    assert f"given as files with the digest `{model.source.digest[:16]}`" in card


def test_a_dual_encoder_has_no_head_to_fetch() -> None:
    spec = {"encoders": ["mt5-small"], "curricula": ["baseline"], "targets": ["lareqa"], "protocol": "corrected"}
    study = Study.model_validate({"metadata": {"name": "dual"}, "spec": spec})
    plan = plan_of(study)
    model = find_model(plan, study, "baseline", "lareqa")
    assert (model.trained_on_target, model.head) == (True, None)
    card = card_of(plan, model, ModelFiles(ENCODER, {"model_type": "mt5"}))
    assert "as a dual encoder" in card
    assert "vector = vector / vector.norm(dim=-1, keepdim=True)" in card
    assert "from transformers import AutoTokenizer, MT5EncoderModel" in card
    assert "no decoder, with which AutoModel would load it" in card
    assert "heads.safetensors" not in card
    assert "`scale`" in card
    assert "`patience`" not in card


def test_what_an_arms_model_is(plan: Plan) -> None:
    encoder = find_model(plan, STUDY, "xlm-roberta-base/all-kinds")
    assert (encoder.seed, encoder.head, encoder.name) == (3, None, "xlm-roberta-base--all-kinds--seed3")
    assert [len(stage.params.tasks) for stage in encoder.trail if isinstance(stage.params, TrainParams)] == [3, 1]
    assert {cell.target for cell in encoder.cells} == {"xnli", "few", "udpos", "tatoeba"}
    few = find_model(plan, STUDY, "xlm-roberta-base/all-kinds", "few")
    assert few.head is Head.CLASSIFICATION
    assert few.trail[:2] == encoder.trail
    assert len(few.trail) == 4
    mined = find_model(plan, STUDY, "xlm-roberta-base/all-kinds", "tatoeba")
    assert not mined.trained_on_target
    assert mined.trail == encoder.trail


def test_what_children_read_is_what_is_fetched(plan: Plan) -> None:
    """Whatever a study trains or evaluates after a curriculum goes on from the stage whose hand-off is fetched."""
    model = find_model(plan, STUDY, "xlm-roberta-base/all-kinds")
    children = [stage for stage in plan.stages if model.made_by.fingerprint in stage.parents.values()]
    assert {stage.kind for stage in children} == {StageKind.TRAIN, StageKind.EVALUATE}
    targets = {cell.target: find_model(plan, STUDY, model.arm, cell.target) for cell in model.cells}
    for name, of_target in targets.items():
        mine = (*model.arm.split("/"), name, model.seed)
        evaluated = next(c for c in plan.cells if (c.encoder, c.curriculum, c.target, c.seed) == mine)
        assert of_target.stages[evaluated.fingerprint].parents["model"] == of_target.made_by.fingerprint


def test_a_pretrained_encoder_is_the_baselines_model() -> None:
    spec = {"encoders": [PRETRAINED], "curricula": ["baseline", "mnli"], "targets": ["xnli"], "protocol": "corrected"}
    study = Study.model_validate({"metadata": {"name": "pretrained"}, "spec": spec})
    plan = plan_of(study)
    model = find_model(plan, study, "baseline")
    assert [stage.kind for stage in model.trail] == [StageKind.PRETRAIN]
    assert (model.source, model.head) == (None, None)
    card = card_of(plan, model, ModelFiles(ENCODER, CONFIG))
    assert "as the study pretrained it" in card
    assert "pretraining | texts of the study: `text/{lang}.txt` | en, sw" in card
    assert "Settings" not in card
    assert find_model(plan, study, "small/mnli").trail[0] == model.made_by


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xlm-roberta-base/all-kind",), 'did you mean "xlm-roberta-base/all-kinds"?'),
        (("all-kinds",), "allowed: xlm-roberta-base/baseline, xlm-roberta-base/all-kinds, own/baseline, own/all-kinds"),
        (("own/all-kinds", "xnly"), 'unknown target "xnly"; allowed: xnli, few, udpos, tatoeba; did you mean "xnli"?'),
        (("own/all-kinds", None, 7), "no seed 7; its seeds are 3, 4."),
        (("own/baseline",), "no stage has trained it"),
        (("own/baseline", "tatoeba"), "The model of own/baseline on tatoeba is the encoder own as it was"),
    ],
)
def test_what_there_is_not(plan: Plan, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_model(plan, STUDY, *arguments)
    assert said in str(caught.value)
    assert "?." not in str(caught.value)


def test_what_is_not_there_yet(plan: Plan) -> None:
    model = find_model(plan, STUDY, "own/all-kinds", "xnli")
    first, second, _ = model.trail
    reasons = {second.fingerprint: "failed: the disk is full"}
    with pytest.raises(MissingInputError) as caught:
        check_committed(model, {first.fingerprint: None}, reasons)
    assert str(caught.value).splitlines()[0] == (
        "The model own--all-kinds--xnli--seed3 is not there yet: the stage train mnli+squad_v2+mlm > anli_plus · own · "
        "seed 3 has not committed (failed: the disk is full); 1 more follows it."
    )
    check_committed(model, {model.made_by.fingerprint: None}, {})
