"""The methods paragraph, to be pasted into a paper: as text, in LaTeX and in Markdown, with its citations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stilts_core.analysis.citations import methods_used, programs_of
from stilts_core.analysis.collected import Collected
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.report import words
from stilts_core.analysis.report.blocks import Section, Text
from stilts_core.analysis.scores import Scores
from stilts_core.catalog.bibliography import bibliography
from stilts_core.catalog.load import load_catalogue
from stilts_core.model import digest
from stilts_core.planning.params import EncoderSource

_CITED = re.compile(r" ?⟦([a-z0-9;-]+)⟧")
SHOWN = 16


@dataclass(frozen=True, slots=True)
class Methods:
    """The paragraph.

    Attributes:
        marked: its text, with ``⟦key;key⟧`` where something is cited.
    """

    marked: str

    def text(self) -> str:
        """With names and years."""
        return self._cited(lambda keys: f" ({'; '.join(bibliography().entry(key).short for key in keys)})")

    def latex(self, escape: Callable[[str], str]) -> str:
        """With the command citep of natbib."""
        parts = _CITED.split(self.marked)
        return "".join(
            f"~\\citep{{{part.replace(';', ',')}}}" if place % 2 else escape(part) for place, part in enumerate(parts)
        )

    def markdown(self) -> str:
        """With the citations of Pandoc."""
        return self._cited(lambda keys: f" [{'; '.join(f'@{key}' for key in keys)}]")

    def _cited(self, show: Callable[[list[str]], str]) -> str:
        return _CITED.sub(lambda match: show(match[1].split(";")), self.marked)

    def section(self) -> Section:
        return Section("methods", "Methods, to quote", (Text(self.text()),))


def methods(scores: Scores, evidence: Evidence, record: Sequence[str] = ()) -> Methods | None:
    """What was done, in the words of a paper; None without gains.

    Args:
        scores: the cubes.
        evidence: their statistics.
        record: sentences on data, encoders and versions.
    """
    if not evidence.gains:
        return None
    from stilts_core import __version__

    known = bibliography()
    used = methods_used(evidence)

    def cite(*names: str, table: Mapping[str, tuple[str, ...]] = known.methods) -> str:
        keys = list(dict.fromkeys(key for name in names for key in table.get(name, ())))
        return f" ⟦{';'.join(keys)}⟧" if keys else ""

    pairs = [len(gain.pairs) for gain in evidence.gains]
    families = dict.fromkeys(
        f"{gain.correction} over {gain.family} comparisons"
        + cite("holm" if gain.correction == "Holm" else "benjamini-hochberg")
        for gain in evidence.gains
        if gain.family
    )
    seeds = "–".join(dict.fromkeys(map(str, (min(pairs), max(pairs)))))
    sentences = [
        f"Scores follow the protocol {scores.protocol}{cite(scores.protocol, table=known.protocols)}."
        if scores.protocol
        else "",
        f"Arms share the seeds {', '.join(map(str, scores.seeds))}: gains are differences of {seeds} paired runs.",
    ]
    if "crossed" in used:
        sentences.append(
            "Intervals of 95 % are t intervals for seeds crossed with test examples (standard errors as for readers by "
            f"cases, degrees of freedom between Satterthwaite's and Cochran's){cite('crossed')}; examples of "
            "parallel test sets are taken jointly over languages."
        )
    else:
        sentences.append("Intervals of 95 % are t intervals for the mean over seeds, for these test sets.")
    sentences.append(f"p values are two-sided and corrected by {words.listed(list(families)) or 'nothing'}.")
    if "stochastic-order" in used:
        sentences.append(f"Arms are also compared by almost stochastic order{cite('stochastic-order')}.")
    if "signed-rank" in used:
        sentences.append(f"Languages are compared by the signed-rank test{cite('signed-rank')}.")
    sentences.append("Degenerate runs are kept.")
    sentences += record
    programs = cite("numpy", "scipy", table=known.programs)
    sentences.append(f"Statistics were computed with stilts {__version__}, {_versions('numpy', 'scipy')}{programs}.")
    return Methods(" ".join(sentence for sentence in sentences if sentence))


def methods_of_study(collected: Collected, questions: Sequence[str] = ()) -> Methods | None:
    """The paragraph of a study, with its data, encoders, versions and questions."""
    return methods(collected.scores, collected.evidence, [*_record(collected), *_of_questions(questions)])


def _of_questions(questions: Sequence[str]) -> list[str]:
    known = bibliography()
    return [
        f"The analysis of {name} follows the literature ⟦{';'.join(keys)}⟧."
        for name in questions
        if (keys := known.questions.get(name))
    ]


def _record(collected: Collected) -> list[str]:
    plan, known, catalogue = collected.plan, bibliography(), load_catalogue()
    files = {(file.path, file.sha256) for stage in plan.stages for file in stage.files}
    sources = [getattr(stage.params, "encoder", None) for stage in plan.stages]
    encoders = {source.digest: source for source in sources if isinstance(source, EncoderSource)}
    said = []
    if encoders:
        names = []
        for source in encoders.values():
            of_catalogue = catalogue.known_encoder(source.location)
            keys = known.encoders.get(of_catalogue.name, ()) if of_catalogue else ()
            at = f"revision {source.revision[:SHOWN]}" if source.revision else f"digest {source.digest[:SHOWN]}"
            names.append(f"{source.location} ({at})" + (f" ⟦{';'.join(keys)}⟧" if keys else ""))
        said.append(f"Encoders: {words.listed(names)}.")
    if files:
        whole = digest(sorted(sha256 for _, sha256 in files))
        said.append(
            f"The {words.counted(len(files), 'data file')} (listed with their digests in the report) have the joint "
            f"SHA-256 {whole[:SHOWN]}, the study's plan {plan.digest()[:SHOWN]}."
        )
    done = len(plan.cells) - len(collected.gaps)
    if collected.gaps:
        said.append(f"{done} of {len(plan.cells)} evaluations had all of their scores.")
    programs: dict[str, dict[str, None]] = {}
    for manifest in collected.manifests.values():
        packages = manifest.run.get("packages")
        items: dict[str, object] = {"stilts": manifest.run.get("stilts"), "Python": manifest.run.get("python")}
        items |= packages if isinstance(packages, dict) else {}
        for name, version in items.items():
            if version:
                programs.setdefault(str(name), {})[str(version)] = None
    if programs:
        cites = dict.fromkeys(key for name in programs_of(plan) for key in known.programs[name])
        listed = words.listed([f"{name} {' and '.join(versions)}" for name, versions in programs.items()])
        said.append(f"Stages ran with {listed}" + (f" ⟦{';'.join(cites)}⟧" if cites else "") + ".")
    return said


def _versions(*packages: str) -> str:
    from importlib.metadata import version

    return words.listed([f"{name} {version(name)}" for name in packages])
