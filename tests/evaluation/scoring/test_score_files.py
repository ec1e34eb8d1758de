import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.errors import DataError, MissingInputError, SpecError
from stilts_core.evaluation.scoring.request import read_request
from stilts_core.evaluation.scoring.score import score


@pytest.fixture
def scored(tmp_path):
    """Scores two texts as the files of a task."""

    def run(task, gold, predictions, language="en", protocol="xtreme-2020", suffix="", **options):
        for name, content in (("gold", gold), ("predictions", predictions)):
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            (tmp_path / f"{name}{suffix}").write_bytes(text.encode())
        document = {"task": task, "language": language, "protocol": protocol, "options": options}
        files = {name: f"{name}{suffix}" for name in ("gold", "predictions")}
        return score(read_request({**document, **files}, tmp_path))

    return run


def squad_file(**questions):
    """Question id → its gold answers, as a file in the SQuAD layout."""
    qas = [
        {"id": id_, "question": "?", "answers": [{"text": text, "answer_start": 0} for text in answers]}
        for id_, answers in questions.items()
    ]
    return {"version": "1.1", "data": [{"paragraphs": [{"context": "", "qas": qas}]}]}


LABELS = ["neutral", "neutral", "entailment", "contradiction", "neutral"]
GUESSES = ["neutral", "entailment", "entailment", "contradiction", "Neutral"]


