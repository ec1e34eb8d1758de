"""A study with every kind of head and stage, through the real command line, stages and stores."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from faults.remote import describe, mishaps
from faults.sample_study import repeated_calls
from faulty_proxy import faulty_proxy
from servers import S3Server, has_go
from whole_study import CURRICULA, LANGUAGES, PATIENCE, Done, Place, make_place

from stilts_core.storage.attempts import list_attempts
from stilts_core.storage.base import Store
from stilts_core.storage.open import open_store

pytest.importorskip("deepspeed", reason="the training packages are an extra")

pytestmark = [pytest.mark.train, pytest.mark.xdist_group("whole-study")]

Finished = tuple[Place, Done]
LOSS_TOLERANCE = 2e-5
"""Of a loss, relative: two ranks sum in another order. The study has no dropout, which is drawn for each rank."""


def test_the_run_says_what_it_does_and_writes_its_files(finished: Finished) -> None:
    place, done = finished
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-1] == "Report: results/whole/report.html"
    count = len(place.manifests())
    assert lines[-2] == f"whole: {count} of {count} stages done"
    assert sum(": done in " in line for line in lines) == count
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines[:-2])
    assert not list((place.folder / "cache" / "stilts" / "runs").iterdir())


def test_every_cell_has_its_scores(finished: Finished) -> None:
    place, _ = finished
    table = csv.DictReader(io.StringIO(place.result("results.csv").decode()))
    rows = [row for row in table if row["metric"] == "score"]
    found = {(row["curriculum"], row["target"], row["language"]) for row in rows}
    assert len(found) == len(CURRICULA) * sum(LANGUAGES.values())
    assert Counter(target for _, target, _ in found) == {name: 2 * count for name, count in LANGUAGES.items()}
    assert all(0 <= float(row["value"]) <= 100 for row in rows if row["value"])
    summary = list(csv.DictReader(io.StringIO(place.result("summary.csv").decode())))
    assert {row["curriculum"] for row in summary} == set(CURRICULA)


def test_parquet_holds_the_same_rows(finished: Finished) -> None:
    import pyarrow.parquet as pq

    place, _ = finished
    table = pq.read_table(io.BytesIO(place.result("results.parquet"))).to_pylist()
    rows = list(csv.DictReader(io.StringIO(place.result("results.csv").decode())))
    assert [row["language"] for row in table] == [row["language"] for row in rows]
    assert [row["value"] for row in table if row["value"] is not None] == pytest.approx(
        [float(row["value"]) for row in rows if row["value"]]
    )


def test_the_report_needs_nothing_from_elsewhere(finished: Finished) -> None:
    place, _ = finished
    page = place.result("report.html").decode()
    assert page.startswith("<!doctype html>")
    assert "Every part once" in page
    assert not re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"'> ]+|url\((?!["']?data:)|@import""", page)


def test_a_second_run_reuses_every_stage(finished: Finished, tmp_path: Path) -> None:
    place, _ = finished
    began = time.monotonic()
    done = place.run("--out", str(tmp_path))
    count = len(place.manifests())
    assert done.out.splitlines() == [
        f"whole: {count} of {count} stages done ({count} reused)",
        f"Report: {tmp_path}/report.html",
    ]
    assert (tmp_path / "results.csv").read_bytes() == place.result("results.csv")
    assert time.monotonic() - began < 15


def test_plan_counts_what_is_done(finished: Finished) -> None:
    place, _ = finished
    plan = place.on_study("plan")
    assert (plan.status, plan.err) == (0, "")
    count = len(place.manifests())
    assert re.search(rf"^  all +{count} .* {count} +0 *$", plan.out, re.MULTILINE)
    document = json.loads(place.on_study("plan", "--json").out)
    assert {stage["fingerprint"] for stage in document["stages"]} == place.manifests().keys()


def test_status_and_logs(finished: Finished) -> None:
    place, _ = finished
    count = len(place.manifests())
    assert place.on_study("status").out.startswith(f"whole: {count} of {count} stages done")
    stages = json.loads(place.on_study("plan", "--json").out)["stages"]
    training = next(stage for stage in stages if "hellaswag" in stage["label"] and stage["kind"] == "train")
    log = place.on_study("logs", training["fingerprint"][:12])
    assert log.status == 0
    assert "committed: " in log.out
    assert "Traceback" not in log.out
    several = place.on_study("logs", "evaluate")
    assert several.status == 64
    assert "Choose one:" in several.err


