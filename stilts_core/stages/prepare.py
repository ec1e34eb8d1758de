"""The `prepare` stage: files of the data root become a tokenizer, text for masked training, or a tokenised task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stilts_core.catalog.models import Head, LongTagging
from stilts_core.data.dataset import EVERY_LANGUAGE, Dataset, Segment
from stilts_core.data.readers import POOLS, labels_in, read, texts_by_language
from stilts_core.data.records import (
    ChoiceRecord,
    PairRecord,
    Record,
    SearchRecord,
    SentencePairRecord,
    SpanRecord,
    TagRecord,
    TextRecord,
)
from stilts_core.data.sampling import dev_sample
from stilts_core.data.tokenise import (
    Part,
    TextEncoder,
    answer_distances,
    blocks,
    choices,
    join,
    pairs,
    parallel,
    searched,
    spans,
    tagged,
    translations,
    with_answers,
)
from stilts_core.data.tokenise.encoder import use_threads
from stilts_core.data.vocabulary import balanced, train_tokenizer
from stilts_core.errors import DataError, MissingInputError, SpecError, StoppedError
from stilts_core.planning.params import TaskParams, TextParams, TokenizerParams
from stilts_core.planning.plan import DataFile
from stilts_core.stages.adapter import tokenizer_of
from stilts_core.stages.context import Progress, StageContext
from stilts_core.stages.keeping import KeptFiles, parts_of

SAMPLE_SEED = 0  # a limited set is the same in every study; of parallel files, the same rows in every language
LABELS = "labels"  # the role of the file that a task's list of labels is read from
FERTILITY_CHARACTERS = 50_000  # of each language, that a new tokenizer is measured on


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the stage, with its English side where it is one of a pair.

    Attributes:
        family: of the role: files of one family and the same row number may be translations of each other.
    """

    file: DataFile
    family: str
    language: str
    path: Path
    pair: Path | None
    gold: Path | None = None

    @property
    def split(self) -> str:
        return self.family.split("/")[0]

    @property
    def part(self) -> str:
        """What tells files of one split and language apart: a task that is a part, a treebank's number."""
        return self.family.partition("/")[2]


def prepare(context: StageContext) -> dict[str, Any]:
    """Read, check and tokenise; commits what the parameters say (`planning.plan`).

    Returns:
        Metrics: sizes in all and by file, what was truncated, and tokens per word and per character by language.

    Raises:
        DataError: a file has the wrong content.
        MissingInputError: a file or the tokenizer is missing.
        StoppedError: on request, between two files.
    """
    use_threads(context.resources.threads)
    match context.stage.params:
        case TokenizerParams() as params:
            return _tokenizer(context, params)
        case TextParams() as params:
            return _text(context, params)
        case TaskParams() as params:
            return _task(context, params)
    raise SpecError(f"The stage {context.stage.label} has the parameters of another kind than `prepare`.")


def _tokenizer(context: StageContext, params: TokenizerParams) -> dict[str, Any]:
    texts: dict[str, list[str]] = {}
    for _, sides in _texts(context):
        for language, records in sides:
            texts.setdefault(language, []).extend(record.text for record in records)
    sample = balanced(texts)
    context.report(Progress(len(texts), len(texts), "training the tokenizer"))
    tokenizer = train_tokenizer(sample, params.vocabulary, params.max_length)
    tokenizer.save_pretrained(context.out / "tokenizer")
    encoder = TextEncoder.of(tokenizer)
    return {
        "vocabulary": len(tokenizer),
        "characters": sum(map(len, sample)),
        "languages": {
            language: _rates(encoder.encode(balanced({language: texts[language]}, 50_000)).fertility)
            for language in sorted(texts)
        },
    }