@pytest.mark.parametrize("task", ["xnli", "pawsx", "tatoeba", "mnli", "anli_r1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("final", [True, False])
def test_accuracy_of_the_worked_example(scored, task, end, final):
    found = scored(task, "\n".join(LABELS) + "\n", end.join(GUESSES) + (end if final else ""))
    assert found.metrics == {"score": 60.0, "accuracy": 60.0}


def test_whole_lines_are_labels(scored):
    """No columns, no byte order mark, no csv quotes, no numbers; blank lines are items."""
    assert scored("pawsx", "1\n07\n1\n1\n\n", "\ufeff1\n7\n1\tx\n" + '"1"\n\u3000\n').metrics["accuracy"] == 20
    with pytest.raises(DataError, match="6 predictions for 5 gold labels"):
        scored("pawsx", "1\n" * 5, "1\n" * 5 + "\n")


def test_unconverted_output_of_tatoeba_is_wrong(scored):
    assert scored("tatoeba", "2\n1\n", "[2]\n1\n").metrics["accuracy"] == 50
    assert scored("tatoeba", "2\n1\n", "99\n-1\n").metrics["accuracy"] == 0


def test_choices_are_json_values(scored):
    lines = ['{"label": 1}', '{"label": 1}', '{"label": 0}']
    found = scored("xcopa", "\n".join(lines), '{"label": true}\n{"label": "1"}\n{"label": 0.0}\n', "et")
    assert found.metrics["accuracy"] == 2 / 3 * 100
    with pytest.raises(DataError, match="predictions:2"):
        scored("xcopa", "\n".join(lines), lines[0] + "\n\n")


def test_choices_of_other_tasks_are_read_by_the_suffix(scored):
    lines = '{"label": 1}\n{"label": 0}\n'
    assert scored("hellaswag", lines, lines.replace("0", "3"), suffix=".jsonl").metrics["accuracy"] == 50


def test_qqp_takes_the_mean_of_accuracy_and_f1(scored):
    found = scored("qqp", "1\n1\n0\n0\n", "1\n0\n1\n0\n").metrics
    assert found == {"score": 50.0, "accuracy": 50.0, "f1": 50.0}
    assert scored("qqp", "0\n0\n", "0\n0\n").metrics["score"] == 50
    with pytest.raises(DataError, match="neither 0 nor 1"):
        scored("qqp", "yes\n", "1\n")


TAGS = [
    ("ADP DET NOUN NOUN NOUN PUNCT", "ADP DET NOUN ADJ NOUN PUNCT", 60.0, 60.0),
    ("DET NOUN CCONJ ADJ", "DET NOUN SCONJ ADJ", 75.0, 100.0),
    ("PRON VERB X | ADV PUNCT", "PRON NOUN X | ADV PUNCT", 80.0, 75.0),
    ("B-a-x O", "B-b-x O", 100.0, 0.0),
]


def tag_lines(text):
    return text.replace("| ", "\n").replace(" ", "\n") + "\n"


@pytest.mark.parametrize(("gold", "predicted", "official", "newer"), TAGS)
def test_tags_in_both_behaviours(scored, gold, predicted, official, newer):
    files = tag_lines(gold), tag_lines(predicted)
    assert scored("panx", *files).metrics["f1"] == pytest.approx(official, abs=5e-4)
    assert scored("udpos", *files, seqeval="1.2.2").metrics["f1"] == pytest.approx(newer, abs=5e-4)


def test_token_accuracy_stands_beside_the_f1(scored):
    found = scored("udpos", tag_lines(TAGS[0][0]), tag_lines(TAGS[0][1])).metrics
    assert found["token_accuracy"] == 5 / 6 * 100
    assert found["score"] == found["f1"]
    assert scored("ccg", tag_lines("N N/N"), tag_lines("N N")).metrics == {"score": 50.0, "accuracy": 50.0}


def test_sentences_of_another_length(scored):
    gold, predicted = "A\nB\n\nC\n", "A\n\nC\nC\n"
    found = scored("panx", gold, predicted)
    assert "token_accuracy" not in found.metrics
    assert "2 of 2 sentences" in found.notes[0]
    with pytest.raises(DataError, match="Sentence 1"):
        scored("panx", gold, predicted, seqeval="1.2.2")
    with pytest.raises(DataError, match="1 predicted sentences for 2"):
        scored("panx", gold, "A\n")
    assert scored("panx", "", "").metrics["f1"] == 0


def test_questions_without_prediction_count_nothing_and_are_named(scored):
    found = scored("xquad", squad_file(a=["The U.S. Army"], b=["x"], c=[]), {"a": "us army", "zz": 1}, "zh")
    assert found.metrics == {"score": 100 / 3, "exact_match": 100 / 3, "f1": 100 / 3}
    assert "2 of 3 questions have no prediction and count 0: b, c." in found.notes
    assert "1 predictions belong to no question" in found.notes[1]


def test_predictions_may_lie_under_data_and_gold_at_the_root(scored):
    gold = squad_file(a=["x"])["data"]
    assert scored("tydiqa", gold, {"data": {"a": "x"}}, "fi").metrics["score"] == 100
    assert scored("tydiqa", gold, [], "fi").metrics["score"] == 0


def test_jiant_scores_questions_by_the_rules_of_squad_2(scored):
    gold, answers = squad_file(a=["an."], b=[]), {"a": "", "b": ""}
    assert scored("xquad", squad_file(a=["an."]), {"a": ""}).metrics == {"score": 50.0, "exact_match": 100.0, "f1": 0.0}
    assert scored("xquad", gold, answers, protocol="jiant").metrics["f1"] == 100
    with pytest.raises(DataError, match="Question b"):
        scored("xquad", gold, {"a": ""}, protocol="jiant")
    with pytest.raises(DataError, match="Question b"):
        scored("xquad", gold, answers)


MLQA = [
    ("es", "La casa de la abuela", "casa de abuela", 100, 100),
    ("de", "Das alte Haus", "ein altes Haus", 0, 50),
    ("ar", "رسالة", "رس ة", 100, 100),
    ("ar", "بالقاهرة", "القاهرة", 0, 66.667),
    ("zh", "长江大桥", "长江", 0, 66.667),
    ("zh", "iPhone手机", "iphone 手机", 100, 100),
    ("zh", "东京タワー", "东京", 0, 80),
    ("hi", "दिल्ली।", "दिल्ली", 100, 100),
    ("vi", "cái nhà của tôi", "nhà tôi", 100, 100),
]


@pytest.mark.parametrize(("language", "gold", "predicted", "exact", "f1"), MLQA)
def test_mlqa_by_language(scored, language, gold, predicted, exact, f1):
    found = scored("mlqa", squad_file(q=[gold]), {"q": predicted}, language).metrics
    assert found["exact_match"] == exact
    assert found["f1"] == pytest.approx(f1, abs=5e-4)


def test_mlqa_needs_a_language_that_it_knows(scored):
    with pytest.raises(SpecError, match="language"):
        scored("mlqa", squad_file(q=["x"]), {"q": "x"}, None)
    with pytest.raises(DataError, match="fr"):
        scored("mlqa", squad_file(q=["x"]), {"q": "x"}, "fr")
    assert scored("mlqa", squad_file(q=["x"]), {}, "fr").metrics["score"] == 0


def test_squad_2_without_null_scores_sweeps_over_the_order_as_jiant_does(scored):
    gold = squad_file(q1=["red"], q2=[], q3=["fox"], q4=[])
    answers = {"q1": "red", "q2": "x", "q3": "fox", "q4": "x"}
    for order, best in ((["q2", "q4", "q1", "q3"], 50), (["q1", "q3", "q2", "q4"], 100)):
        found = scored("squad_v2", gold, {id_: answers[id_] for id_ in order}, protocol="jiant").metrics
        assert (found["exact_match"], found["best_exact_match"], found["best_f1"], found["score"]) == (
            50,
            best,
            best,
            best,
        )


def test_squad_2_with_null_scores(scored, tmp_path):
    (tmp_path / "nulls.json").write_text('{"q1": 0.1, "q2": 0.9}', encoding="utf-8")
    gold = squad_file(q1=["red"], q2=[])
    found = scored("squad_v2", gold, {"q1": "red", "q2": "x"}, null_scores="nulls.json").metrics
    assert (found["f1"], found["best_f1"], found["best_f1_threshold"], found["score"]) == (50, 100, 0.1, 100)


def test_bucc_compares_sets_of_lines(scored):
    found = scored("bucc2018", "de-1\ten-1\nde-1\ten-1\nde-2\ten-2\n\n", "de-2\ten-2\nde-2\ten-2\nde-9\ten-9\n", "de")
    assert found.metrics["precision"] == 50
    assert found.metrics["recall"] == 1 / 3 * 100
    assert scored("bucc", "a\tb\n", "", "de").metrics["f1"] == 0


def test_candidates_with_a_threshold_and_the_oracle_beside_it(scored, tmp_path):
    lines = "0.9\ta\t1\n0.8\tx\t1\n0.7\tb\t2\n0.6\tx\t2\n"
    (tmp_path / "mined.tsv").write_text(lines, encoding="utf-8")
    gold = "a\t1\nb\t2\nc\t3\n"
    found = scored("bucc", gold, "", "de", candidates="mined.tsv").metrics
    assert found["threshold"] == found["oracle_threshold"] == pytest.approx(0.65)
    assert found["f1"] == found["f1_oracle"] == pytest.approx(66.667, abs=5e-4)
    given_ = scored("bucc", gold, "", "de", candidates="mined.tsv", threshold=0.85).metrics
    assert (given_["f1"], given_["threshold"], given_["f1_oracle"]) == (50, 0.85, found["f1"])


def test_rankings(scored):
    found = scored("lareqa", {"q": ["2", "5", "8"]}, {"q": ["5", "1", "8", "0", "2"]}).metrics
    assert found["map@20"] == pytest.approx(75.5556, abs=5e-5)
    assert scored("lareqa", {"q": [2, 5, 8]}, {"q": [5, 1, 8, 0, 2]}).metrics == found
    with pytest.raises(DataError, match="list of ids"):
        scored("lareqa", {"q": [2, 5, 8]}, {"q": [[5]]})
    gold = {"a": ["Q1"], "b": ["Q2"], "c": ["Q3"], "d": ["Q4"]}
    found = scored("mewslix", gold, {"data": {"a": ["Q1"], "b": ["x", "x", "x", "Q2"], "c": ["x"]}}, "ar")
    assert found.metrics == {"score": 31.25, "map@20": 31.25}
    assert "1 of 4 examples have no prediction and count 0: d." in found.notes


def save(path, rows):
    np.save(path, np.array(rows, dtype=np.float32))
    return str(path)


def vectors(tmp_path, source, target):
    return {
        "source_embeddings": save(tmp_path / "source.npy", source),
        "target_embeddings": save(tmp_path / "target.npy", target),
    }


def test_tatoeba_from_vectors_looks_from_english(scored, tmp_path):
    files = vectors(tmp_path, [(1, 0), (0, 1), (5, 5)], [(2, 1.9), (0, 9), (3, 0.1)])
    assert scored("tatoeba", "2\n1\n0\n", "", "de", **files).metrics["accuracy"] == 100
    assert scored("tatoeba", "0\n2\n0\n", "", "de", **files).metrics["accuracy"] == 1 / 3 * 100
    named = scored("tatoeba", "c\nb\nb\n", "", "de", **files, source_ids=["a", "b", "c"])
    assert named.metrics["accuracy"] == 2 / 3 * 100
    (tmp_path / "ids.json").write_text('["z", "y", "x"]', encoding="utf-8")
    ids = {"source_ids": ["a", "b", "c"], "target_ids": "ids.json"}
    assert scored("tatoeba", "a\tx\nb\ty\nc\tz\n", "", "de", **files, **ids).metrics["accuracy"] == 100
    with pytest.raises(DataError, match="target id x"):
        scored("tatoeba", "b\ty\nc\tz\n", "", "de", **files, **ids)


BUCC = ([(1, 0), (0, 1), (1, 1)], [(2, 1), (0, 3), (1, -1)])


def test_bucc_from_vectors_is_the_worked_example(scored, tmp_path):
    options = {**vectors(tmp_path, *BUCC), "source_ids": ["p", "q", "r"], "target_ids": ["u", "v", "w"]}
    found = scored("bucc", "q\tv\np\tw\n", "", "de", **options, neighbours=2).metrics
    assert (found["f1"], found["candidates"]) == (100, 3)
    assert found["threshold"] == pytest.approx((1.225148 + 1.084550) / 2, abs=1e-6)
    found = scored("bucc", "r\tu\n", "", "de", **options, neighbours=2, threshold=1.2681, protocol="corrected").metrics
    assert (found["f1"], found["f1_oracle"]) == (0, 50)


def test_sentences_beside_the_ids_are_mined_once(scored, tmp_path):
    (tmp_path / "s.tsv").write_text("p0\tp\np\tp\nq\tq\nr\tr\n", encoding="utf-8")
    (tmp_path / "t.tsv").write_text("u\tu\nv\tv\nw\tw\n", encoding="utf-8")
    files = vectors(tmp_path, [(9, 9), *BUCC[0]], BUCC[1])
    options = {**files, "source_ids": "s.tsv", "target_ids": "t.tsv", "neighbours": 2}
    assert scored("bucc", "q\tv\n", "", "de", **options).metrics["candidates"] == 2  # p stands twice: no pair
    assert scored("bucc", "q\tv\n", "", "de", **options, protocol="jiant").metrics["candidates"] == 4


def test_more_neighbours_than_sentences(scored, tmp_path):
    options = {**vectors(tmp_path, *BUCC), "source_ids": ["p", "q", "r"], "target_ids": ["u", "v", "w"]}
    assert scored("bucc", "q\tv\n", "", "de", **options, neighbours=99).metrics["recall"] == 100


def test_lareqa_from_vectors_takes_raw_products_and_the_later_of_equals(scored, tmp_path):
    files = vectors(tmp_path, [(1, 0)], [(1, 0), (1, 5), (0.5, 0)])
    options = {**files, "source_ids": ["q"], "target_ids": ["a", "b", "c"]}
    assert scored("lareqa", {"q": ["b"]}, "", **options).metrics["map@20"] == 100
    assert scored("lareqa", {"q": ["a"]}, "", **options).metrics["map@20"] == 50
    assert scored("mewslix", {"q": ["c"]}, "", **options).metrics["map@20"] == 100  # by cosine
    with pytest.raises(DataError, match="No source vector has the id z"):
        scored("lareqa", {"z": ["a"]}, "", **options)


@pytest.mark.parametrize(
    ("source", "message"),
    [([(1, 0), (float("nan"), 1)], "row 1"), ([(1, 0, 0)], "numbers"), ([1.0], "two dimensions"), ([[]], "no vector")],
)
def test_vectors_that_cannot_be_searched(scored, tmp_path, source, message):
    with pytest.raises(DataError, match=message):
        scored("tatoeba", "0\n", "", "de", **vectors(tmp_path, source, [(1, 0)]))


def test_ids_and_vectors_must_belong_together(scored, tmp_path):
    files = vectors(tmp_path, *BUCC)
    with pytest.raises(DataError, match="2 ids for 3 vectors"):
        scored("bucc", "q\tv\n", "", "de", **files, source_ids=["p", "q"], target_ids=["u", "v", "w"])
    with pytest.raises(SpecError, match="`target_ids` is missing"):
        scored("bucc", "q\tv\n", "", "de", **files, source_ids=["p", "q", "r"])
    with pytest.raises(DataError, match="3 English vectors for 2 gold lines"):
        scored("tatoeba", "0\n1\n", "", "de", **files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "xnlI"}, 'no task "xnlI"|xnli'),
        ({"task": None}, "`task` is missing"),
        ({"gold": 1}, "`gold` must be a text"),
        ({"gold": "g\0"}, "`gold` must be a text"),
        ({"protocol": "xtreme"}, "xtreme-2020"),
        ({"options": {"seqeval": "1.0"}}, "0.0.12"),
        ({"options": {"neighbors": 1}}, "neighbours"),
        ({"options": {"neighbours": 0}}, "1 or more"),
        ({"options": {"threshold": "high"}}, "number"),
        ({"options": {"margin": "max"}}, "margin"),
        ({"options": 1}, "object"),
        ({"task": "mlm"}, "no measure"),
        ({"predictions": None}, "predictions"),
        ({"options": {"source_embeddings": "x.npy"}}, "not scored from embeddings"),
    ],
)
def test_requests_that_say_too_little_or_something_else(tmp_path, change, message):
    (tmp_path / "g").write_text("a\n", encoding="utf-8")
    document = {"task": "xnli", "language": "en", "gold": "g", "predictions": "g", **change}
    with pytest.raises(SpecError, match=message):
        score(read_request(document, tmp_path))


