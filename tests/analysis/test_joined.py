from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_study import Entry, entry, make_manifests, make_plan, manifest

from stilts_core.analysis import stage_rows, table_files
from stilts_core.analysis.collect import files, gather, read, together
from stilts_core.analysis.collected import Collected
from stilts_core.analysis.frame import frame_of
from stilts_core.analysis.imported import keep_import, read_imports, remove_import
from stilts_core.analysis.joined import join
from stilts_core.analysis.joining import join_studies, joined_report
from stilts_core.analysis.member import Member
from stilts_core.analysis.table import ResultRow
from stilts_core.errors import DataError, StorageError
from stilts_core.planning.plan import Cell, Plan
from stilts_core.storage.folder import FolderStore
from stilts_core.storage.manifest import manifest_key

GAINS = {"baseline": 0.0, "mnli": 3.0, "squad_v1": -1.0}
WHEN = "2030-01-01T00:00:00+00:00"


def scored(plan: Plan, *, level: float = 60.0, n: int = 100) -> Collected:
    def score(cell: Cell, code: str) -> Entry:
        noise = np.random.default_rng([cell.seed, *cell.curriculum.encode(), *code.encode()]).normal(0, 0.2)
        return entry(level + GAINS[cell.curriculum] + noise, n=n)

    return gather(plan, make_manifests(plan, score))


def study(name: str, curricula: Sequence[str], **more: object) -> Plan:
    return make_plan(name=name, curricula=("baseline", *curricula), seeds=(0, 1, 2), **more)  # type: ignore[arg-type]