def test_results_and_report_are_made_again_from_the_store(finished: Finished, tmp_path: Path) -> None:
    place, _ = finished
    done = place.on_study("results", "--out", str(tmp_path))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("gain, points")
    assert "10 of 10 cells have all of their scores" in done.out
    for name in ("results.csv", "results.parquet", "summary.csv"):
        assert (tmp_path / name).read_bytes() == place.result(name)
    assert place.on_study("report", "--out", str(tmp_path / "alone.html")).status == 0
    assert (tmp_path / "alone.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_doctor_finds_nothing_in_the_way(finished: Finished) -> None:
    place, _ = finished
    done = place.stilts("doctor", "--store", place.store, "--data", "sample://")
    assert (done.status, done.err) == (0, "")
    assert "FAIL" not in done.out
    assert done.out.endswith("A study can run here.\n")


@pytest.mark.skipif(not has_go(), reason="versitygw is built with Go")
def test_a_bucket_gives_the_same_results(finished: Finished, versitygw: S3Server, tmp_path: Path) -> None:
    place = make_place(tmp_path, "s3://studies/whole", versitygw.environment)
    done = place.run()
    assert (done.status, done.err) == (0, "")
    assert place.result("results.csv") == finished[0].result("results.csv")
    assert place.result("summary.csv") == finished[0].result("summary.csv")
    count = len(finished[0].manifests())
    assert f"({count} reused)" in place.run().out
    assert place.on_study("status").out.startswith(f"whole: {count} of {count} stages done")
    assert versitygw.secret_key not in place.result("report.html").decode() + done.out


def test_a_bucket_that_fails_now_and_then_gives_the_same_results(
    finished: Finished, moto: S3Server, tmp_path: Path
) -> None:
    """Of the requests 5 % fail and 2 % lose the end of a body; `make test-faults` does it to the sample study."""
    with faulty_proxy(moto.endpoint, mishaps(seed=6)) as proxy:
        place = make_place(tmp_path, "s3://studies/failing", {**moto.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        done = place.run()
    assert done.status == 0, done.err
    assert proxy.faults() > 0.05 * len(proxy.requests), describe(proxy.requests)
    assert place.result("results.csv") == finished[0].result("results.csv")
    assert place.result("summary.csv") == finished[0].result("summary.csv")
    assert repeated_calls(place.result("report.html")) > 0
    assert repeated_calls(finished[0].result("report.html")) == 0


def test_a_run_that_is_killed_goes_on_where_it_was(
    finished: Finished, moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a bucket as well, of another server: the results are those of a folder and of a run without a kill."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    reference, place = finished[0], make_place(tmp_path, "s3://studies/whole", moto.environment)
    store, half = open_store(place.store), len(reference.manifests()) // 2
    driver = place.start("run", "study.yaml", "--store", place.store, "--slots", "2")
    deadline = time.monotonic() + PATIENCE
    while len(_manifests(store)) < half:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = _manifests(store)
    tried = {key: _attempts(store, key) for key in before}
    assert len(before) < len(reference.manifests())
    done = place.run()
    assert (done.status, done.err) == (0, "")
    after = _manifests(store)
    assert {key: after[key] for key in before} == before
    assert {key: _attempts(store, key) for key in before} == tried
    assert place.result("results.csv") == reference.result("results.csv")
    assert not list((tmp_path / "cache" / "stilts" / "runs").iterdir())


def _manifests(store: Store) -> dict[str, bytes]:
    keys = [info.key for info in store.list("stages/") if info.key.endswith("/manifest.json")]
    return {key: store.read(key) for key in keys}


def _attempts(store: Store, manifest: str) -> list[str]:
    return sorted(attempt.folder for attempt in list_attempts(store, manifest.split("/")[-2]))


def test_a_training_on_two_ranks_fits_the_one_on_one(finished: Finished, tmp_path: Path) -> None:
    """One training and its evaluation anew, with everything else of the study in the store already."""
    reference, _ = finished
    shutil.copytree(reference.store, tmp_path / "store")
    place = make_place(tmp_path)
    place.write(
        "ranks.yaml",
        "apiVersion: stilts/v1alpha1\nkind: Profile\n"
        "spec: {device: cpu, training: {ranks: 2, zero_stage: 2, precision: fp32}, local: {slots: 2}}\n",
    )
    stages = json.loads(place.on_study("plan", "--json").out)["stages"]
    training = next(stage for stage in stages if stage["label"].startswith("udpos · ") and stage["kind"] == "train")
    training, followers = (
        training["fingerprint"],
        [s for s in stages if training["fingerprint"] in s["parents"].values()],
    )
    expected = _history(reference, training)
    for name in (training, *(stage["fingerprint"] for stage in followers)):
        shutil.rmtree(place.manifests()[name].parent)
    done = place.run("--profile", "ranks.yaml")
    assert (done.status, done.err) == (0, "")
    count = len(stages)
    assert f"whole: {count} of {count} stages done ({count - 2} reused)" in done.out
    run = json.loads(place.manifests()[training].read_bytes())["run"]
    assert (run["ranks"], run["zero_stage"]) == (2, 2)
    np.testing.assert_allclose(_history(place, training), expected, rtol=LOSS_TOLERANCE)


def _history(place: Place, fingerprint: str) -> list[float]:
    found = list(place.manifests()[fingerprint].parent.glob("attempts/*/history.json"))
    losses: list[float] = json.loads(found[0].read_bytes())["loss"]
    return losses
