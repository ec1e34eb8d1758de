"""The model card: what a person has to know who takes a model away from its study. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import yaml

from stilts_core.analysis.model import loading
from stilts_core.analysis.model.data import DataUse, data_of
from stilts_core.analysis.model.fetch import ModelFiles
from stilts_core.analysis.model.find import ArmModel
from stilts_core.analysis.model.lineage import STEP_HEAD, STEP_NUMBERS, mix_lines, settings_table, step_rows
from stilts_core.analysis.model.markdown import code, table, text
from stilts_core.analysis.model.performance import score_sections
from stilts_core.analysis.report import words
from stilts_core.analysis.report.names import Names
from stilts_core.analysis.scores import Scores
from stilts_core.catalog.encoders import EncoderTraits, traits_of
from stilts_core.planning.encoders import on_hub
from stilts_core.planning.params import PretrainParams, TrainParams
from stilts_core.planning.plan import Plan
from stilts_core.storage.manifest import Manifest

FACTS = ("stilts", "python", "packages", "device", "precision", "ranks", "zero_stage")
"""What a card repeats of how the trainings ran. Hosts and images are nobody's affair."""


def model_card(
    plan: Plan, model: ArmModel, manifests: Mapping[str, Manifest], files: ModelFiles, scores: Scores
) -> str:
    """``README.md``: a front matter for the hub, and the card.

    Args:
        plan: of the study.
        model: whose card it is.
        manifests: by fingerprint, of those of the stages in ``model.fingerprints()`` that have committed.
        files: what lies beside the card.
        scores: of the study, whatever of it has been evaluated.
    """
    card = _Card(plan, model, manifests, files, scores, Names(plan))
    sections = (
        card.front_matter(),
        card.summary(),
        card.loading(),
        card.making(),
        card.data(),
        ("## Scores", "", *score_sections(model, scores, card.names)),
        card.record(),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


@dataclass(frozen=True)
class _Card:
    plan: Plan
    model: ArmModel
    manifests: Mapping[str, Manifest]
    files: ModelFiles
    scores: Scores
    names: Names

    @cached_property
    def _traits(self) -> EncoderTraits:
        return traits_of(self.files.config, self.names.catalogue.architectures, encoder=self.model.encoder)

    @cached_property
    def _uses(self) -> tuple[DataUse, ...]:
        return data_of(self.model, self.names)

    def front_matter(self) -> Iterator[str]:
        source = self.model.source
        base = source.location if source is not None and on_hub(source) else None
        languages = {code for use in self._uses for code in (*use.labelled, *use.unlabelled, *use.scored)}
        front = {
            "language": sorted(languages),
            "license": "other",
            "license_name": "see-data-and-licences",
            "license_link": "README.md",
            **({"base_model": base, "base_model_relation": "finetune"} if base else {}),
            "library_name": "transformers",
            "pipeline_tag": "feature-extraction",
            "tags": ["stilts", "intermediate-task-transfer", "cross-lingual-transfer"],
        }
        yield "---"
        yield yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120).rstrip()
        yield "---"

    def summary(self) -> Iterator[str]:
        model, names = self.model, self.names
        if model.trained_on_target:
            beside = ", with the head of that training" if model.head else ", as a dual encoder"
            what = f"trained on the target {text(names.target(model.target))}{beside}"
        elif model.steps:
            what = "after the last step of its curriculum, before the training on any target"
        else:
            what = "as the study pretrained it"
        target = f", target {code(model.target)}" if model.trained_on_target else ""
        yield f"# {text(model.name)}"
        yield ""
        yield (
            f"A multilingual encoder, {what}: encoder {code(model.encoder)}, curriculum {code(model.curriculum)}"
            f"{target}, seed {model.seed}. It is a model of the study **{text(names.title)}** ({code(self.plan.name)})"
            ", made with stilts."
        )
        if names.question:
            yield ""
            yield f"The study asks: {text(names.question)}"

    def loading(self) -> Iterator[str]:
        yield "## Loading it"
        yield ""
        yield "In this folder, or with the name of its repository on a hub instead of the dots:"
        yield ""
        yield from _python(loading.encoder_lines(self._traits, self.files.keys))
        yield ""
        random = "no pooler" if self._traits.body is None else "no decoder, with which AutoModel would load it"
        yield f"The hidden states are what was trained. It has {random}: one that is added on loading is random."
        if "masked_head.safetensors" in self.files.keys:
            yield ""
            yield (
                "`masked_head.safetensors` is the head for masked tokens: `dense`, GELU, `norm`, then the word "
                "embeddings as output layer, plus `bias`."
            )
        if self.model.head is not None:
            yield ""
            yield (
                "`heads.safetensors` holds the weights of the target's head, and `heads.json` says of which kind it "
                "is. After the lines above, its output for an input without padding is "
                f"{loading.head_meaning(self.model.head, self.files.labels)}:"
            )
            yield ""
            yield from _python(loading.head_lines(self.model.head, self._traits, self.files.config))
        elif self.model.trained_on_target:
            params = self.model.made_by.params
            pooling = params.tasks[0].pooling if isinstance(params, TrainParams) else None
            yield ""
            yield "A text and what it looks for have near vectors, by their cosine. After the lines above, one is:"
            yield ""
            yield from _python(loading.vector_lines(pooling, self._traits, self.files.config))

    def making(self) -> Iterator[str]:
        yield "## How it was made"
        yield ""
        yield f"Encoder: {self._encoder()}"
        yield ""
        yield from table(STEP_HEAD, step_rows(self.model, self.manifests), numeric=STEP_NUMBERS)
        head, settings = settings_table(self.model)
        if settings:
            yield ""
            yield "Settings, by training and task:"
            yield ""
            yield from table(head, settings, numeric=len(head) - 1)
        mixes = mix_lines(self.model)
        if mixes:
            yield ""
            yield from mixes
        yield ""
        yield (
            f"Protocol: {self._protocol()}. Seeds of the study: {', '.join(map(str, self.scores.seeds))}; this model "
            f"has seed {self.model.seed}, which decides the order of the data, a head's first weights, and dropout."
        )

    def data(self) -> Iterator[str]:
        yield "## Data and licences"
        yield ""
        rows = ((text(use.purpose), use.titles, text(use.told), use.licences) for use in self._uses)
        yield from table(("For", "Data", "Languages, and how the texts came into them", "Licence"), rows)
        yield ""
        labelled = list(dict.fromkeys(code for use in self._uses for code in use.labelled))
        unlabelled = list(dict.fromkeys(code for use in self._uses for code in use.unlabelled))
        seen = f"This model has seen labelled data of {words.listed(labelled) or 'no language'}"
        seen += f", and plain text of {words.listed(unlabelled)}" if unlabelled else ""
        before = "" if self.model.source is None else " What the encoder had seen before the study is not counted."
        yield (
            f"{seen}; any other language is zero-shot.{before} The licence of the weights is for whoever publishes "
            "them to settle, from those of the encoder and of the data that it was trained on."
        )
        citations = dict.fromkeys(citation for use in self._uses for citation in use.citations)
        if citations:
            yield ""
            yield from (f"- {text(citation)}" for citation in citations)

    def record(self) -> Iterator[str]:
        yield "## Record"
        yield ""
        yield f"Study {code(self.plan.name)}, plan {code(self.plan.digest()[:16])}. The stages, by their fingerprints:"
        yield ""
        made = [(stage, self.manifests.get(stage.fingerprint)) for stage in self.model.trail]
        yield from table(
            ("Stage", "Fingerprint", "SHA-256 of the encoder's weights"),
            (
                (text(stage.label or stage.kind.value), code(stage.fingerprint), _weights(manifest))
                for stage, manifest in made
            ),
        )
        facts = [
            (
                fact,
                dict.fromkeys(
                    words_of(manifest.run[fact]) for _, manifest in made if manifest and fact in manifest.run
                ),
            )
            for fact in FACTS
        ]
        if any(found for _, found in facts):
            yield ""
            yield from (f"- {fact}: {text('; then '.join(found))}" for fact, found in facts if found)

    def _encoder(self) -> str:
        model, study = self.model, self.names.study
        if model.source is None:
            params = model.trail[0].params
            seed = f", seed {params.settings.seed}" if isinstance(params, PretrainParams) else ""
            return f"{text(self.names.encoder(model.encoder))}{seed}."
        if not on_hub(model.source):
            # Where its files lay is nobody's affair who reads the card.
            files = f"given as files with the digest {code(model.source.digest[:16])}"
            return f"{code(model.encoder)}, {files}. Its licence is not known to stilts."
        revision = f" at {code(model.source.revision)}" if model.source.revision else ", at no fixed revision"
        where = f"{code(model.source.location)}{revision}"
        origin = next((one for one in study.spec.encoders if one.name == model.encoder), None) if study else None
        known = self.names.catalogue.known_encoder(origin.source) if origin and origin.source else None
        if known is None:
            return f"{where}. Its licence is not known to stilts: see its own card."
        return f"{text(known.title)}, {where}. Licence: {text(known.licence)}."

    def _protocol(self) -> str:
        known = self.names.catalogue.protocols.get(self.plan.protocol)
        return code(self.plan.protocol) + (f", {text(known.title)}" if known and known.title else "")


def words_of(fact: object) -> str:
    """A fact of a manifest as text."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {value}" for name, value in fact.items())
    return str(fact)


def _weights(manifest: Manifest | None) -> str:
    record = manifest.files.get("encoder/model.safetensors") if manifest else None
    return code(record.sha256) if record else words.NOTHING


def _python(lines: list[str]) -> Iterator[str]:
    """Lines as a block of Python, with a blank one after the import, as formatters want it."""
    yield "```python"
    for line in lines:
        yield line
        if line.startswith("from "):
            yield ""
    yield "```"
