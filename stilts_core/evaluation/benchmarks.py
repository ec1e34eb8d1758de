"""XTREME and XTREME-R as their program scores them: tasks, languages and groups, all in its order.

The order decides the last digit of a mean. Tasks have their names here; `Entry.folder` is the name in a submission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stilts_core.catalog.nearest import unknown
from stilts_core.errors import SpecError


@dataclass(frozen=True, slots=True)
class Entry:
    """A task of a benchmark.

    Attributes:
        folder: what its folder is called in a submission.
        suffix: of its prediction and label files.
        languages: those that its score is the mean of; none: the program has no measure for it.
    """

    task: str
    folder: str
    suffix: str
    languages: tuple[str, ...]

    def file(self, language: str) -> str:
        """The name of a language's file below a submission or its labels."""
        return f"{self.folder}/test-{language}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark.

    Attributes:
        entries: its tasks by name.
        groups: group → its tasks; a task may be in two.
    """

    name: str
    entries: Mapping[str, Entry]
    groups: Mapping[str, tuple[str, ...]]


def benchmark(name: str) -> Benchmark:
    """A benchmark by its name.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in BENCHMARKS:
        sentence = unknown("benchmark", name, list(BENCHMARKS))
        raise SpecError(sentence[0].upper() + sentence[1:])
    return BENCHMARKS[name]


_FOLDERS = {"bucc": "bucc2018"}
_SUFFIXES = {
    "xquad": ".json",
    "mlqa": ".json",
    "tydiqa": ".json",
    "mewslix": ".json",
    "lareqa": ".json",
    "xcopa": ".jsonl",
}

_XNLI = "ar bg de el en es fr hi ru sw th tr ur vi zh"
_PANX = (
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo my zh kk tr et "
    "fi hu"
)
_UDPOS = "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
_TATOEBA = "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh kk tr et fi hu"
_XQUAD = "en es de el ru tr ar vi th zh hi"
_MLQA = "en es de ar hi vi zh"
_TYDIQA = "en ar bn fi id ko ru sw te"


def _benchmark(name: str, languages: Mapping[str, str], groups: Mapping[str, str]) -> Benchmark:
    entries = {
        task: Entry(task, _FOLDERS.get(task, task), _SUFFIXES.get(task, ".tsv"), tuple(codes.split()))
        for task, codes in languages.items()
    }
    named = {group: tuple(tasks.split()) for group, tasks in groups.items()}
    return Benchmark(name, MappingProxyType(entries), MappingProxyType(named))


BENCHMARKS: Mapping[str, Benchmark] = {
    "xtreme": _benchmark(
        "xtreme",
        {
            "pawsx": "de en es fr ja ko zh",
            "xnli": _XNLI,
            "panx": _PANX,
            "udpos": _UDPOS,
            "bucc": "de fr ru zh",
            "tatoeba": _TATOEBA,
            "xquad": _XQUAD,
            "mlqa": _MLQA,
            "tydiqa": _TYDIQA,
        },
        {
            "classification": "pawsx xnli",
            "tagging": "udpos panx",
            "qa": "xquad mlqa tydiqa",
            "retrieval": "bucc tatoeba",
        },
    ),
    "xtreme-r": _benchmark(
        "xtreme-r",
        {
            "xnli": _XNLI,
            "panx": f"{_PANX} qu pl uk az lt pa gu ro",
            "udpos": f"{_UDPOS} lt pl uk wo ro",
            "tatoeba": f"{_TATOEBA} az lt pl uk ro",
            "xcopa": "et ht id it qu sw ta th tr vi zh",
            "lareqa": "",
            "mewslix": "ar de en es fa ja pl ro ta tr uk",
            "xquad": f"{_XQUAD} ro",
            "mlqa": _MLQA,
            "tydiqa": _TYDIQA,
        },
        {
            "classification": "xnli xcopa",
            "tagging": "udpos panx",
            "qa": "xquad mlqa tydiqa",
            "retrieval": "tatoeba mewslix",
            "multi_choice": "xcopa",
        },
    ),
}
