"""A fast tokenizer as batches of flat arrays, without special tokens; and where those belong."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stilts_core.catalog.encoders import TOKENIZER_FILES
from stilts_core.data.tokenise.library import load_tokenizer
from stilts_core.data.tokenise.ragged import Ints, Ragged, offsets_of
from stilts_core.errors import MissingInputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHUNK = 8192  # texts that are held as encodings at a time


@dataclass(frozen=True, slots=True)
class Frame:
    """The special tokens around texts, as places in ``ids``: what comes before, between and after.

    Attributes:
        ids: all of them, in order.
        before, between, after: (start, length) in ``ids``.
        second: how many of ``between`` belong to the first text's segment, where the tokenizer tells two apart.
    """

    ids: npt.NDArray[np.int32]
    before: tuple[int, int]
    between: tuple[int, int]
    after: tuple[int, int]
    second: int | None = None

    @property
    def size(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts without special tokens, each different one once.

    Attributes:
        texts: the different texts.
        rows: their tokens.
        of: the row of each text asked for, (N,).
        spans: (T, 2) characters of each token in its text, where asked for.
    """

    texts: Sequence[str]
    rows: Ragged
    of: Ints
    spans: npt.NDArray[np.int32] | None = None

    @property
    def fertility(self) -> dict[str, int]:
        """Words (what blanks separate), characters and subwords of the different texts."""
        return {
            "words": sum(len(text.split()) for text in self.texts),
            "characters": sum(map(len, self.texts)),
            "subwords": len(self.rows.values),
        }


