"""The next round of a best-first search."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_table import table

from stilts_core.analysis.frame import scores_in
from stilts_core.analysis.next_round import next_study
from stilts_core.errors import SpecError
from stilts_core.spec.load import LoadedStudy, load_study

TEXT = """\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: search, title: A search}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline]
  sequences: {tasks: [mnli, {task: squad_v1, limit: 100}, qqp], length: 2, joint: false}
  targets: [xnli]
"""
GAINS = {"mnli": 1.0, "squad_v1": 2.0, "qqp": 0.0, "mnli-qqp": 5.0, "qqp-mnli": 4.0, "squad_v1-qqp": 3.0}


def study(tmp_path: Path, text: str = TEXT) -> LoadedStudy:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return load_study(path)


def test_it_goes_on_from_the_best_sequences(tmp_path: Path) -> None:
    loaded = study(tmp_path)
    scores, _ = scores_in(table(lambda _e, c, _t, _l: GAINS[c], curricula=tuple(GAINS), by_language=0.0))
    text = next_study(loaded.document.value, loaded.study, scores)
    again = study(tmp_path, text)
    assert again.study.metadata.name == "search-2"
    assert again.study.metadata.title == "A search"
    sequences = again.study.spec.sequences
    assert sequences is not None
    assert sequences.begin == (("mnli", "qqp"), ("qqp", "mnli"))
    assert sequences.tasks[1].limit == 100
    names = [curriculum.name for curriculum in again.study.spec.curricula]
    assert {"mnli-qqp-squad_v1", "squad_v1-qqp-mnli", "mnli-qqp", "squad_v1"} <= set(names)
    assert "mnli.qqp" not in names
    assert next_study(again.document.value, again.study, scores, 1).count("name: search-3") == 1


def test_where_there_is_nothing_to_go_on_from_it_says_so(tmp_path: Path) -> None:
    loaded = study(tmp_path)
    nothing, _ = scores_in(table(lambda *_: 0.0, curricula=("hellaswag",)))
    with pytest.raises(SpecError, match="No sequence of search has a gain yet"):
        next_study(loaded.document.value, loaded.study, nothing)
    whole = study(tmp_path, TEXT.replace(", qqp]", "]"))
    pair, _ = scores_in(table(lambda *_: 0.0, curricula=("mnli", "squad_v1", "mnli-squad_v1", "squad_v1-mnli")))
    with pytest.raises(SpecError, match="have all 2 tasks"):
        next_study(whole.document.value, whole.study, pair)
    plain = study(tmp_path, "\n".join(line for line in TEXT.splitlines() if "sequences" not in line))
    with pytest.raises(SpecError, match="has no `sequences`"):
        next_study(plain.document.value, plain.study, pair)
