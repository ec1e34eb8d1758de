"""Studies and profiles from files: what is accepted, and what a person reads when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.errors import SpecError
from stilts_core.spec.load import load_profile, load_study

GOOD = """\
apiVersion: stilts/v1alpha1
kind: Study
metadata: {name: phang2020}
spec:
  encoders: [xlm-roberta-large]
  curricula:
    - baseline
    - mnli
    - {name: mnli-squad, steps: [mnli, squad_v2]}
    - {name: mnli-mlm, steps: [{mix: [mnli, {mlm: xtreme}]}]}
    - {name: mnli-translated, steps: [{task: mnli, languages: [de, ru, sw]}]}
  targets: [xnli, udpos, {task: xquad, languages: [de, ro]}]
  seeds: 5
  protocol: xtreme-2020
  data: {root: "s3://corpora/xtreme"}
  overrides: [{match: {task: mnli, kind: train}, set: {epochs: 2, learning_rate: 1e-5, max_steps: null}}]
  tasks: [{name: mine, title: Mine, head: classification, metric: accuracy, labels: [a, b]}]
  questions: [transfer]
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def message(folder: Path, text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        load_study(write(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


def test_short_forms_stand_for_their_long_forms(tmp_path: Path) -> None:
    spec = load_study(write(tmp_path, GOOD)).study.spec
    assert [curriculum.name for curriculum in spec.curricula] == [
        "baseline",
        "mnli",
        "mnli-squad",
        "mnli-mlm",
        "mnli-translated",
    ]
    assert spec.curricula[0].steps == ()
    assert spec.curricula[1].steps[0].mix[0].task == "mnli"
    assert spec.curricula[3].steps[0].mix[1].model_dump(exclude_defaults=True) == {"task": "mlm", "mlm": "xtreme"}
    assert spec.encoders[0].source == "xlm-roberta-large"
    assert spec.overrides[0].set == {"epochs": 2, "learning_rate": 1e-5, "max_steps": None}


def test_every_value_knows_its_line_and_column(tmp_path: Path) -> None:
    loaded = load_study(write(tmp_path, GOOD))
    assert loaded.positions[("spec", "seeds")] == (13, 10)
    assert loaded.positions[("spec", "curricula", 1)] == (8, 7)
    assert loaded.document.keys[("spec", "protocol")] == (14, 3)
    assert loaded.text == GOOD


def test_plain_words_are_read_as_yaml_1_2_does(tmp_path: Path) -> None:
    text = GOOD.replace("[de, ru, sw]", "[no, de]").replace("phang2020}", "phang2020, title: 12:30:00}")
    study = load_study(write(tmp_path, text)).study
    assert study.spec.curricula[4].steps[0].mix[0].languages == ("no", "de")
    assert study.metadata.title == "12:30:00"


def test_a_profile_without_a_file_is_this_machine(tmp_path: Path) -> None:
    assert load_profile(None).spec.device == "auto"
    path = tmp_path / "profile.yaml"
    path.write_text("kind: Profile\nspec: {training: {ranks: 2}}\n")
    assert load_profile(path).spec.training.ranks == 2


GOLDEN = {
    "an unknown key": (
        GOOD.replace("  targets:", "  tagrets:"),
        ('study.yaml:12:3: spec: unknown key "tagrets"; allowed: encoders, curricula, sequences, targets, seeds, '
        'protocol, benchmark, data, overrides, tasks, questions, claims and 2 more; did you mean "targets"?'),
    ),
    "an unknown key in a step": (
        GOOD.replace("{mix: [mnli,", "{mixx: [mnli,"),
        ('study.yaml:10:33: spec.curricula[3].steps[0]: unknown key "mixx"; allowed: task, languages, provenance, '
        'limit, mlm, mix; did you mean "mix"?'),
    ),
    "a missing key": (
        GOOD.replace("name: mnli-mlm, ", ""),
        'study.yaml:10:7: spec.curricula[3]: the key "name" is missing',
    ),
    "a name with a blank": (
        GOOD.replace("phang2020", "Phang 2020"),
        ('study.yaml:3:18: metadata.name: "Phang 2020" is no name: lower-case letters, digits, dots, hyphens and '
        "underscores"),
    ),
    "a name too long": (
        GOOD.replace("mnli-translated", "m" * 41),
        f'study.yaml:11:14: spec.curricula[4].name: "{"m" * 41}" is too long for a name: 41 characters, at most 40',
    ),
    "a short form that is no name": (
        GOOD.replace("    - mnli\n", "    - MNLI\n"),
        ('study.yaml:8:7: spec.curricula[1]: name "MNLI" is no name: lower-case letters, digits, dots, hyphens and '
        "underscores"),
    ),
    "text for a number": (
        GOOD.replace("seeds: 5", 'seeds: "5"'),
        'study.yaml:13:10: spec.seeds: must be a whole number or a list, not "5"',
    ),
    "a number out of range": (
        GOOD.replace("seeds: 5", "seeds: 0"),
        "study.yaml:13:10: spec.seeds: must be above 0, not 0",
    ),
    "true for a number": (
        GOOD.replace("epochs: 2", "epochs: true"),
        "study.yaml:16:64: spec.overrides[0].set.epochs: must be a number, not true",
    ),
    "a number for text": (
        GOOD.replace("xtreme-2020", "2020"),
        "study.yaml:14:13: spec.protocol: must be text, not 2020; put it in quotes",
    ),
    "a value outside a list": (
        GOOD.replace("kind: train", "kind: trian"),
        ('study.yaml:16:42: spec.overrides[0].match.kind: unknown value "trian"; allowed: train, target, few-shot; '
        'did you mean "train"?'),
    ),
    "an unknown head": (
        GOOD.replace("head: classification", "head: clasification"),
        ('study.yaml:17:43: spec.tasks[0].head: unknown head "clasification"; allowed: classification, span, choice, '
        'tagging, mlm, retrieval; did you mean "classification"?'),
    ),
    "a language in capitals": (
        GOOD.replace("[de, ru, sw]", "[de, RU, sw]"),
        ('study.yaml:11:68: spec.curricula[4].steps[0].languages[1]: "RU" is no language code: two or three '
        "lower-case letters, as in ISO 639"),
    ),
    "text for a mapping": (
        GOOD.replace('{root: "s3://corpora/xtreme"}', "s3://corpora/xtreme"),
        'study.yaml:15:9: spec.data: must be a mapping with the keys root, not "s3://corpora/xtreme"',
    ),
    "an empty list": (
        GOOD.replace("[xlm-roberta-large]", "[]"),
        "study.yaml:5:13: spec.encoders: needs at least 1 entry, and has none",
    ),
    "one name twice": (
        GOOD.replace("[xnli, udpos,", "[xnli, xnli,"),
        "study.yaml:5:3: spec: targets has xnli more than once",
    ),
    "a key twice": (
        GOOD.replace("  seeds: 5\n", "  seeds: 5\n  seeds: 6\n"),
        'study.yaml:14:3: the key "seeds" is here twice, first in line 13',
    ),
    "a profile": ("kind: Profile\n", "study.yaml:1:7: kind: this is a profile; a study is needed here"),
    "a list": ("- a\n", "study.yaml:1:1: a study is a mapping with the keys apiVersion, kind, metadata, spec"),
    "unfinished brackets": (
        "spec: {a: [1, 2\n",
        "study.yaml:2:1: not valid YAML while parsing a flow sequence: expected ',' or ']', but got '<stream end>'",
    ),
    "a tab": (
        "spec:\n\t- a\n",
        ("study.yaml:2:1: not valid YAML while scanning for the next token: found character '\\t' that cannot start "
        "any token"),
    ),
    "two documents": (
        "kind: Study\n---\nkind: Study\n",
        "study.yaml:2:1: not valid YAML expected a single document in the stream: but found another document",
    ),
    "a tag": ("a: !!python/name:os.system x\n", ("study.yaml:1:4: the tag !!python/name:os.system is not used here; "
              "write the plain value")),
    "not a number": ("a: .nan\n", "study.yaml:1:4: .nan is not a finite number"),
    "a number as key": ("1: a\n", "study.yaml:1:1: a key is text; put it in quotes if it looks like something else"),
    "bytes": (b"kind: Study\nname: \xff\n", "study.yaml:2:7: byte 0xff is not UTF-8 text"),
    "a control character": ("a: \x01\n", "study.yaml:1:4: the character U+0001 is not allowed in YAML"),
    "an escaped control character": ('a: "\\0"\n', "study.yaml:1:4: text with a control character"),
    "an anchor in itself": ("a: &x [*x]\n", "study.yaml:1:4: an anchor that contains itself"),
    "nothing": ("# only a comment\n", "study.yaml is empty.\n  `stilts schema study` says what belongs in a study."),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_what_is_wrong_is_said_where_it_is(case: str, tmp_path: Path) -> None:
    text, expected = GOLDEN[case]
    assert message(tmp_path, text) == expected


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("phang2020", "A").replace("seeds: 5", "seeds: -1").replace("kind: train", "kind: x")
    lines = message(tmp_path, text).splitlines()
    assert lines[0] == "study.yaml has 3 problems:"
    assert [line.strip().split(": ")[1] for line in lines[1:]] == [
        "metadata.name",
        "spec.seeds",
        "spec.overrides[0].match.kind",
    ]


def test_a_report_ends_somewhere(tmp_path: Path) -> None:
    text = GOOD.replace("[xnli, udpos,", f"[{', '.join('B' for _ in range(50))},")
    lines = message(tmp_path, text).splitlines()
    assert len(lines) == 22
    assert lines[-1].strip() == "and 30 more"


def test_a_slip_in_a_key_is_one_problem_not_two(tmp_path: Path) -> None:
    text = GOOD.replace("{name: mnli-mlm,", "{nmae: mnli-mlm,")
    assert message(tmp_path, text).count("study.yaml") == 1


def test_aliases_that_explode_are_stopped(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    assert "aliases expand to too many" in message(tmp_path, bomb)


@pytest.mark.parametrize("text", ["[" * 1500, "a: " + "{a: " * 200 + "1" + "}" * 200, "- " * 3000 + "x"])
def test_nesting_is_bounded(text: str, tmp_path: Path) -> None:
    assert "nested deeper than 50 levels" in message(tmp_path, text)


def test_a_missing_file_a_folder_and_a_huge_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"There is no file .*nothing\.yaml"):
        load_study(tmp_path / "nothing.yaml")
    with pytest.raises(SpecError, match="is a folder"):
        load_study(tmp_path)
    with pytest.raises(SpecError, match="cannot be read"):
        load_study(Path("a\0b"))
    with pytest.raises(SpecError, match="larger than 4 MiB"):
        load_study(write(tmp_path, "#" * (5 << 20)))


def test_a_study_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="this is a study; a profile is needed here"):
        load_profile(write(tmp_path, GOOD))


def test_fp16_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("apiVersion: stilts/v1alpha1\nkind: Profile\nspec:\n  training: {precision: fp16}\n")
    with pytest.raises(SpecError, match=r"profile\.yaml:4:\d+: .*fp16 is not offered.*take bf16, fp32 or auto"):
        load_profile(path)
