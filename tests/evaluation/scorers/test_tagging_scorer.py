import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError
from stilts_core.evaluation.scorers.tagging import (
    chunk_score,
    chunks,
    read_tags,
    sentence_counts,
    token_accuracy,
)

TAGS = ["O", "B-PER", "I-PER", "E-PER", "S-LOC", "I-LOC", "NOUN", "X", "SCONJ", "CCONJ", "SYM", "B-a-x", "-A", ".", "B"]
SENTENCES = st.lists(st.lists(st.sampled_from(TAGS), max_size=6), min_size=1, max_size=5)
PAIRS = SENTENCES.flatmap(
    lambda gold: st.tuples(
        st.just(gold), st.tuples(*(st.lists(st.sampled_from(TAGS), min_size=len(s), max_size=len(s)) for s in gold))
    )
)

# gold, predicted (| ends a sentence), F1 of seqeval 0.0.12, F1 of 1.2.2
WORKED = [
    ("ADP DET NOUN NOUN NOUN PUNCT", "ADP DET NOUN ADJ NOUN PUNCT", 60.0, 60.0),
    ("SYM SYM NOUN NOUN", "SYM NOUN NOUN NOUN", 40.0, 40.0),
    ("DET NOUN CCONJ ADJ", "DET NOUN SCONJ ADJ", 75.0, 100.0),
    ("ADV CCONJ SCONJ", "ADV CCONJ NOUN", 66.667, 40.0),
    ("PRON VERB X | ADV PUNCT", "PRON NOUN X | ADV PUNCT", 80.0, 75.0),
    ("O B-ORG I-ORG O I-PER", "O I-ORG I-ORG O B-PER", 100.0, 100.0),
    ("B-LOC I-LOC O", "B-LOC I-PER O", 0.0, 0.0),
    ("B-a-x O", "B-b-x O", 100.0, 0.0),
]


def split(text):
    return [sentence.split() for sentence in text.split("|")]


@pytest.mark.parametrize(("gold", "predicted", "official", "newer"), WORKED)
def test_worked_examples(gold, predicted, official, newer):
    assert chunk_score(split(gold), split(predicted)).f1 == pytest.approx(official, abs=5e-4)
    assert chunk_score(split(gold), split(predicted), "1.2.2").f1 == pytest.approx(newer, abs=5e-4)


def test_counts_of_the_first_worked_example():
    score = chunk_score(split(WORKED[0][0]), split(WORKED[0][1]))
    assert (score.correct, score.predicted, score.gold) == (3, 6, 4)
    assert (score.precision, score.recall) == (50.0, 75.0)


def test_one_wrong_tag_of_eight_as_measured_on_the_originals():
    gold = [["PRON", "VERB", "DET", "NOUN", "NOUN", "ADP", "NOUN", "X"]]
    predicted = [["PRON", "VERB", "DET", "NOUN", "VERB", "ADP", "NOUN", "X"]]
    assert token_accuracy(gold, predicted) == 87.5
    assert chunk_score(gold, predicted).f1 > chunk_score(gold, predicted, "1.2.2").f1


def test_types_of_1_2_2():
    assert chunks([["B-PER", "O", "B-A-B", "O", "NOUN", "O"]], "1.2.2") == [("PER", 0, 0), ("A-B", 2, 2), ("OUN", 4, 4)]


def test_1_2_2_gives_a_late_x_the_start_of_an_earlier_sentence():
    assert chunks([["NOUN"], ["X", "VERB"]], "1.2.2") == [("OUN", 0, 0), ("_", 0, 2), ("ERB", 3, 3)]


def test_1_2_2_gives_cconj_the_start_of_sconj():
    assert chunks([["SCONJ", "CCONJ"]], "1.2.2")[-1] == ("CONJ", 0, 1)


def test_no_chunk_scores_nothing():
    score = chunk_score([["O", "O"]], [["O", "O"]])
    assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)


def test_no_sentence():
    assert chunk_score([], []).f1 == 0.0
    with pytest.raises(DataError):
        chunk_score([], [], "1.2.2")


def test_sentences_of_other_lengths_shift_in_0_0_12_and_are_refused_by_1_2_2():
    gold, predicted = [["A", "B-x"], ["C"]], [["A"], ["C"]]
    score = chunk_score(gold, predicted)
    assert (score.correct, score.predicted, score.gold) == (1, 2, 3)
    with pytest.raises(DataError, match="Sentence 1"):
        chunk_score(gold, predicted, "1.2.2")


def test_numbers_of_sentences_must_be_equal():
    with pytest.raises(DataError):
        chunk_score([["A"]], [["A"], ["A"]])


def test_reader(tmp_path):
    path = tmp_path / "test-de.tsv"
    path.write_text("\nNOUN\n VERB \n\n \nX", encoding="utf-8")
    assert read_tags(path) == [[], ["NOUN", "VERB"], [], ["X"]]


def naive_chunks(sentences):
    """The rules one after another, tag by tag."""
    tags = [tag for sentence in sentences for tag in (*sentence, "O")]
    before, kind_before, record, found = "O", "", 0, []
    for place, tag in enumerate(tags):
        now, kind = tag[0], tag.split("-")[-1]
        other = kind != kind_before
        if before in "ES" or (before in "BI" and now in "BSO") or (before not in "O." and other):
            found.append((kind_before, record, place - 1))
        if now in "BS" or (now in "EI" and before in "ESO") or (now not in "O." and other):
            record = place
        before, kind_before = now, kind
    return found


@given(SENTENCES)
def test_chunks_equal_the_rules_tag_by_tag(sentences):
    assert chunks(sentences) == naive_chunks(sentences)


@given(PAIRS)
def test_properties(pair):
    gold, predicted = pair
    for version in ("0.0.12", "1.2.2"):
        score, swapped = chunk_score(gold, predicted, version), chunk_score(predicted, gold, version)
        assert 0 <= score.f1 <= 100
        assert (score.precision, score.recall) == (swapped.recall, swapped.precision)
        assert score.f1 == pytest.approx(swapped.f1)
        assert chunk_score(gold, gold, version).f1 in (0.0, 100.0)


@given(PAIRS)
def test_sentence_counts_add_up(pair):
    gold, predicted = pair
    counts = sentence_counts(gold, predicted)
    score = chunk_score(gold, predicted)
    assert counts.shape == (len(gold), 5)
    assert counts.sum(axis=0)[:3].tolist() == [score.correct, score.predicted, score.gold]
    if counts[:, 4].sum():
        right = sum(g == p for one, other in zip(gold, predicted, strict=True) for g, p in zip(one, other, strict=True))
        assert token_accuracy(gold, predicted) == right / counts[:, 4].sum() * 100


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_of_sentences_does_not_matter_officially(pair, random):
    gold, predicted = pair
    order = list(range(len(gold)))
    random.shuffle(order)
    assert chunk_score(gold, predicted) == chunk_score([gold[i] for i in order], [predicted[i] for i in order])