def _text(context: StageContext, params: TextParams) -> dict[str, Any]:
    encoder = tokenizer_of(context, params.encoder, max_length=params.sequence_length, head=Head.MLM)
    plain = _Writer(encoder, Head.MLM)
    kept = _kept(context)
    aligned: list[tuple[str, list[str], list[tuple[str, str, str]]]] = []
    for source, sides in _texts(context):
        for language, records in sides:
            texts = [record.text for record in records]
            part = kept(lambda: blocks(encoder, texts, params.sequence_length))  # noqa: B023
            plain.add("text", language, source.file.role, part)
            if source.file.parallel:
                aligned.append((language, texts, [_group(source, record) for record in records]))
    metrics = {"text": plain.write(context.out / "text")}
    if aligned:
        metrics["parallel"] = _parallel(encoder, aligned, params.sequence_length, context.out / "parallel")
    return metrics


def _parallel(
    encoder: TextEncoder,
    aligned: Sequence[tuple[str, list[str], list[tuple[str, str, str]]]],
    sequence_length: int,
    out: Path,
) -> dict[str, Any]:
    """Write the sentences that have a translation; a group is numbered by its first one."""
    count: dict[tuple[str, str, str], int] = {}
    for _, _, groups in aligned:
        for group in groups:
            count[group] = count.get(group, 0) + 1
    number = {group: index for index, group in enumerate(group for group, texts in count.items() if texts > 1)}
    if not number:
        raise DataError(
            "No row of the parallel text is there in two languages.",
            hint="Give files of several languages with the same rows, or leave out `parallel: true`.",
        )
    writer = _Writer(encoder, Head.MLM)
    for language, texts, groups in aligned:
        kept = [(text, number[group]) for text, group in zip(texts, groups, strict=True) if group in number]
        part = parallel(encoder, [text for text, _ in kept], [group for _, group in kept], sequence_length)
        writer.add("text", language, language, part)
    return {"groups": len(number), **writer.write(out)}


def _group(source: InputFile, record: TextRecord) -> tuple[str, str, str]:
    """What translations share: the family and the row, and for a pair of files the language that is paired."""
    return source.family, source.language if source.pair else "", record.group or record.text


def _task(context: StageContext, params: TaskParams) -> dict[str, Any]:
    if params.head is Head.MLM:
        raise SpecError(f"The task {params.task} is masked text; its stage prepares `text`.")
    encoder = tokenizer_of(context, params.encoder, max_length=params.max_length, head=params.head)
    sources = list(_files(context, "reading"))
    named = next((source for source in sources if source.split == LABELS), None)
    if named is not None:
        labels = labels_in(named.file.format, named.path, language=named.language, columns=dict(named.file.columns))
        params = params.model_copy(update={"labels": labels})
    read_files = [(source, _read(source, params, closed=named is None)) for source in sources if source is not named]
    for source, records in read_files:
        _check_records(source, records, params)
    read_files += _pools(source for source, _ in read_files)
    writer = _Writer(encoder, params.head)
    kept = _kept(context)
    for number, (source, records) in enumerate(_limited(read_files, params)):
        context.report(Progress(number, len(read_files), f"tokenising {source.language}"))
        _stop_if_asked(context)
        part = kept(lambda: _tokenised(encoder, records, params))  # noqa: B023
        writer.add(source.split, source.language, source.file.role, part)
    return writer.write(context.out / "data", **({} if named is None else {"labels": params.labels}))


def _read(source: InputFile, params: TaskParams, *, closed: bool) -> list[Any]:
    """The records of a file, with ids that no other file of its split and language has.

    Args:
        source: the file.
        params: with its labels.
        closed: the labels are the task's own. A list that comes from the data may lack tags of files that are scored:
            they stay as gold and are never predicted.
    """
    seen = closed or source.split == "train" or params.head is not Head.TAGGING
    records = read(
        source.file.format,
        source.path,
        pair=source.pair,
        gold=source.gold,
        labels=params.labels if seen else (),
        language=source.language,
        rows=source.file.rows,
        columns=dict(source.file.columns),
    )
    if source.part and source.split != "train":  # an id matters where there are outcomes
        return [replace(record, id=f"{source.part}:{record.id}") for record in records]
    return records


