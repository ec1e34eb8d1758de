"""A tokenizer from texts: like XLM-R's, a Unigram model over NFKC text with the same special tokens.

SentencePiece trains the pieces, on one thread: its sums then have one order, and equal texts give equal bytes. The
trainer of the tokenizers library is slower by far on scripts without blanks, and its sums follow the order of a hash.
"""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stilts_core.errors import DataError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
ROLES = {f"{role}_token": token for role, token in zip(("bos", "pad", "eos", "unk"), SPECIAL, strict=True)}
ROLES |= {"cls_token": ROLES["bos_token"], "sep_token": ROLES["eos_token"]}
COVERAGE = 0.9995  # of all characters, as in XLM-R; the rest is unknown
CHARACTER_SHARE = 0.5  # of the vocabulary that single characters take at most
SAMPLE_CHARACTERS = 2_000_000  # as much as is read in some 10 s; more changes few pieces of a small vocabulary
SEED_PIECES = 10  # candidates that training begins with, by piece of the vocabulary


def balanced(texts: Mapping[str, Sequence[str]], characters: int = SAMPLE_CHARACTERS) -> list[str]:
    """A sample in which every language has the same share of the characters, or all that it has.

    Args:
        texts: by language.
        characters: of the sample at most, about.

    Returns:
        Texts from all over each language's, in order.
    """
    sizes = {language: sum(map(len, texts[language])) for language in texts}
    share, left = 0.0, float(characters)
    for rank, size in enumerate(sorted(sizes.values())):
        share = left / (len(sizes) - rank)
        left -= min(size, share)
    chosen: list[str] = []
    for language in sorted(texts):
        rows = texts[language]
        count = len(rows) if sizes[language] <= share else max(1, int(len(rows) * share / sizes[language]))
        chosen.extend(rows[at] for at in np.linspace(0, len(rows) - 1, count).round().astype(int))
    return chosen


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_length: int) -> Any:
    """Train a tokenizer.

    Args:
        texts: a sample of the languages, see `balanced`.
        vocabulary: pieces in all, special tokens included; fewer where the texts do not hold as many.
        max_length: tokens that the encoder takes.

    Returns:
        A `transformers.PreTrainedTokenizerFast`: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3, ``<mask>`` last;
        pairs are ``<s> A </s></s> B </s>``.

    Raises:
        DataError: there is too little text.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = _train_pieces([unicodedata.normalize("NFKC", text) for text in texts], vocabulary - 1)
    tokenizer = Tokenizer(models.Unigram([*pieces, (MASK, 0.0)], unk_id=SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **ROLES,
        mask_token=AddedToken(MASK, lstrip=True, special=True),
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
    )


def _train_pieces(texts: list[str], vocabulary: int) -> list[tuple[str, float]]:
    """Pieces and their log-probabilities, the special tokens first."""
    import sentencepiece

    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=out,
            model_type="unigram",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            character_coverage=_coverage(texts, int(vocabulary * CHARACTER_SHARE)),
            seed_sentencepiece_size=max(10_000, SEED_PIECES * vocabulary),
            normalization_rule_name="identity",
            num_threads=1,
            bos_id=0,
            pad_id=1,
            eos_id=2,
            unk_id=3,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"No tokenizer of {vocabulary + 1} pieces could be trained on {sum(map(len, texts))} characters of text.",
            hint="Give more text, or ask for another vocabulary size.",
        ) from error
    processor = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    size = processor.get_piece_size()
    pieces = [(processor.id_to_piece(index), float(processor.get_score(index))) for index in range(size)]
    return [(name, 0.0) for name in SPECIAL] + pieces[len(SPECIAL) :]


def _coverage(texts: list[str], characters: int) -> float:
    """The share of the text that its most frequent characters cover, at most `COVERAGE`."""
    counts = sorted(Counter("".join(texts)).values(), reverse=True)
    return min(COVERAGE, sum(counts[:characters]) / max(1, sum(counts)))
