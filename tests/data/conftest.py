"""Small tokenizers, trained once a session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stilts_core.data.readers import texts
from stilts_core.data.tokenise import TextEncoder
from stilts_core.data.vocabulary import balanced, train_tokenizer

DATA = Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog. Where did the dog sleep last night?",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund. Wo schlief der Hund letzte Nacht?",
    "tr": "Hızlı kahverengi tilki tembel köpeğin üzerinden atlar. Köpek dün gece nerede uyudu?",
    "ar": "الثعلب البني السريع يقفز فوق الكلب الكسول. أين نام الكلب الليلة الماضية؟",
    "zh": "敏捷的棕色狐狸跳过懒狗。昨晚狗睡在哪里？",
    "ja": "素早い茶色の狐がのろまな犬を飛び越える。昨夜、犬はどこで寝ましたか。",
    "th": "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ เมื่อคืนสุนัขนอนที่ไหน",
}


@pytest.fixture(scope="session")
def sentences() -> dict[str, str]:
    return SENTENCES


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """Some 300 pieces over seven languages; other characters are unknown to it."""
    return train_tokenizer(SENTENCES.values(), 300, 64)


@pytest.fixture(scope="session")
def encoder(tokenizer: Any) -> TextEncoder:
    return TextEncoder.of(tokenizer)


@pytest.fixture(scope="session")
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"needs the data slices; STILTS_TEST_DATA names their folder (looked in {DATA})")
    return DATA


@pytest.fixture(scope="session")
def real_tokenizer(data: Path) -> Any:
    """2,000 pieces over the languages whose tokenisation is hard to align."""
    sources = {language: data / f"xquad/xquad.{language}.json" for language in ("ar", "en", "th", "tr", "zh")}
    by_language = {
        language: [record.text for record in texts("squad-json", path)] for language, path in sources.items()
    }
    by_language["ja"] = [record.text for record in texts("tags-tsv", data / "udpos/xtreme/dev-ja.tsv")]
    return train_tokenizer(balanced(by_language, 150_000), 2000, 512)


@pytest.fixture(scope="session")
def real_encoder(real_tokenizer: Any) -> TextEncoder:
    return TextEncoder.of(real_tokenizer)