def _pools(sources: Iterable[InputFile]) -> list[tuple[InputFile, list[Any]]]:
    """The candidates that all languages have in common, each file of them once."""
    pools = {source.pair: source for source in sources if source.pair and source.file.format in POOLS}
    return [
        (replace(source, language=EVERY_LANGUAGE), list(POOLS[source.file.format](path)))
        for path, source in pools.items()
    ]


def _tokenised(encoder: TextEncoder, records: Sequence[Any], params: TaskParams) -> Part:
    match params.head:
        case Head.CLASSIFICATION:
            return pairs(encoder, records, params.labels, params.max_length)
        case Head.CHOICE:
            return choices(encoder, records, params.max_length)
        case Head.SPAN:
            return spans(
                encoder,
                records,
                max_length=params.max_length,
                doc_stride=params.doc_stride,
                question_length=params.question_length,
            )
        case Head.TAGGING:
            return tagged(encoder, records, params.labels, params.max_length, params.long_tagging or LongTagging.SPLIT)
    learns = params.purpose == "train"
    if isinstance(records[0], SearchRecord):
        part = searched(encoder, records, params.question_length, params.max_length)
        return with_answers(part, answer_distances(records)) if learns else part
    part = translations(encoder, records, params.max_length)
    return with_answers(part, np.repeat([len(records), 0], len(records)).astype(np.int32)) if learns else part


def _kept(context: StageContext) -> KeptFiles:
    return KeptFiles(parts_of(context), context.out.parent / "kept")


def _limited(
    files: Sequence[tuple[InputFile, list[Record]]], params: TaskParams
) -> Iterator[tuple[InputFile, list[Record]]]:
    """The records of each file, or of the sample that the limit asks for."""
    if params.shots is not None:
        for source, records in files:
            few = source.split == "train"
            yield (
                source,
                [records[i] for i in dev_sample(len(records), params.shots, SAMPLE_SEED)] if few else records,
            )
        return
    if params.limit is None:
        yield from files
        return
    sizes = [len(_looking(records)) if source.split == "train" else 0 for source, records in files]
    chosen = dev_sample(sum(sizes), params.limit, SAMPLE_SEED)
    begin = np.cumsum([0, *sizes])
    for at, (source, records) in enumerate(files):
        if params.purpose == "evaluate":
            # What is looked for stays: with fewer candidates a search would be easier.
            looking = _looking(records)
            chosen_rows = {looking[place] for place in dev_sample(len(looking), params.limit, SAMPLE_SEED)}
            left_out = set(looking) - chosen_rows
            yield source, [record for index, record in enumerate(records) if index not in left_out]
        elif source.split != "train":
            yield source, records
        else:
            inside = chosen[(chosen >= begin[at]) & (chosen < begin[at + 1])] - begin[at]
            if len(inside):
                looking = _looking(records)
                yield source, _with_answers([records[looking[index]] for index in inside], records)


def _looking(records: Sequence[Record]) -> list[int]:
    """The numbers of the records that are no candidates of a search: all of them but in retrieval."""
    return [index for index, record in enumerate(records) if not getattr(record, "candidate", False)]


def _with_answers(chosen: list[Record], records: Sequence[Record]) -> list[Record]:
    """The chosen records, and the candidates among all that they look for."""
    wanted = {key for record in chosen if isinstance(record, SearchRecord) for key in record.keys or ()}
    return chosen + [
        record
        for record in records
        if isinstance(record, SearchRecord) and record.candidate and not wanted.isdisjoint(record.keys or ())
    ]


def _check_records(source: InputFile, records: Sequence[Any], params: TaskParams) -> None:
    """Records are of the head's kind and, to learn from, have gold."""
    if not isinstance(records[0], _RECORDS[params.head]):
        raise SpecError(
            f"{source.file.path} is read as `{source.file.format}`, which does not give examples of {params.head}.",
            hint="Correct the format of the task's source, or its head.",
        )
    if params.purpose == "train":
        for record in records:
            if not getattr(record, "has_gold", True):  # a translation is gold itself
                raise DataError(
                    f"{source.path}: record {record.id} has no label or answer to learn from.",
                    hint="Train on a file with labels; a test file that withholds them can only be predicted.",
                )


