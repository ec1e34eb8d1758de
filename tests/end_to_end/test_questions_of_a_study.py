"""A tiny study through the command line: its results hold what three of the research questions need, and are asked."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from whole_study import Place

pytest.importorskip("deepspeed", reason="the training packages are an extra")

pytestmark = [pytest.mark.train, pytest.mark.xdist_group("questions")]

MIX = ("en", "de", "sw")
ENCODER = """
    - name: {name}
      pretrain:
        layers: {layers}
        hidden: 32
        heads: 2
        vocabulary: 1000
        max_length: 128
        sequence_length: 32
        steps: 4
        batch_tokens: 512
        objectives: {{mlm: 1}}
        text:
          - {{path: "text/{{lang}}.txt", format: text-lines, languages: [en, de, fi, sw]}}
"""
STUDY = f"""
apiVersion: stilts/v1alpha1
kind: Study
metadata: {{name: asked}}
spec:
  encoders:{ENCODER.format(name="small", layers=1)}{ENCODER.format(name="large", layers=2)}
  curricula:
    - baseline
    - {{name: mnli, steps: [{{task: mnli, limit: 60}}]}}
    - {{name: mnli-mix, steps: [{{task: mnli, languages: [{", ".join(MIX)}], limit: 60}}]}}
    - {{name: squad_v1, steps: [{{task: squad_v1, limit: 30}}]}}
    - {{name: both, steps: [{{mix: [{{task: hellaswag, limit: 30}}, {{task: udpos, limit: 10}}]}}]}}
  targets:
    - {{task: xnli, languages: [en, de, fi, zh], limit: 20, train_limit: 16}}
    - {{task: tatoeba, languages: [de, fi, sw], limit: 100}}
  protocol: corrected
  data: {{root: "sample://"}}
  questions: [morphology, languages, metrics]
  overrides:
    - match: {{}}
      set: {{learning_rate: 0.01, warmup: 0, batch_size: 8, epochs: 4, max_steps: 4, dev_examples: 20,
            evaluate_every: 2, patience: 0, max_length: 96, question_length: 24, doc_stride: 32}}
"""

Row = dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder: Path = tmp_path_factory.mktemp("asked")
    place = Place(folder, str(folder / "store"))
    done = place.run(study=place.write("study.yaml", STUDY))
    assert (done.status, done.err) == (0, "")
    return place


def result(place: Place, name: str) -> str:
    return (place.folder / "results/asked" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(place: Place) -> list[Row]:
    return list(csv.DictReader(io.StringIO(result(place, "results.csv"))))


def of(rows: list[Row], metric: str, **where: str) -> list[Row]:
    wanted = where | {"metric": metric}
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_encoders_have_a_size_text_and_fertility(rows: list[Row]) -> None:
    sizes = {row["encoder"]: float(row["value"]) for row in of(rows, "parameters")}
    assert sizes == {"small": 12 * 32**2, "large": 2 * 12 * 32**2}
    fertility = {row["language"]: float(row["value"]) for row in of(rows, "fertility", encoder="small")}
    assert fertility.keys() == {"de", "en", "fi"}  # Chinese has no blanks, and no treebank here says what a word is
    assert all(1 < value < 10 for value in fertility.values())
    text = {row["language"] for row in of(rows, "pretraining_tokens", encoder="large")}
    assert text == {"de", "en", "fi", "sw"}


def test_every_evaluation_of_an_intermediate_training_is_there(rows: list[Row]) -> None:
    mnli = {
        row["metric"]: float(row["value"]) for row in rows if (row["encoder"], row["curriculum"]) == ("small", "mnli")
    }
    for name in ("score", "accuracy", "loss", "calibration_error", "entailment_contrast"):
        assert mnli[f"intermediate_{name}"] == mnli[f"intermediate_{name}@4"]
        assert f"intermediate_{name}@2" in mnli
    assert 0.5 < mnli["intermediate_loss"] < 3
    squad = {row["metric"] for row in rows if row["curriculum"] == "squad_v1"}
    assert {"intermediate_f1", "intermediate_loss@2", "intermediate_calibration_error"} <= squad
    assert "intermediate_entailment_contrast" not in squad
    assert {"intermediate_accuracy", "intermediate_token_accuracy"} <= {
        r["metric"] for r in rows if r["curriculum"] == "both"
    }
    assert not [row for row in rows if row["curriculum"] == "baseline" and row["metric"].startswith("intermediate_")]


def test_a_mix_is_told_and_is_equal_in_examples_and_steps(rows: list[Row]) -> None:
    for metric, value in (("intermediate_examples", 60.0), ("intermediate_steps", 4.0)):
        for curriculum in ("mnli", "mnli-mix"):
            assert {float(row["value"]) for row in of(rows, metric, curriculum=curriculum)} == {value}
    shares = {
        row["language"]: float(row["value"]) for row in of(rows, "mix_share", encoder="small", curriculum="mnli-mix")
    }
    assert shares.keys() == set(MIX)
    assert sum(shares.values()) == pytest.approx(100)
    scored = of(rows, "score", curriculum="mnli-mix", target="xnli")
    assert {row["language"] for row in scored if row["zero_shot"] == "false"} == {"en", "de"}


def test_the_report_has_a_section_for_each_question(place: Place) -> None:
    page = result(place, "report.html")
    for name in ("morphology", "languages", "metrics"):
        assert f'id="question-{name}"' in page
    text = re.sub(r"<[^>]+>", " ", page)
    assert "3 are needed" in text  # two sizes can't answer, and that is said
    assert "mnli-mix has as many examples and steps as mnli" in text
    assert "Between tasks" in text
    header = result(place, "tables/languages_trained.csv").splitlines()[0]
    assert header == "encoder,curriculum,examples,steps,language,percent"


def test_the_table_alone_gives_the_same_answers(place: Place) -> None:
    for name in ("morphology", "languages", "metrics"):
        done = place.stilts("analyse", "results/asked/results.csv", "--question", name)
        assert (done.status, done.err) == (0, "")
