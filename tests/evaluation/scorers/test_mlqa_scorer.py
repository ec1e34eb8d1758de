import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.mlqa import exact_match, score, token_f1, tokens
from stilts_core.evaluation.scorers.squad import Question

WORKED = [
    ("es", "La casa de la abuela", "casa de abuela", 1, 1),
    ("de", "Das alte Haus", "ein altes Haus", 0, 0.5),
    ("ar", "رسالة", "رس ة", 1, 1),
    ("ar", "بالقاهرة", "القاهرة", 0, 2 / 3),
    ("zh", "长江大桥", "长江", 0, 2 / 3),
    ("zh", "iPhone手机", "iphone 手机", 1, 1),
    ("zh", "东京タワー", "东京", 0, 0.8),
    ("hi", "दिल्ली।", "दिल्ली", 1, 1),
    ("vi", "cái nhà của tôi", "nhà tôi", 1, 1),
]


@pytest.mark.parametrize(("language", "gold", "predicted", "exact", "f1"), WORKED)
def test_worked_examples(language, gold, predicted, exact, f1):
    assert exact_match(gold, predicted, language) == exact
    assert token_f1(gold, predicted, language) == pytest.approx(f1, abs=1e-12)


def test_tokens():
    assert tokens("بالقاهرة", "ar") == ["ب", "قاهرة"]
    assert tokens("东京タワー。ＡＢ 12", "zh") == ["东", "京", "タワーａｂ", "12"]
    assert tokens("«Der» — Fluß_", "de") == ["fluß"]


def test_other_languages_are_refused_when_something_is_scored():
    assert score([Question("1", ("x",))], {}, "sw").exact == (0.0,)
    with pytest.raises(DataError, match="sw"):
        score([Question("1", ("x",))], {"1": "x"}, "sw")


@given(st.sampled_from(["ar", "de", "en", "es", "hi", "vi", "zh"]), st.text(max_size=15), st.text(max_size=15))
def test_symmetric_and_bounded(language, one, other):
    assert token_f1(one, other, language) == pytest.approx(token_f1(other, one, language))
    assert 0 <= token_f1(one, other, language) <= 1
    assert exact_match(one, f" {one}\u3000", language) == 1
