"""Tokenizers as transformers loads them: where `tokenizer.json` alone does not say everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stilts_core.data.encoder_config import read_config

XLM_R_FILE = "sentencepiece.bpe.model"


def load_tokenizer(location: str | Path, revision: str | None = None) -> Any:
    """The tokenizer of a folder or hub id; no code of the repository is run.

    Raises:
        OSError, ValueError, KeyError, ImportError: what transformers raises where there is none.
    """
    from transformers import AutoTokenizer, XLMRobertaTokenizer

    if _is_xlm_r_on_bert(location, revision):
        # AutoTokenizer takes the class of the layers, finds none of its files, and gives an empty vocabulary.
        return XLMRobertaTokenizer.from_pretrained(str(location), revision=revision)
    return AutoTokenizer.from_pretrained(str(location), revision=revision, trust_remote_code=False)


def _is_xlm_r_on_bert(location: str | Path, revision: str | None) -> bool:
    """MMiniLM's mixture: BERT's layers, and of a tokenizer only XLM-R's SentencePiece model."""
    try:
        config = read_config(location, revision)
    except (OSError, ValueError):
        return False
    return (
        config.get("model_type") == "bert"
        and _has(location, XLM_R_FILE, revision)
        and not any(_has(location, name, revision) for name in ("tokenizer.json", "vocab.txt"))
    )


def _has(location: str | Path, name: str, revision: str | None) -> bool:
    folder = Path(location)
    if folder.is_dir():
        return (folder / name).is_file()
    from transformers.utils import cached_file

    found = cached_file(
        str(location),
        name,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return found is not None
