"""`stilts results --model`: what is fetched, and what is said where that cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_study import entry

from stilts_core.analysis.model.fetch import HEADS
from stilts_core.cli.main import main
from stilts_core.planning.load import plan_study
from stilts_core.planning.params import EvaluateParams, TrainParams
from stilts_core.planning.plan import Plan, Stage
from stilts_core.storage.commit import commit_stage, new_attempt
from stilts_core.storage.folder import FolderStore

STUDY = """
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: tiny, title: A title}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline, mnli]
  targets: [{task: xnli, languages: [en, de]}, {task: tatoeba, languages: [de]}]
  seeds: 2
  data: {root: data}
"""
PAIRS = ["mnli/train-en.tsv", "mnli/dev-en.tsv", "xnli/train-en.tsv", "xnli/dev-en.tsv"]
PAIRS += ["xnli/test-en.tsv", "xnli/test-de.tsv"]
SENTENCES = ["tatoeba/tatoeba.deu-eng.deu", "tatoeba/tatoeba.deu-eng.eng"]
ENCODER = ["config.json", "masked_head.safetensors", "model.safetensors", "tokenizer.json"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*PAIRS, *SENTENCES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("It rains.\tIt is wet.\tentailment\n" if name in PAIRS else "It rains.\n", encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path / "tiny.yaml"


@pytest.fixture
def plan(study: Path) -> Plan:
    return plan_study(study)


def content(stage: Stage, name: str) -> bytes:
    if name == "encoder/config.json":
        return json.dumps({"model_type": "xlm-roberta"}).encode()
    return f"{stage.label}: {name}".encode()


def commit(store: FolderStore, stage: Stage, folder: Path) -> None:
    """Commit a training with files that name themselves, or an evaluation with scores."""
    metrics: dict[str, object] = {"steps": 2, "dev": {"mnli": 50.0}}
    names = [*(f"encoder/{name}" for name in ENCODER), *HEADS, "history.json"]
    if isinstance(stage.params, EvaluateParams):
        metrics, names = {"metric": "accuracy", "languages": {code: entry(60.0) for code in ("en", "de")}}, []
    folder = folder / stage.fingerprint
    (folder / "encoder").mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(content(stage, name))
    commit_stage(
        store,
        stage=stage.model_dump(mode="json"),
        fingerprint=stage.fingerprint,
        attempt=new_attempt(1),
        folder=folder,
        metrics=metrics,
        run={"stilts": "0.1.0"},
    )


@pytest.fixture
def store(plan: Plan, tmp_path: Path) -> FolderStore:
    """Everything of seed 0 has committed, nothing of seed 1."""
    store = FolderStore(tmp_path / "store")
    for stage in plan.stages:
        if isinstance(stage.params, TrainParams | EvaluateParams) and "seed 1" not in stage.label:
            commit(store, stage, tmp_path / "made")
    return store


def trained(plan: Plan, label: str) -> Stage:
    return next(s for s in plan.stages if isinstance(s.params, TrainParams) and s.label.startswith(label))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("store")
def test_the_encoder_after_its_curriculum(study: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(study), "--model", "mnli", "--out", "there/mine"]) == 0
    folder = Path("there/mine")
    assert names(folder) == sorted([*ENCODER, "README.md"])
    assert names(Path("there")) == ["mine"]
    stage = trained(plan, "mnli · ")
    for name in ENCODER:
        assert (folder / name).read_bytes() == content(stage, f"encoder/{name}")
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith(f"Model: {folder} (mnli · xlm-roberta-base · seed 0; ")
    assert said[:-1] == [str(folder / name) for name in (*ENCODER, "README.md")]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert stage.fingerprint in card
    assert "| German (de) | 60.0 | 60.0 | – | 1 | 0.0 |" in card


@pytest.mark.usefixtures("store")
def test_the_model_of_a_target_has_its_head(study: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(study), "--model", "xlm-roberta-base/mnli", "--target", "xnli", "--seed", "0"]) == 0
    folder = Path("results/tiny/models/xlm-roberta-base--mnli--xnli--seed0")
    assert names(folder) == sorted([*ENCODER, *HEADS, "README.md"])
    assert (folder / "heads.json").read_bytes() == content(trained(plan, "mnli > xnli"), "heads.json")
    assert "with the head of xnli" in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_retrieval_has_no_model_of_its_own(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(study), "--model", "mnli", "--target", "tatoeba", "--out", "mine"]) == 0
    assert "tatoeba is scored without training: this is the encoder after the curriculum." in capsys.readouterr().out
    assert not set(HEADS) & set(names(Path("mine")))


@pytest.mark.usefixtures("store")
def test_a_folder_that_is_not_empty_is_left_alone(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["results", str(study), "--model", "mnli", "--out", "mine"]
    assert main([*arguments, "--target", "xnli"]) == 0
    Path("mine/notes.txt").write_text("mine", encoding="utf-8")
    before = {name: (Path("mine") / name).read_bytes() for name in names(Path("mine"))}
    assert main(arguments) == 64
    assert "mine is not empty." in capsys.readouterr().err
    assert {name: (Path("mine") / name).read_bytes() for name in names(Path("mine"))} == before
    assert main([*arguments, "--force"]) == 0
    assert names(Path("mine")) == sorted([*ENCODER, "README.md", "notes.txt"]), "the head of the other model is gone"
    assert main(["results", str(study), "--model", "mnli", "--out", "mine/notes.txt", "--force"]) == 64


@pytest.mark.parametrize("name", ["encoder/model.safetensors", "encoder/config.json"])
@pytest.mark.parametrize("data", [b"{", b"{\n", None])
def test_a_damaged_file_is_named_with_its_stage_and_what_to_do(
    study: Path, plan: Plan, store: FolderStore, capsys: pytest.CaptureFixture[str], name: str, data: bytes | None
) -> None:
    stage = trained(plan, "mnli · ")
    path = next(Path("store").rglob(f"{stage.fingerprint}/attempts/*/{name}"))
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    Path("mine").mkdir()
    assert main(["results", str(study), "--model", "mnli", "--out", "mine"]) == 73
    said = capsys.readouterr().err
    assert f"Stage {stage.fingerprint[:12]} ({stage.label}): {path.absolute()} should be " in said
    assert f"Run `stilts doctor --store {store.uri} --deep --repair`, then its study again" in said
    assert "Traceback" not in said
    assert names(Path("mine")) == []
    assert not [path for path in Path().iterdir() if path.name.startswith(".mine")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--model", "mnl"], 64, 'unknown arm "mnl"; allowed: baseline, mnli; did you mean "mnli"?'),
        (["--model", "mnli", "--target", "xnl"], 64, 'did you mean "xnli"?'),
        (["--model", "mnli", "--seed", "9"], 64, "has no seed 9; its seeds are 0, 1."),
        (["--model", "baseline"], 64, "no stage has trained it"),
        (["--model", "mnli", "--seed", "1"], 66, "the stage train mnli · xlm-roberta-base · seed 1 has not committed"),
        (["--target", "xnli"], 64, "belong to --model"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_cannot_be_had_is_one_sentence(
    study: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", str(study), *arguments]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert not Path("results").exists()


def test_an_empty_store_names_the_first_stage_that_is_missing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(study), "--model", "mnli", "--target", "xnli"]) == 66
    assert (
        "the stage train mnli · xlm-roberta-base · seed 0 has not committed (waiting: for " in capsys.readouterr().err
    )


@pytest.mark.usefixtures("store")
def test_no_training_package_is_needed(study: Path) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'transformers', 'safetensors')));"
        "from stilts_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "results", str(study), "--model", "mnli", "--out", "mine"]
    assert subprocess.run(command, check=False).returncode == 0


def test_the_files_of_a_head_have_the_names_that_trainings_give_them() -> None:
    pytest.importorskip("torch", reason="the training packages are an extra")
    from stilts_core.modeling.model import HEADS_FILE, HEADS_RECORD

    assert HEADS == (HEADS_FILE, HEADS_RECORD)
