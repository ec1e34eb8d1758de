"""What a model has seen on its way: labelled data and plain text by language, and where translations come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stilts_core.catalog.load import Catalogue
from stilts_core.catalog.models import Head
from stilts_core.planning.params import TaskParams
from stilts_core.planning.plan import Cell, Stage
from stilts_core.spec.study import Pretraining, Step


@dataclass(frozen=True, slots=True)
class Seen:
    """The languages of what the trainings before have used, each once, in the order of the trainings.

    Attributes:
        labelled: of data with labels; a language that is not here is zero-shot.
        unlabelled: of plain text that was masked, or learnt from as translations.
    """

    labelled: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()

    def with_labels(self, languages: Iterable[str]) -> Seen:
        return replace(self, labelled=tuple(dict.fromkeys((*self.labelled, *languages))))

    def after(self, step: Step, catalogue: Catalogue) -> Seen:
        """What has been seen after a step of a curriculum as well."""
        seen = self
        for use in step.mix:
            if catalogue.task(use.task).head is Head.MLM:
                languages = use.languages if use.mlm is None else catalogue.languages_of(use.mlm)
                seen = replace(seen, unlabelled=tuple(dict.fromkeys((*seen.unlabelled, *languages))))
            else:
                seen = seen.with_labels(use.languages)
        return seen


def text_languages(pretraining: Pretraining) -> tuple[str, ...]:
    """The languages of the texts that an encoder is pretrained on."""
    codes: dict[str, None] = {}
    for text in pretraining.text:
        codes.update(dict.fromkeys(text.languages))
        if text.pair is not None:
            codes["en"] = None
    return tuple(codes)


def zero_shot_notes(cells: Iterable[Cell]) -> list[str]:
    """A line for each curriculum and set of languages, English left out, that are scored and not zero-shot."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for cell in cells:
        codes = [code for code in cell.languages if code != "en" and not cell.zero_shot(code)]
        if codes:
            found.setdefault((cell.curriculum, ", ".join(codes)), {})[cell.target] = None
    return [
        f"{curriculum}: labelled data of {codes} are trained on, so they are not zero-shot in {', '.join(targets)}."
        for (curriculum, codes), targets in found.items()
    ]


def provenance_notes(stages: Iterable[Stage]) -> list[str]:
    """A line for each task that is trained in other languages than English: how its text came into them."""
    notes: dict[str, None] = {}
    for stage in stages:
        if not isinstance(stage.params, TaskParams) or stage.params.purpose != "train" or stage.params.shots:
            continue
        kinds: dict[str, list[str]] = {}
        for file in stage.files:
            family, _, language = file.role.rpartition("/")
            if family.partition("/")[0] != "train" or language in ("en", "pair"):
                continue
            said = "not stated" if file.provenance is None else file.provenance.kind
            note = file.provenance.note if file.provenance else ""
            kinds.setdefault(f"{said} ({note})" if note else said, []).append(language)
        if kinds:
            told = "; ".join(f"{', '.join(codes)}: {kind}" for kind, codes in kinds.items())
            notes[f"{stage.params.task}: provenance of its training data in other languages: {told}."] = None
    return list(notes)