class TextEncoder:
    """What turns texts into token ids.

    Args:
        backend: the tokenizer itself.
        pad_id: of the padding token.
        unknown_id: of the token that stands for what the tokenizer does not know.
    """

    def __init__(self, backend: Tokenizer, *, pad_id: int, unknown_id: int) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.vocabulary = int(backend.get_vocab_size(with_added_tokens=True))
        self.pad_id = pad_id
        self.unknown_id = unknown_id

    @classmethod
    def of(cls, tokenizer: Any) -> TextEncoder:
        """Of a tokenizer of transformers, which stays as it is.

        Raises:
            MissingInputError: it is not a fast one, or has no padding token.
        """
        from tokenizers import Tokenizer

        if not getattr(tokenizer, "is_fast", False):
            raise MissingInputError(
                f"The tokenizer {tokenizer.name_or_path} is not a fast one.",
                hint="Save it once with a `tokenizer.json` (transformers' AutoTokenizer with use_fast does).",
            )
        if tokenizer.pad_token_id is None:
            raise MissingInputError(
                f"The tokenizer {tokenizer.name_or_path} has no padding token.",
                hint="Name one in its tokenizer_config.json.",
            )
        stand_ins = (tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.pad_token_id)
        return cls(
            Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
            pad_id=int(tokenizer.pad_token_id),
            unknown_id=int(next(token for token in stand_ins if token is not None)),
        )

    @classmethod
    def load(cls, location: str | Path, revision: str | None = None) -> TextEncoder:
        """Of a folder or a hub id.

        Raises:
            MissingInputError: there is no tokenizer.
        """
        folder = Path(location)
        if folder.is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
            raise MissingInputError(
                f"The encoder {location} has no tokenizer.",
                hint=f"Put its files into the folder ({', '.join(TOKENIZER_FILES[:2])} …).",
            )
        try:
            return cls._read(folder) or cls._load(str(location), revision)
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise MissingInputError(
                f"The tokenizer of {location} cannot be loaded: {reason}",
                hint="Give a folder with the encoder and its tokenizer, or a hub id that this machine can reach.",
            ) from error

    @classmethod
    def _read(cls, folder: Path) -> TextEncoder | None:
        """Straight from `tokenizer.json`, in a tenth of the time; None where its special tokens are not named."""
        from tokenizers import Tokenizer

        stored, config = folder / "tokenizer.json", folder / "tokenizer_config.json"
        if not stored.is_file() or not config.is_file():
            return None
        names = json.loads(config.read_text(encoding="utf-8"))
        named = [names.get(f"{role}_token") for role in ("unk", "mask", "pad")]
        tokens = [token["content"] if isinstance(token, dict) else token for token in named]
        if tokens[-1] is None or "unk_token" not in names:  # what is not named has a default of its class
            return None
        try:
            backend = Tokenizer.from_file(str(stored))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"{stored.name} is damaged: {error}") from error
        ids = [None if token is None else backend.token_to_id(token) for token in tokens]
        if ids[-1] is None:
            return None
        return cls(backend, pad_id=ids[-1], unknown_id=next(id_ for id_ in ids if id_ is not None))

    @classmethod
    def _load(cls, location: str, revision: str | None) -> TextEncoder:
        return cls.of(load_tokenizer(location, revision))

    @property
    def dtype(self) -> npt.DTypeLike:
        """The smallest dtype that holds every id."""
        return np.uint16 if self.vocabulary <= 2**16 else np.int32

    @cached_property
    def single(self) -> Frame:
        encoding = self.backend.encode("a")
        first, last = _places(encoding.sequence_ids, 0)
        return _frame(encoding.ids[:first], [], encoding.ids[last + 1 :])

    @cached_property
    def pair(self) -> Frame:
        encoding = self.backend.encode("a", "b")
        first, last = _places(encoding.sequence_ids, 0)
        second, end = _places(encoding.sequence_ids, 1)
        types = encoding.type_ids
        return _frame(
            encoding.ids[:first],
            encoding.ids[last + 1 : second],
            encoding.ids[end + 1 :],
            types.index(1) - last - 1 if types[second] == 1 else None,
        )

    @cached_property
    def word_prefix(self) -> str:
        """What makes a word alone look as it does inside of a sentence: a blank, where the tokenizer adds none."""
        for word in PROBES:
            together = self.backend.encode(f"{word} {word}", add_special_tokens=False).ids
            alone = self.backend.encode(word, add_special_tokens=False).ids
            if self.unknown_id not in together and alone:
                return "" if together == alone * 2 else " "
        return ""

    def encode(self, texts: Sequence[str], *, spans: bool = False) -> Encoded:
        """Texts as ids; equal texts are tokenised once.

        Args:
            texts: in any order.
            spans: whether to give the characters of each token.
        """
        place = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        unique = list(place)
        lengths, ids, characters = [], [np.empty(0, np.int32)], [np.empty((0, 2), np.int32)]
        for encodings in self._encodings(unique, spans):
            sizes = np.fromiter(map(len, encodings), dtype=np.int64, count=len(encodings))
            total = int(sizes.sum())
            lengths.append(sizes)
            ids.append(np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int32, total))
            if spans:
                flat = chain.from_iterable(chain.from_iterable(e.offsets for e in encodings))
                characters.append(np.fromiter(flat, np.int32, 2 * total).reshape(-1, 2))
        return Encoded(
            texts=unique,
            rows=Ragged(np.concatenate(ids), offsets_of(np.concatenate([np.empty(0, np.int64), *lengths]))),
            of=np.fromiter(map(place.__getitem__, texts), dtype=np.int64, count=len(texts)),
            spans=np.concatenate(characters) if spans else None,
        )

    def _encodings(self, texts: list[str], spans: bool) -> Iterator[list[Any]]:
        encode = self.backend.encode_batch if spans else self.backend.encode_batch_fast
        for start in range(0, len(texts), CHUNK):
            yield encode(texts[start : start + CHUNK], add_special_tokens=False)


PROBES = ("a", "A", "1", ".", "\u0430", "\u0627", "\u4e00")
"""Words of which any tokenizer should know one: a Latin, Cyrillic, Arabic or Chinese letter, a digit, a full stop."""


def use_threads(threads: int) -> None:
    """Bound the threads of the tokenizers' own pool in this process; to be called before its first use."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(threads)


def _places(sequence_ids: Sequence[int | None], sequence: int) -> tuple[int, int]:
    at = [place for place, value in enumerate(sequence_ids) if value == sequence]
    return at[0], at[-1]


def _frame(before: list[int], between: list[int], after: list[int], second: int | None = None) -> Frame:
    bounds = np.cumsum([0, len(before), len(between), len(after)]).tolist()
    return Frame(
        np.array([*before, *between, *after], dtype=np.int32),
        (bounds[0], len(before)),
        (bounds[1], len(between)),
        (bounds[2], len(after)),
        second,
    )


def segments(frame: Frame, first: Ints) -> dict[str, npt.NDArray[np.int32]]:
    """The column ``second`` of pairs, or none where the tokenizer knows one segment only.

    Args:
        first: tokens of the first text of each feature, (F,).
    """
    if frame.second is None:
        return {}
    return {"second": (frame.before[1] + first + frame.second).astype(np.int32)}
