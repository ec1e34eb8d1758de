"""What a person meets who gave something wrong: one sentence, the exit code of the table, nothing committed."""

from __future__ import annotations

import json
import re
import resource
import shutil
from pathlib import Path

import pytest
from broken_data import STUDY, questions, write_data
from servers import S3Server, has_go
from whole_study import WHOLE, Done, Place, make_place

from stilts_core.storage.attempts import read_outcomes
from stilts_core.storage.open import open_store

needs_training = pytest.mark.train
PROFILE = "apiVersion: stilts/v1alpha1\nkind: Profile\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def refused(done: Done, status: int, sentence: str) -> None:
    """One error on stderr and nothing else anywhere."""
    assert done.status == status
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert sentence in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1, 2\nb: }", "study.yaml:2:2: not valid YAML"),
        ("", "study.yaml is empty"),
        (f"{PROFILE}spec: {{}}\n", "kind: this is a profile; a study is needed here"),
        (WHOLE.replace("task: udpos", "task: udops"), 'unknown task "udops"; allowed: '),
        (WHOLE.replace("protocol: corrected", "protocol: correct"), 'did you mean "corrected"?'),
        (WHOLE.replace("[en, ja]", "[en, xx]"), 'unknown language of udpos "xx"'),
        (WHOLE.replace("steps: 8", "steps: eight"), 'must be a whole number, not "eight"'),
        (WHOLE.replace("limit: 20", "limt: 20"), 'unknown key "limt"'),
        (WHOLE.replace("- name: tiny", "- xlm-roberta-bsae\n    - name: tiny"), 'unknown encoder "xlm-roberta-bsae"'),
        (WHOLE.replace("{mlm: sw}", "{mlm: sw, limit: 9}"), "mix[2].limit: `limit` does not apply to mlm"),
    ],
)
def test_a_study_that_is_wrong(place: Place, text: str, sentence: str) -> None:
    place.write("study.yaml", text)
    refused(place.on_study("run"), 64, sentence)
    assert not Path(place.store).exists()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--profile", "wrong.yaml"), 64, 'wrong.yaml:3:8: spec: unknown key "trainng"'),
        (("--profile", "study.yaml"), 64, "kind: this is a study; a profile is needed here"),
        (("--profile", "none.yaml"), 64, "There is no file none.yaml."),
        (("--data", "none"), 66, "The data root none is not a folder."),
        (("--data", "empty"), 66, "Text that tiny is pretrained on is missing under empty."),
        (("--data", "ftp://there"), 64, "'ftp://there' is no data root."),
        (("--store", "study.yaml"), 73, "a file lies where a folder is needed"),
        (("--store", "gs://there"), 64, "unknown scheme gs://"),
    ],
)
def test_options_that_are_wrong(place: Place, arguments: tuple[str, ...], status: int, sentence: str) -> None:
    place.write("wrong.yaml", f"{PROFILE}spec: {{trainng: {{ranks: 2}}}}\n")
    (place.folder / "empty").mkdir()
    refused(place.stilts("run", "study.yaml", *arguments), status, sentence)


@pytest.mark.parametrize("verb", ["status", "results"])
def test_a_store_that_is_a_file_is_not_an_empty_one(place: Place, verb: str) -> None:
    refused(place.stilts(verb, "study.yaml", "--store", "study.yaml"), 73, "a file lies where a folder is needed")


def test_debug_shows_where_it_came_from(place: Place) -> None:
    done = place.stilts("run", "study.yaml", "--data", "none", "--debug")
    assert done.status == 66
    assert "Traceback" in done.err
    assert "MissingInputError: The data root none is not a folder." in done.err


def test_a_language_without_data(place: Place) -> None:
    write_data(place.folder / "data")
    place.write("study.yaml", STUDY)
    (place.folder / "data" / "xnli" / "test-de.tsv").unlink()
    (place.folder / "data" / "xnli" / "dev-de.tsv").unlink()
    refused(place.on_study("run"), 66, "xnli")


@pytest.mark.parametrize(
    ("files", "lacking"),
    [
        ({"config.json", "model.safetensors"}, "tokenizer"),
        ({"config.json", "tokenizer.json"}, "weights (model.safetensors"),
        ({"config.json", "tokenizer.json", "pytorch_model.bin"}, "weights (model.safetensors"),
    ],
)
def test_an_encoder_folder_that_is_not_whole(place: Place, files: set[str], lacking: str) -> None:
    (place.folder / "encoder").mkdir()
    for name in files:
        place.write(f"encoder/{name}", "{}")
    place.write(
        "study.yaml", re.sub(r"encoders:.*?  curricula", "encoders: [./encoder]\n  curricula", WHOLE, flags=re.S)
    )
    refused(place.on_study("run"), 66, lacking)