def test_a_missing_file_is_named(scored, tmp_path):
    with pytest.raises(MissingInputError, match="nowhere"):
        score(read_request({"task": "xnli", "gold": "nowhere", "predictions": "nowhere"}, tmp_path))


WORDS = st.text(st.sampled_from("aAtheéü 。.£$上海\u0301\u200c１"), max_size=12)


@given(st.dictionaries(st.sampled_from("abcdef"), WORDS, min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_a_file_of_answers_does_not_matter(tmp_path_factory, answers, random):
    folder = tmp_path_factory.mktemp("order")
    (folder / "gold").write_text(
        json.dumps(squad_file(**{id_: ["the été 上海"] for id_ in "abcdef"})), encoding="utf-8"
    )
    found = []
    for _ in range(2):
        (folder / "p").write_text(json.dumps(answers), encoding="utf-8")
        found.append(score(read_request({"task": "xquad", "gold": "gold", "predictions": "p"}, folder)).metrics)
        items = list(answers.items())
        random.shuffle(items)
        answers = dict(items)
    assert found[0] == found[1]


@given(
    st.lists(st.sampled_from(["O", "B-PER", "I-PER", "X", "SCONJ"]), min_size=1), st.sampled_from(["", " ", "\u3000"])
)
def test_white_space_around_tags_does_not_matter(tmp_path_factory, tags, space):
    folder = tmp_path_factory.mktemp("space")
    (folder / "g").write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8")
    (folder / "p").write_text("".join(f"{space}{tag}{space}\r\n" for tag in tags) + space, encoding="utf-8", newline="")
    found = score(read_request({"task": "panx", "gold": "g", "predictions": "p"}, folder)).metrics
    assert found["token_accuracy"] == 100


@pytest.mark.parametrize(("task", "exact"), [("xquad", 0), ("mlqa", 0)])
def test_unicode_forms_are_not_brought_together(scored, task, exact):
    found = scored(task, squad_file(q=["é"]), {"q": "e\u0301"}, "es").metrics
    assert found["exact_match"] == exact
