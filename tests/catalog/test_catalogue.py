"""The catalogue as it ships: it agrees with XTREME and with itself."""

from __future__ import annotations

import string

import pytest

from stilts_core.catalog.load import Catalogue, load_catalogue
from stilts_core.catalog.models import Head, Hyper, Metric, Task
from stilts_core.catalog.nearest import nearest
from stilts_core.errors import SpecError

CATALOGUE = load_catalogue()
TASKS = list(CATALOGUE.tasks.values())


def test_the_tasks_cover_every_head_and_have_a_source_for_what_they_need() -> None:
    assert {task.head for task in TASKS} == set(Head)
    for task in TASKS:
        if task.metric is None:
            assert task.head is Head.MLM
        if task.head is not Head.RETRIEVAL:
            assert all(part.train for part in CATALOGUE.parts_of(CATALOGUE.training_task(task))), task.name
        assert task.head is Head.MLM or all(part.test or part.dev for part in CATALOGUE.parts_of(task))


def test_the_languages_are_those_of_xtreme() -> None:
    sizes = {name: len(CATALOGUE.task(name).languages) for name in ("xnli", "udpos", "xquad", "tydiqa", "tatoeba")}
    assert sizes == {"xnli": 15, "udpos": 33, "xquad": 11, "tydiqa": 9, "tatoeba": 36}
    groups = CATALOGUE.language_groups
    assert (len(groups["xtreme"]), len(groups["xtreme-r"]), len(CATALOGUE.languages)) == (40, 50, 50)
    assert set(groups["xtreme-r"]) == set(CATALOGUE.languages)
    # Tatoeba is all of XTREME but the four without data.
    assert set(groups["xtreme"]) - set(CATALOGUE.task("tatoeba").languages) == {"en", "ms", "my", "yo"}
    for task in TASKS:
        assert set(task.languages) | set(task.extra_languages) <= set(CATALOGUE.languages), task.name
        assert not set(task.languages) & set(task.extra_languages), task.name


def test_the_languages_have_what_a_group_is_made_by() -> None:
    assert len({language.iso3 for language in CATALOGUE.languages.values()}) == 50
    assert {code for code, language in CATALOGUE.languages.items() if language.cc100_gib is None} == {
        "yo",
        "qu",
        "ht",
        "wo",
    }
    agglutinative = {code for code, language in CATALOGUE.languages.items() if language.morphology == "agglutinative"}
    assert agglutinative == {"eu", "et", "fi", "hu", "tr", "kk", "ja", "ko", "ta", "te", "ml", "ka", "sw", "az", "qu"}
    assert {code for code, language in CATALOGUE.languages.items() if not language.spaces} == {"ja", "my", "th", "zh"}


def test_labels_are_closed_lists() -> None:
    assert CATALOGUE.task("xnli").labels == CATALOGUE.task("mnli").labels == ("entailment", "neutral", "contradiction")
    assert len(CATALOGUE.task("udpos").labels) == 17
    assert CATALOGUE.task("squad_v2").null_answers
    assert CATALOGUE.task("squad_v2").metric is Metric.SQUAD_V2


def test_paths_have_known_placeholders_only() -> None:
    for task in TASKS:
        for source in (*task.train, *task.dev, *task.test):
            for path in filter(None, (source.path, source.pair)):
                names = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
                assert names <= {"lang", "iso3"}, path
                assert not path.startswith("/")


def test_a_path_is_filled_in_for_a_language() -> None:
    assert CATALOGUE.source_path("tatoeba.{iso3}-eng.{iso3}", "zh") == "tatoeba.cmn-eng.cmn"
    assert CATALOGUE.source_path("dev-{lang}.tsv", "sw") == "dev-sw.tsv"


def test_training_languages_follow_from_the_places() -> None:
    assert CATALOGUE.training_languages(CATALOGUE.task("mnli"))[0] == "en"
    assert "sw" in CATALOGUE.training_languages(CATALOGUE.task("mnli"))
    assert CATALOGUE.training_task(CATALOGUE.task("xquad")).name == "squad_v1"


def test_every_setting_of_a_protocol_is_one() -> None:
    for protocol in CATALOGUE.protocols.values():
        for layer in (*protocol.heads.values(), *protocol.tasks.values()):
            Hyper.model_validate(protocol.defaults.model_dump() | layer, strict=True)
        assert set(protocol.tasks) <= {*CATALOGUE.tasks, "mix"}
        assert protocol.retrieval.layers == {12: 8, 24: 14}
        assert protocol.mix_cap == 2**17


def test_the_protocols_are_what_their_sources_say() -> None:
    xtreme, jiant = CATALOGUE.protocol("xtreme-2020"), CATALOGUE.protocol("jiant")
    assert (xtreme.defaults.learning_rate, xtreme.defaults.batch_size, xtreme.defaults.epochs) == (2e-5, 32, 5)
    assert xtreme.heads[Head.SPAN]["learning_rate"] == 3e-5
    assert xtreme.heads[Head.TAGGING]["epochs"] == 10
    assert (jiant.defaults.learning_rate, jiant.defaults.batch_size, jiant.defaults.epochs) == (1e-5, 4, 3)
    assert (jiant.defaults.patience, jiant.defaults.evaluate_every, jiant.defaults.dev_examples) == (30, 1000, 500)
    assert (jiant.tasks["mlm"]["batch_size"], jiant.tasks["mix"]["epochs"]) == (8, 3)


def test_languages_of_groups_and_lists() -> None:
    assert CATALOGUE.languages_of("de, fr,de") == ("de", "fr")
    assert len(CATALOGUE.languages_of("xtreme, az")) == 41
    with pytest.raises(SpecError, match='Unknown language or group of languages "xtrem"'):
        CATALOGUE.languages_of("de,xtrem")


def test_encoders_go_by_short_name_or_hub_id() -> None:
    assert CATALOGUE.encoder_location("xlm-roberta-large") == "FacebookAI/xlm-roberta-large"
    assert CATALOGUE.encoder_location("me/mine") == "me/mine"
    known = CATALOGUE.known_encoder("FacebookAI/xlm-roberta-base")
    assert known is not None
    assert known.layers == 12
    assert CATALOGUE.known_encoder("me/mine") is None


@pytest.mark.parametrize("look_up", [Catalogue.task, Catalogue.protocol, Catalogue.language])
def test_an_unknown_name_is_refused(look_up: object) -> None:
    assert callable(look_up)
    with pytest.raises(SpecError, match=r'Unknown \w+ "zzz"; allowed: '):
        look_up(CATALOGUE, "zzz")


def test_tasks_of_a_root_and_of_a_study_take_their_place() -> None:
    def task(name: str, title: str) -> Task:
        return Task(name=name, title=title, head=Head.SPAN)

    catalogue = load_catalogue(
        [task("own", "study"), task("mnli", "study")], [task("mnli", "root"), task("xnli", "root")]
    )
    titles = {name: catalogue.task(name).title for name in ("own", "mnli", "xnli")}
    assert titles == {"own": "study", "mnli": "study", "xnli": "root"}
    assert list(catalogue.tasks)[-1] == "own"
    assert load_catalogue().task("mnli").title == "MultiNLI"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mnlu", "mnli"), ("SQUAD_V2", "squad_v2"), ("squad", "squad_v1"), ("hella", "hellaswag"), ("zzz", None)],
)
def test_the_nearest_name(name: str, expected: str | None) -> None:
    assert nearest(name, CATALOGUE.tasks) == expected