@pytest.mark.skipif(not has_go(), reason="versitygw is built with Go")
@pytest.mark.parametrize(
    ("store", "changes", "sentence"),
    [
        ("s3://nowhere/x", {}, "there is no bucket nowhere"),
        ("s3://studies/x", {"AWS_SECRET_ACCESS_KEY": "of-somebody-else"}, "refuses the credentials"),
        ("s3://studies/x", {"AWS_ACCESS_KEY_ID": "somebody-else"}, "refuses the credentials"),
    ],
)
def test_a_bucket_that_cannot_be_used(
    tmp_path: Path, versitygw: S3Server, store: str, changes: dict[str, str], sentence: str
) -> None:
    place = make_place(tmp_path, store, {**versitygw.environment, **changes})
    refused(place.on_study("run"), 73, sentence)
    doctor = place.stilts("doctor", "--store", store)
    assert doctor.status == 1
    assert re.search(rf"^FAIL  store, .*{sentence}", doctor.out, re.MULTILINE)
    assert "of-somebody-else" not in doctor.out


BROKEN = {
    "xnli/test-de.tsv": ("ein Hund\tein Tier\tneutral\nein Hund\n", "xnli/test-de.tsv:2: "),
    "udpos/test-de.tsv": ("die\tDET\nKatze\tNOUNS\n", "udpos/test-de.tsv:2: the label `NOUNS` is not one of"),
    "xquad/xquad.de.json": (questions()[:60], "xquad.de.json: no valid JSON"),
    "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.en.train.json": (
        questions("the house"),
        "question q1: the answer `the house` does not stand in the context at character 12",
    ),
    "tatoeba/tatoeba.deu-eng.deu": ("", "tatoeba.deu-eng.deu is empty"),
}


@needs_training
def test_data_files_that_are_wrong(place: Place) -> None:
    """Each fails its own stage, and the rest of the study goes on."""
    pytest.importorskip("deepspeed", reason="the training packages are an extra")
    write_data(place.folder / "data")
    place.write("study.yaml", STUDY)
    for name, (text, _) in BROKEN.items():
        (place.folder / "data" / name).write_text(text, encoding="utf-8")
    done = place.run()
    assert done.status == 1
    assert "Traceback" not in done.err + done.out
    failures = [line for line in done.err.splitlines() if " failed (exit 65, bad-data): " in line]
    assert len(failures) == len(BROKEN)
    for _, sentence in BROKEN.values():
        assert sum(sentence in line for line in failures) == 1
    assert done.out.splitlines()[-1] == "Report: results/broken/report.html"
    stages = json.loads(place.on_study("plan", "--json").out)["stages"]
    store, committed = open_store(place.store), place.manifests()
    codes = [outcome.exit_code for s in stages for _, outcome in read_outcomes(store, s["fingerprint"])]
    assert codes.count(65) == len(BROKEN)
    assert set(codes) <= {0, 65}
    assert not any(s["fingerprint"] in committed for s in stages if s["kind"] == "evaluate" and "xnli" in s["label"])
    status = place.on_study("status").out.splitlines()
    assert "5 failed" in status[0]
    assert re.match(r"[0-9a-f]{8}  prepare ", status[2])
    assert sum(": no valid JSON (" in line for line in status) == 1
    again = place.run()
    assert again.status == 1
    assert " failed (exit 65, bad-data): " in again.err


@needs_training
def test_a_disk_that_is_full(place: Place) -> None:
    """A limit on the size of files stands for the disk: the pretrained weights are larger than it."""
    pytest.importorskip("deepspeed", reason="the training packages are an extra")
    write_data(place.folder / "data")
    place.write("study.yaml", STUDY)
    limit = 60_000
    done = place.stilts(
        *("run", "study.yaml", "--store", place.store, "--slots", "2", "--profile", place.write("once.yaml", ONCE)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.status == 1
    assert "Traceback" not in done.err + done.out
    assert re.search(r"pretrain tiny failed \(exit 73, storage\): ", done.err)
    labels = {json.loads(path.read_bytes())["stage"]["kind"] for path in place.manifests().values()}
    assert labels == {"prepare"}


ONCE = f"{PROFILE}spec: {{retries: {{application: 0, infrastructure: 0}}}}\n"


@needs_training
def test_after_the_cause_is_gone_the_same_command_goes_on(place: Place) -> None:
    pytest.importorskip("deepspeed", reason="the training packages are an extra")
    data = place.folder / "data"
    write_data(data)
    place.write("study.yaml", STUDY.replace("    - {task: udpos, languages: [en, de]}\n", ""))
    good = (data / "tatoeba" / "tatoeba.deu-eng.deu").read_bytes()
    (data / "tatoeba" / "tatoeba.deu-eng.deu").write_bytes(b"")
    assert place.run().status == 1
    (data / "tatoeba" / "tatoeba.deu-eng.deu").write_bytes(good)
    shutil.rmtree(place.folder / "results")
    done = place.run()
    assert (done.status, done.err) == (0, "")
    assert "reused)" in done.out
