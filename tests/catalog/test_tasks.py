"""Every task of the catalogue is complete, and its lists of languages are those of the benchmarks."""

from __future__ import annotations

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.models import Head, Metric, Task
from stilts_core.data.readers import LABEL_FORMATS, READABLE
from stilts_core.planning.settings import Resolver, Subject
from stilts_core.spec.names import FORMATS, HEADS

CATALOGUE = load_catalogue()
TASKS = list(CATALOGUE.tasks.values())
TRAINED = [task for task in TASKS if task.head is not Head.RETRIEVAL]

INTERMEDIATE = {
    *("anli_plus", "snli", "mnli", "anli_r1", "anli_r2", "anli_r3", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg"),
    *("cosmosqa", "commonsenseqa", "socialiqa", "copa", "mlm"),
}
ALL_40 = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
UD_33 = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
TATOEBA_36 = (
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)
BENCHMARKS: dict[tuple[str, str], tuple[int, str]] = {
    # (task, benchmark): how many languages, and which; as XTREME's evaluation lists them
    ("xnli", "xtreme"): (15, "ar bg de el en es fr hi ru sw th tr ur vi zh"),
    ("xnli", "xtreme-r"): (15, "ar bg de el en es fr hi ru sw th tr ur vi zh"),
    ("pawsx", "xtreme"): (7, "de en es fr ja ko zh"),
    ("xcopa", "xtreme-r"): (11, "et ht id it qu sw ta th tr vi zh"),
    ("udpos", "xtreme"): (33, UD_33),
    ("udpos", "xtreme-r"): (38, f"{UD_33} lt pl ro uk wo"),
    ("panx", "xtreme"): (40, ALL_40),
    ("panx", "xtreme-r"): (48, f"{ALL_40} az gu lt pa pl qu ro uk"),
    ("xquad", "xtreme"): (11, "ar de el en es hi ru th tr vi zh"),
    ("xquad", "xtreme-r"): (12, "ar de el en es hi ru th tr vi zh ro"),
    ("mlqa", "xtreme"): (7, "ar de en es hi vi zh"),
    ("mlqa", "xtreme-r"): (7, "ar de en es hi vi zh"),
    ("tydiqa", "xtreme"): (9, "ar bn en fi id ko ru sw te"),
    ("tydiqa", "xtreme-r"): (9, "ar bn en fi id ko ru sw te"),
    ("bucc", "xtreme"): (4, "de fr ru zh"),
    ("lareqa", "xtreme-r"): (11, "ar de el en es hi ru th tr vi zh"),
    ("mewslix", "xtreme-r"): (11, "ar de en es fa ja pl ro ta tr uk"),
    ("tatoeba", "xtreme"): (36, TATOEBA_36),
    ("tatoeba", "xtreme-r"): (41, f"{TATOEBA_36} az lt pl ro uk"),
}


@pytest.mark.parametrize(("task", "benchmark"), BENCHMARKS)
def test_the_languages_of_a_benchmark(task: str, benchmark: str) -> None:
    count, codes = BENCHMARKS[task, benchmark]
    found = CATALOGUE.task(task).benchmarks[benchmark]  # type: ignore[index]
    assert len(found) == count
    assert sorted(found) == sorted(codes.split())


def test_every_benchmark_is_listed_here() -> None:
    assert {(task.name, benchmark) for task in TASKS for benchmark in task.benchmarks} == set(BENCHMARKS)


def test_every_intermediate_task_is_there() -> None:
    assert set(CATALOGUE.tasks) >= INTERMEDIATE
    assert {CATALOGUE.task(name).metric for name in INTERMEDIATE} == {
        *(Metric.ACCURACY, Metric.ACCURACY_F1, Metric.SQUAD, Metric.SQUAD_V2, Metric.TAG_ACCURACY),
        None,
    }


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_is_complete(task: Task) -> None:
    assert all((task.title, task.licence, task.citation, task.url))
    assert (task.metric is None) == (task.head is Head.MLM)
    languages = {*task.languages, *task.extra_languages}
    assert languages <= set(CATALOGUE.languages)
    assert len(languages) == len(task.languages) + len(task.extra_languages), "a language is there twice"
    for codes in task.benchmarks.values():
        assert set(codes) <= languages
        assert list(codes) == sorted(set(codes))
    if task.benchmarks:
        assert set(task.languages) == set(task.benchmarks.get("xtreme") or task.benchmarks["xtreme-r"])
    if task.head in (Head.CLASSIFICATION, Head.TAGGING):
        assert bool(task.labels) != bool(task.labels_from)
        assert len(set(task.labels)) == len(task.labels)
        assert (task.label_count is None) == (not task.labels_from)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_sources_of_a_task_can_be_read(task: Task) -> None:
    known = {*CATALOGUE.languages, *task.languages}
    for source in (*task.train, *task.dev, *task.test):
        assert source.format in READABLE
        assert HEADS[source.format] is task.head
        assert set(source.languages or ()) <= known
        fills = "{" in source.path
        assert fills or source.languages, f"{source.path} says no language"
        if source.several:
            assert "*" in source.path
        if source.languages == ("en",):
            assert source.provenance.kind == "original"
    for source in task.labels_from:
        assert source.format in LABEL_FORMATS or HEADS[source.format] is Head.TAGGING
    for split in ("train", "dev", "test"):
        places = [(source.path, source.languages) for source in getattr(task, split)]
        assert len(set(places)) == len(places)


def test_every_format_has_a_reader_and_a_head() -> None:
    assert set(FORMATS) == READABLE | LABEL_FORMATS
    assert set(HEADS) == READABLE


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_tasks_that_a_task_names_fit_it(task: Task) -> None:
    named = [*task.parts, *task.train_first, *([task.train_on] if task.train_on else [])]
    for other in map(CATALOGUE.task, named):
        assert (other.head, other.labels) == (task.head, task.labels)
        assert not other.parts
        assert other.train
    assert not (task.parts and (task.train or task.dev or task.test))


@pytest.mark.parametrize("task", [task for task in TRAINED if task.head is not Head.MLM], ids=lambda task: task.name)
def test_the_sizes_of_a_task_are_those_of_its_parts_and_languages(task: Task) -> None:
    assert task.sizes, f"{task.name} says no sizes"
    for split, sizes in task.sizes.items():
        if not task.parts:
            assert getattr(task, split), f"{task.name} has sizes of {split}, and no place for it"
        assert set(sizes) - {"*"} <= {*task.languages, *task.extra_languages}
    for split in ("train", "dev") if task.parts else ():
        assert task.size(split, "en") == sum(CATALOGUE.task(part).size(split, "en") or 0 for part in task.parts)  # type: ignore[arg-type]


def test_sizes_that_the_papers_give() -> None:
    def size(name: str, split: str, language: str = "en") -> int | None:
        return CATALOGUE.task(name).size(split, language)  # type: ignore[arg-type]

    assert size("anli_plus", "train") == 1_104_934
    assert (size("mnli", "train"), size("mnli", "train", "sw"), size("xnli", "test", "th")) == (392_702, 392_702, 5_010)
    assert (size("panx", "test", "de"), size("panx", "dev", "yo")) == (10_000, 100)
    assert sum(CATALOGUE.task("tydiqa").sizes["test"].values()) == 5_077
    assert (size("mlqa", "test"), size("mlqa", "test", "de"), size("udpos", "dev", "kk")) == (11_590, 4_517, None)


@pytest.mark.parametrize("protocol", CATALOGUE.protocols.values(), ids=lambda protocol: protocol.name)
def test_every_training_has_settings(protocol: object) -> None:
    resolver = Resolver(protocol)  # type: ignore[arg-type]
    for task in TRAINED:
        for phase in ("train", "target"):
            hyper = resolver.resolve(Subject(task.name, task.head, phase, "any", "any")).hyper  # type: ignore[arg-type]
            assert hyper.epochs > 0
            assert hyper.max_length >= 128 or task.name == "mewslix"
    assert set(protocol.tasks) >= INTERMEDIATE  # type: ignore[attr-defined]


def test_the_settings_of_the_intermediate_tasks_are_the_papers() -> None:
    batches = {
        **dict.fromkeys(("anli_plus", "mnli"), (24, 2)),
        "ccg": (24, 15),
        "qqp": (24, 3),
        "hellaswag": (24, 7),
        **dict.fromkeys(("squad_v1", "squad_v2"), (8, 3)),
        "cosmosqa": (4, 15),
        "commonsenseqa": (4, 10),
    }
    for protocol in CATALOGUE.protocols.values():
        for name, expected in batches.items():
            head = CATALOGUE.task(name).head
            hyper = Resolver(protocol).resolve(Subject(name, head, "train", "any", "any")).hyper
            assert (hyper.batch_size, hyper.epochs, hyper.learning_rate) == (*expected, 1e-5), (protocol.name, name)
