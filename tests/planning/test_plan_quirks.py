"""A plan says which of its files are known faulty copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.data.bucket_root import BucketRoot
from stilts_core.planning.load import load_plan, plan_study
from stilts_core.planning.quirks import quirk_notes
from stilts_core.storage.folder import FolderStore

STUDY = """
kind: Study
metadata: {name: faulty}
spec:
  encoders: [xlm-roberta-base]
  curricula: [baseline]
  targets: [{task: pawsx, split: dev, languages: [en, es]}]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    folder = tmp_path / "data/pawsx"
    folder.mkdir(parents=True)
    for name, rows in {"train-en": 40, "dev-en": 40, "dev-es": 1961}.items():
        (folder / f"{name}.tsv").write_text("".join(f"a\tb\t{n % 2}\n" for n in range(rows)))
    return tmp_path


def notes(root: Path) -> list[str]:
    plan = plan_study(root / "study.yaml", data_root=str(root / "data"), cache=root / "cache")
    return [note for note in plan.notes if "known faulty copy" in note]


def test_a_faulty_copy_is_named_in_the_plan(root: Path) -> None:
    (note,) = notes(root)
    assert note.startswith("pawsx: pawsx/dev-es.tsv is a known faulty copy (pawsx-lossy). It was read with")
    kept = list((root / "cache/tallies").iterdir())
    assert len(kept) == 2  # the English files hold the same
    assert notes(root) == [note]


def test_a_slice_and_a_file_that_cannot_be_read_are_no_faulty_copies(root: Path) -> None:
    (root / "data/pawsx/dev-es.tsv").write_text("a\tb\t1\n")
    assert notes(root) == []
    (root / "data/pawsx/dev-es.tsv").write_bytes(b"")
    assert notes(root) == []


def test_what_a_plan_notes_is_no_part_of_what_the_study_expects(root: Path) -> None:
    plan = plan_study(root / "study.yaml", data_root=str(root / "data"), cache=root / "cache")
    assert plan.digest() == plan.model_copy(update={"notes": ()}).digest()


def test_of_a_bucket_only_what_was_counted_before_is_known(root: Path) -> None:
    planned = load_plan(root / "study.yaml", data_root=str(root / "data"), cache=root / "cache")
    bucket = BucketRoot(FolderStore(root / "data"), root / "other")
    assert quirk_notes(planned.plan.stages, bucket, planned.catalogue, root / "other") == ()
    assert not (root / "other").exists()  # nothing was downloaded
    (note,) = quirk_notes(planned.plan.stages, bucket, planned.catalogue, root / "cache")
    assert "pawsx-lossy" in note