def records(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def arms(made: dict[str, bytes], number: int = 1) -> list[tuple[str, str]]:
    rows = records(made[f"joined/{number}/summary.csv"])
    return list(dict.fromkeys((row["encoder"], row["curriculum"]) for row in rows))


def joined(*studies: Collected, imports: Sequence[Member] = ()) -> dict[str, bytes]:
    return joined_report(studies, join_studies(studies, imports))


def test_studies_that_share_their_baseline_runs_share_the_encoder() -> None:
    made = joined(scored(study("one", ["mnli"])), scored(study("two", ["squad_v1"])))
    assert arms(made) == [("tiny", "baseline"), ("tiny", "mnli"), ("tiny", "squad_v1")]
    gains = {row["curriculum"]: float(row["gain"]) for row in records(made["joined/1/gains.csv"])}
    assert gains["mnli"] == pytest.approx(3, abs=0.3)
    assert gains["squad_v1"] == pytest.approx(-1, abs=0.3)


def test_arms_of_equal_names_and_other_runs_are_told_apart() -> None:
    other = study("two", ["mnli"])
    moved = {one: "f" * 8 + one[8:] for one in {cell.fingerprint for cell in other.cells}}
    cells = tuple(c.model_copy(update={"fingerprint": moved[c.fingerprint]}) for c in other.cells)
    stages = tuple(s.model_copy(update={"fingerprint": moved.get(s.fingerprint, s.fingerprint)}) for s in other.stages)
    different = other.model_copy(update={"cells": cells, "stages": stages})
    made = joined(scored(study("one", ["mnli"])), scored(different, level=50))
    assert arms(made) == [(f"tiny [{name}]", arm) for name in ("one", "two") for arm in ("baseline", "mnli")]
    assert "no baseline run in common" in made["report.html"].decode()
    means = {row["encoder"]: float(row["mean"]) for row in records(made["joined/1/summary.csv"])}
    assert means["tiny [one]"] - means["tiny [two]"] == pytest.approx(10, abs=0.1)


def test_a_curriculum_that_was_trained_otherwise_is_told_apart_beside_a_shared_baseline() -> None:
    other = study("two", ["mnli"])
    mine = [cell.fingerprint for cell in other.cells if cell.curriculum == "mnli"]
    moved = {one: "e" * 8 + one[8:] for one in mine}
    cells = tuple(c.model_copy(update={"fingerprint": moved.get(c.fingerprint, c.fingerprint)}) for c in other.cells)
    stages = tuple(s.model_copy(update={"fingerprint": moved.get(s.fingerprint, s.fingerprint)}) for s in other.stages)
    made = joined(scored(study("one", ["mnli"])), scored(other.model_copy(update={"cells": cells, "stages": stages})))
    assert arms(made) == [("tiny", "baseline"), ("tiny", "mnli [one]"), ("tiny", "mnli [two]")]


def test_protocols_never_share_a_table() -> None:
    other = study("two", ["mnli"]).model_copy(update={"protocol": "jiant"})
    made = joined(scored(study("one", ["mnli"])), scored(other))
    for number, protocol in ((1, "xtreme-2020"), (2, "jiant")):
        assert {row["protocol"] for row in records(made[f"joined/{number}/results.csv"])} == {protocol}
    page = made["report.html"].decode()
    assert "Several protocols." in page
    assert "Mean scores, protocol jiant" in page
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_a_target_is_compared_over_the_test_sets_that_are_the_same() -> None:
    one = scored(study("one", ["mnli"], targets={"xnli": ("en", "de", "sw"), "udpos": ("en",)}))
    two = scored(study("two", ["squad_v1"], targets={"xnli": ("en", "de", "fr"), "udpos": ("en",)}))
    made = joined(one, two)
    rows = records(made["joined/1/results.csv"])
    assert {row["language"] for row in rows if row["target"] == "xnli"} == {"en", "de"}
    assert "left out: fr sw." in made["report.html"].decode()
    other = scored(study("two", ["squad_v1"], targets={"xnli": ("en", "de")}), n=50)
    apart = joined(scored(study("one", ["mnli"], targets={"xnli": ("en", "de")})), other)
    targets = {row["target"] for row in records(apart["joined/1/results.csv"])} - {stage_rows.NONE}
    assert targets == {"xnli [one]", "xnli [two]"}


def test_every_figure_has_its_table_and_the_command_that_writes_it() -> None:
    made = joined(scored(study("one", ["mnli"])), scored(study("two", ["squad_v1"])))
    page = made["report.html"].decode()
    sources = re.findall(r'class="source">([^<]+)<', page)
    assert sources
    assert set(sources) <= made.keys()
    figures = re.findall(r"<b>Figure \d+\.</b>.*?</figcaption>", page, re.S)
    assert figures
    for figure in figures:
        (source,) = re.findall(r'class="source">([^<]+)<', figure)
        assert f"stilts report one.yaml two.yaml --only {source}</code>" in figure


def test_one_member_is_left_as_it_is() -> None:
    collected = scored(study("one", ["mnli"]))
    (group,) = join([Member("one", "p", collected.frame)])
    assert group.notes == ()
    assert group.frame.texts["encoder"].names == ("tiny",)
    assert np.array_equal(group.frame.value, collected.frame.value)


def imported_rows(protocol: str = "", encoder: str = "tiny", targets: Sequence[str] = ("xnli",)) -> list[ResultRow]:
    return [
        ResultRow(
            "theirs", f"{encoder}/{arm}", encoder, arm, target, code, code != "en", seed, protocol, "test", "score",
            50 + gain + 0.1 * seed * (1 + len(arm)), 100, "",
        )
        for arm, gain in (("baseline", 0.0), ("vision", 4.0))
        for target in targets
        for code in ("en", "de")
        for seed in range(4)
    ]  # fmt: skip


def kept(store: FolderStore, rows: Sequence[ResultRow], **more: str) -> None:
    options = {"name": "other", "source": "Their paper, table 3", "protocol": "", "file": "x.csv", **more}
    keep_import(store, "one", data=table_files.to_csv(frame_of(rows)), when=WHEN, **options)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def committed(store: FolderStore, plan: Plan) -> Collected:
    stages = {stage.fingerprint: stage for stage in plan.stages}
    found = scored(plan)
    for name, one in found.manifests.items():
        store.put(manifest_key(name), manifest(stages[name], one.metrics).model_dump_json().encode())
    return read(store, plan)


def test_an_imported_table_is_marked_everywhere_and_never_among_own_rows(store: FolderStore) -> None:
    plan = study("one", ["mnli"])
    before = files(committed(store, plan))
    kept(store, imported_rows(), protocol="xtreme-2020")
    made = files(read(store, plan))
    for name in before:
        if name not in ("report.html", "references.bib"):
            assert made[name] == before[name]
    rows = records(made["joined/1/results.csv"])
    assert {(row["encoder"], row["imported"]) for row in rows} == {
        ("tiny", "false"),
        ("tiny [other, imported]", "true"),
    }
    gains = {(row["encoder"], row["curriculum"]): row for row in records(made["joined/1/gains.csv"])}
    assert float(gains["tiny [other, imported]", "vision"]["gain"]) == pytest.approx(4, abs=0.5)
    assert gains["tiny [other, imported]", "vision"]["low"]
    page = made["report.html"].decode()
    assert "Tables from other systems lie beside this study." in page
    assert "Their paper, table 3; x.csv, SHA-256" in page
    assert "‡" in page


def test_an_imported_table_of_other_rules_or_tasks_stands_alone(store: FolderStore) -> None:
    plan = study("one", ["mnli"])
    committed(store, plan)
    kept(store, imported_rows(encoder="vilt", targets=("maxm", "xgqa")))
    made = files(read(store, plan))
    assert {row["encoder"] for row in records(made["joined/2/summary.csv"])} == {"vilt [other, imported]"}
    assert {row["target"] for row in records(made["joined/2/gains.csv"])} == {"maxm", "xgqa", "(mean)"}
    assert "protocol not stated" in made["report.html"].decode()


def test_imports_come_along_when_studies_are_joined(store: FolderStore) -> None:
    first = committed(store, study("one", ["mnli"]))
    kept(store, imported_rows(), protocol="xtreme-2020")
    made = together([read(store, first.plan), committed(store, study("two", ["squad_v1"]))], store)
    encoders = {row["encoder"] for row in records(made["joined/1/summary.csv"])}
    assert encoders == {"tiny", "tiny [other, imported]"}
    assert "@article{benjamini-1995-controlling," in made["references.bib"].decode()


def test_an_import_is_kept_once_and_its_bytes_are_checked(store: FolderStore) -> None:
    kept(store, imported_rows())
    kept(store, imported_rows())
    with pytest.raises(DataError, match="has an imported table other already"):
        kept(store, imported_rows(encoder="more"))
    (member,) = read_imports(store, "one")
    assert member.imported
    assert len(member.frame) == 16
    store.put("imports/one/other/table.csv", b"broken")
    with pytest.raises(StorageError, match="is not the table that was imported"):
        read_imports(store, "one")
    assert remove_import(store, "one", "other")
    assert not remove_import(store, "one", "other")
    assert read_imports(store, "one") == ()


def test_imports_that_cannot_be(store: FolderStore) -> None:
    with pytest.raises(DataError, match="says that its scores follow jiant"):
        kept(store, imported_rows("jiant"), protocol="corrected")
    with pytest.raises(DataError, match="has no scores"):
        kept(store, [row._replace(metric="f1") for row in imported_rows()])
    with pytest.raises(DataError, match="name"):
        kept(store, imported_rows(), name="../up")
    assert list(store.list("imports/")) == []


def test_a_foreign_fingerprint_is_never_taken_for_a_run_of_the_store(store: FolderStore) -> None:
    collected = committed(store, study("one", ["mnli"]))
    stolen = [row for row in collected.rows if row.metric == "score"]
    kept(store, [row._replace(value=row.value - 20) for row in stolen])
    made = files(read(store, collected.plan))
    encoders = {row["encoder"] for row in records(made["joined/1/summary.csv"])}
    assert encoders == {"tiny", "tiny [other, imported]"}


def test_frames_of_several_studies_in_one_table_are_several_members(store: FolderStore) -> None:
    rows = imported_rows()
    kept(store, [*rows, *(row._replace(study="more", protocol="") for row in rows)])
    assert {member.name for member in read_imports(store, "one")} == {"other/theirs", "other/more"}
    assert len(frame_of(rows)) == 16