_RECORDS: Mapping[Head, type[Record] | tuple[type[Record], ...]] = {
    Head.CLASSIFICATION: PairRecord,
    Head.CHOICE: ChoiceRecord,
    Head.SPAN: SpanRecord,
    Head.TAGGING: TagRecord,
    Head.RETRIEVAL: (SentencePairRecord, SearchRecord),
}


class _Writer:
    """The tokenised files of one dataset, until they are written."""

    def __init__(self, encoder: TextEncoder, head: Head) -> None:
        self._encoder, self._head = encoder, head
        self._segments: list[Segment] = []
        self._parts: list[Part] = []
        self._files: dict[str, dict[str, Any]] = {}
        self._fertility: dict[str, dict[str, int]] = {}

    def add(self, split: str, language: str, name: str, part: Part) -> None:
        start = self._segments[-1].stop if self._segments else 0
        self._segments.append(Segment(split, language, start, start + len(part.examples)))
        self._parts.append(part)
        sizes = {"examples": len(part.examples), "features": len(part.offsets) - 1, "tokens": len(part.ids)}
        counts = {key: count for key, count in part.counts.items() if key not in _FERTILITY}
        self._files[name if name not in self._files else f"{name}/pair"] = sizes | counts
        total = self._fertility.setdefault(language, dict.fromkeys(_FERTILITY, 0))
        for key in _FERTILITY:
            total[key] += part.counts.get(key, 0)

    def write(self, folder: Path, **meta: Any) -> dict[str, Any]:
        whole = join(self._parts)
        if not len(whole.ids):
            raise DataError("The files hold no text that the tokenizer knows.")
        Dataset.write(
            folder,
            head=self._head,
            segments=self._segments,
            pad_id=self._encoder.pad_id,
            ids=whole.ids,
            offsets=whole.offsets,
            example_of=whole.example_of,
            columns=whole.columns,
            examples=whole.examples,
            **meta,
        )
        return {
            "examples": len(whole.examples),
            "features": len(whole.offsets) - 1,
            "tokens": len(whole.ids),
            "files": self._files,
            "languages": {language: _rates(counts) for language, counts in sorted(self._fertility.items())},
        }


_FERTILITY = ("words", "characters", "subwords")


def _rates(counts: Mapping[str, int]) -> dict[str, float]:
    """Tokens per word (what blanks separate; the words themselves in tagged text) and per character."""
    return {
        "tokens_per_word": round(counts["subwords"] / max(1, counts["words"]), 4),
        "tokens_per_character": round(counts["subwords"] / max(1, counts["characters"]), 4),
    }


def _texts(context: StageContext) -> Iterator[tuple[InputFile, list[tuple[str, list[TextRecord]]]]]:
    for source in _files(context, "reading"):
        yield (
            source,
            texts_by_language(
                source.file.format, source.path, pair=source.pair, language=source.language, rows=source.file.rows
            ),
        )


def _files(context: StageContext, activity: str) -> Iterator[InputFile]:
    """The stage's files in order, those of a pair together; reports each and stops between two on request."""
    files = {file.role: file for file in context.stage.files}
    whole = [file for file in context.stage.files if not file.role.endswith(("/pair", "/gold"))]
    if not whole:
        raise SpecError(f"The stage {context.stage.label} has no data file.")
    for number, file in enumerate(whole):
        _stop_if_asked(context)
        family, _, language = file.role.rpartition("/")
        context.report(Progress(number, len(whole), f"{activity} {language}"))
        pair, gold = (
            None if beside is None else _local(context, beside)
            for beside in (files.get(f"{file.role}/pair"), files.get(f"{file.role}/gold"))
        )
        yield InputFile(file, family, language, _local(context, file), pair, gold)


def _local(context: StageContext, file: DataFile) -> Path:
    try:
        return context.data[file.path]
    except KeyError as error:
        raise MissingInputError(
            f"The data file {file.path} is not there.", hint="Check it with `stilts data check`."
        ) from error


def _stop_if_asked(context: StageContext) -> None:
    if context.stop_requested():
        raise StoppedError("Stopped on request, between two files.")
