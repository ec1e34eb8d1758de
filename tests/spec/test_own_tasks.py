"""A study's own tasks: their defaults, files beside the study, and mistakes at their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Metric
from stilts_core.errors import SpecError
from stilts_core.spec.load import LoadedStudy, load_study
from stilts_core.spec.names import check_names
from stilts_core.spec.own_task import OwnTask

STUDY = """\
kind: Study
metadata: {{name: s}}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline]
  targets: [own]
  tasks:
    - {entry}
"""
OWN = "{name: own, head: classification, path: 'own-{lang}.tsv', languages: [en, de]}"


def load(folder: Path, entry: str, file: str | None = None) -> LoadedStudy:
    (folder / "study.yaml").write_text(STUDY.format(entry=entry))
    if file is not None:
        (folder / "tasks.yaml").write_text(file)
    loaded = load_study(folder / "study.yaml")
    check_names(loaded, load_catalogue(loaded.study.spec.tasks))
    return loaded


def test_a_path_stands_for_three_splits_of_one_file() -> None:
    task = OwnTask.model_validate(
        {"name": "own", "head": "classification", "path": "own-{lang}.tsv", "languages": ("en", "de")}, strict=True
    )
    assert task.title == "own"
    assert task.metric is Metric.ACCURACY
    assert [source[0].rows for source in (task.train, task.dev, task.test)] == [(0, 0.8), (0.8, 0.9), (0.9, 1)]
    assert {source[0].path for source in (task.train, task.dev, task.test)} == {"own-{lang}.tsv"}
    assert task.labels_from == task.train
    again = OwnTask.model_validate_json(task.model_dump_json())
    assert again == task


def test_a_path_with_splits_names_a_file_for_each() -> None:
    task = OwnTask.model_validate({"name": "own", "head": "span", "path": "{split}.json", "null_answers": True})
    assert [source[0].path for source in (task.train, task.dev, task.test)] == ["train.json", "dev.json", "test.json"]
    assert {source[0].rows for source in (task.train, task.dev, task.test)} == {(0.0, 1.0)}
    assert task.metric is Metric.SQUAD_V2
    assert task.labels_from == ()


def test_tasks_of_a_file_are_tasks_of_the_study(tmp_path: Path) -> None:
    alone = load(tmp_path, OWN).study.spec.tasks
    assert load(tmp_path, "./tasks.yaml", OWN).study.spec.tasks == alone
    several = load(tmp_path, "./tasks.yaml", f"- {OWN}\n- {OWN.replace('own,', 'other,')}\n").study.spec.tasks
    assert [task.name for task in several] == ["own", "other"]


@pytest.mark.parametrize(
    ("entry", "file", "said"),
    [
        ("./none.yaml", None, "study.yaml:8:7: spec.tasks[0]: there is no file"),
        (
            "./tasks.yaml",
            "- {name: a, head: mlm, path: a.txt}\n- {name: own, haed: span}\n",
            'tasks.yaml:2:15: the file: unknown key "haed"; allowed: ',
        ),
        (
            "./tasks.yaml",
            "name: own\nhead: spann\n",
            'tasks.yaml:2:7: head: unknown head "spann"; allowed: classification',
        ),
        ("./tasks.yaml", "name: own\nhead: span\n", "tasks.yaml:1:1: the file: own has no data: give its `path`, or"),
        ("./tasks.yaml", "just text", "tasks.yaml:1:1: a task is a mapping with the keys name, "),
        (
            "{name: own, head: span, format: table, path: a.json}",
            None,
            "study.yaml:8:39: spec.tasks[0].format: table holds no span",
        ),
        (
            "{name: own, head: tagging, path: a.tsv, languages: [en, de]}",
            None,
            "study.yaml:8:40: spec.tasks[0].path: own has 2 languages, so its path needs {lang}",
        ),
        ("{name: own, head: retrieval, path: 'a.{lang}', languages: [de]}", None, "needs the English side as `pair`"),
        (
            "{name: own, head: classification, path: '{lng}.tsv'}",
            None,
            'unknown placeholder "{lng}"; allowed: {lang}, {iso3}',
        ),
        ("{name: own, head: classification, path: a.tsv, columns: {txt: 1}}", None, "study.yaml:8:"),
        (
            "{name: own, head: span, train: [{path: a.json, format: squad-json}], format: table}",
            None,
            "pair, format, columns and provenance go with `path`",
        ),
        (
            "{name: own, head: span, path: a.json, provenance: machine}",
            None,
            'unknown value "machine"; allowed: original',
        ),
    ],
)
def test_a_mistake_is_said_at_its_place(tmp_path: Path, entry: str, file: str | None, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, entry, file)
    assert said in str(caught.value)
