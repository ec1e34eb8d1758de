import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from stilts_core.catalog.models import Head, Hyper, Metric
from stilts_core.errors import DataError, DivergedError, SpecError
from stilts_core.evaluation.evaluate import dev_score, score_target
from stilts_core.evaluation.outputs import (
    ChoiceOutputs,
    ClassificationOutputs,
    RetrievalOutputs,
    SpanOutputs,
    TaggingOutputs,
)
from stilts_core.evaluation.scorers import squad, squad_v2
from stilts_core.evaluation.scorers.accuracy import accuracy, read_choices, read_labels
from stilts_core.evaluation.scorers.squad import Question, read_answers
from stilts_core.evaluation.scorers.tagging import chunk_score, read_tags, token_accuracy
from stilts_core.evaluation.translations import scored_state
from stilts_core.planning.params import EvaluateParams, TrainTask

NLI = ("contradiction", "entailment", "neutral")
POS = ("ADJ", "NOUN", "VERB", "X")
CONTEXT = "the quick brown fox jumps over the lazy dog near a river bank in spring"


def params(head, metric, **more):
    return EvaluateParams(task="target", head=head, metric=metric, answer_length=4, **more)


def train_task(head, metric=None, **more):
    return TrainTask(task="source", head=head, metric=metric, hyper=Hyper(answer_length=4), **more)


def outcomes(out, language, metric):
    table = pq.read_table(out / "outcomes.parquet").to_pylist()
    return {row["id"]: row["value"] for row in table if (row["language"], row["metric"]) == (language, metric)}


def classification(build, gold):
    files = [("test", language, len(labels)) for language, labels in gold.items()]
    flat = [label for labels in gold.values() for label in labels]
    examples = [{"id": f"{language}-{n}"} for language, labels in gold.items() for n in range(len(labels))]
    return build(Head.CLASSIFICATION, files, [[3]] * len(flat), {"label": flat}, examples)


def one_hot(labels, size=3):
    return np.eye(size, dtype=np.float32)[np.array(labels)]


class TestClassification:
    def test_scores_by_language_and_again_from_the_files(self, build, tmp_path):
        dataset = classification(build, {"en": [0, 1, 2, 2] * 50, "de": [0, 0, 0, 1] * 50})
        predicted = [0, 1, 2, 0] * 50 + [0] * 200
        metrics = score_target(
            dataset,
            params(Head.CLASSIFICATION, Metric.ACCURACY, labels=NLI),
            ClassificationOutputs(one_hot(predicted)),
            tmp_path,
        )
        assert metrics == json.loads((tmp_path / "metrics.json").read_text())
        assert metrics["metric"] == "accuracy"
        english, german = metrics["languages"]["en"], metrics["languages"]["de"]
        assert english == {
            "split": "test",
            "n": 200,
            "metrics": {"accuracy": 75.0},
            "score": 75.0,
            "chance": 50.0,
            "at_chance": False,
            "degenerate": False,
            "note": None,
        }
        assert (german["score"], german["chance"], german["at_chance"], german["degenerate"]) == (
            75.0,
            75.0,
            True,
            True,
        )
        files = tmp_path / "predictions" / "target"
        gold = [NLI[label] for label in [0, 1, 2, 2] * 50]
        assert accuracy(gold, read_labels(files / "test-en.tsv")) == english["score"]
        assert sorted(path.name for path in files.iterdir()) == ["test-de.tsv", "test-en.tsv"]
        correct = outcomes(tmp_path, "en", "correct")
        assert (correct["en-0"], correct["en-3"], sum(correct.values())) == (1.0, 0.0, 150.0)

    def test_without_gold_predictions_are_written_and_nothing_is_scored(self, build, tmp_path):
        dataset = classification(build, {"en": [0, 1], "sw": [-1, -1], "th": [1, -1]})
        outputs = ClassificationOutputs(one_hot([0, 1, 2, 1, 1, 1]))
        settings = params(Head.CLASSIFICATION, Metric.ACCURACY, labels=NLI)
        languages = score_target(dataset, settings, outputs, tmp_path)["languages"]
        assert languages["en"]["score"] == 100.0
        assert languages["sw"]["metrics"] == {}
        assert languages["sw"]["score"] is None
        assert "no gold" in languages["sw"]["note"]
        assert "1 of 2" in languages["th"]["note"]
        assert read_labels(tmp_path / "predictions/target/test-sw.tsv") == ["neutral", "entailment"]
        assert outcomes(tmp_path, "sw", "correct") == {}
        with pytest.raises(DataError, match="without gold"):
            dev_score(dataset, train_task(Head.CLASSIFICATION, labels=NLI), outputs, np.array([2]))

    def test_the_same_outputs_give_the_same_bytes(self, build, tmp_path):
        dataset = classification(build, {"en": [0, 1, 2] * 20})
        outputs = ClassificationOutputs(one_hot([0, 1, 1] * 20))
        settings = params(Head.CLASSIFICATION, Metric.ACCURACY, labels=NLI)
        for name in ("a", "b"):
            score_target(dataset, settings, outputs, tmp_path / name)
        written = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
        assert len(written) == 3
        for path in written:
            assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()

    def test_dev_score_looks_at_its_examples_only(self, build):
        dataset = classification(build, {"en": [0, 1, 2, 0]})
        logits = one_hot([0, 1, 1, 0])
        logits[3] = np.nan
        task = train_task(Head.CLASSIFICATION, labels=NLI)
        assert dev_score(dataset, task, ClassificationOutputs(logits), np.array([2, 0])) == 50.0
        with pytest.raises(DivergedError):
            dev_score(dataset, task, ClassificationOutputs(logits), np.array([3]))

    def test_refusals(self, build, tmp_path):
        dataset = classification(build, {"en": [0, 1]})
        settings = params(Head.CLASSIFICATION, Metric.ACCURACY, labels=NLI)
        with pytest.raises(DataError, match="3 rows"):
            score_target(dataset, settings, ClassificationOutputs(one_hot([0, 1, 2])), tmp_path)
        with pytest.raises(DataError, match="span"):
            score_target(dataset, settings, SpanOutputs(np.zeros(6), np.zeros(6)), tmp_path)
        wrong = params(Head.CLASSIFICATION, Metric.SQUAD, labels=NLI)
        with pytest.raises(SpecError, match="squad"):
            score_target(dataset, wrong, ClassificationOutputs(one_hot([0, 1])), tmp_path)
        files = [("dev", "en", 1), ("test", "en", 1)]
        twice = build(Head.CLASSIFICATION, files, [[1], [1]], {"label": [0, 0]}, [{"id": "a"}, {"id": "b"}])
        with pytest.raises(DataError, match="dev and test"):
            score_target(twice, settings, ClassificationOutputs(one_hot([0, 1])), tmp_path)


def test_choice(build, tmp_path):
    examples = [{"id": str(n)} for n in range(3)]
    dataset = build(Head.CHOICE, [("dev", "et", 3)], [[2, 2]] * 3, {"label": [0, 1, 1]}, examples)
    outputs = ChoiceOutputs(np.array([1, 0, 0, 1, 5, 4], dtype=np.float32))
    entry = score_target(dataset, params(Head.CHOICE, Metric.ACCURACY), outputs, tmp_path)["languages"]["et"]
    assert entry["score"] == 2 / 3 * 100
    assert entry["chance"] == pytest.approx(200 / 3)
    predicted = read_choices(tmp_path / "predictions/target/dev-et.jsonl")
    assert predicted == [0, 1, 0]
    assert accuracy([0, 1, 1], predicted) == entry["score"]
    assert dev_score(dataset, train_task(Head.CHOICE), outputs, np.array([0, 1])) == 100.0


class TestTagging:
    def test_scores_again_from_the_files(self, build_tags, tmp_path):
        rng = np.random.default_rng(3)
        sentences, label = [], []
        for _ in range(120):
            tags = rng.choice(POS, size=rng.integers(1, 8)).tolist()
            sentences.append(([f"w{i}" for i in range(len(tags))], tags, [[-1, *range(len(tags)), -1]]))
            label.extend([0, *(POS.index(tag) if rng.random() < 0.7 else 1 for tag in tags), 0])
        dataset = build_tags([("test", "fi", sentences)], POS)
        settings = params(Head.TAGGING, Metric.TAG_F1, labels=POS)
        outputs = TaggingOutputs(np.array(label, dtype=np.int16))
        entry = score_target(dataset, settings, outputs, tmp_path)["languages"]["fi"]
        gold = [tags for _, tags, _ in sentences]
        predicted = read_tags(tmp_path / "predictions/target/test-fi.tsv")
        score = chunk_score(gold, predicted)
        assert entry["metrics"] == {
            "f1": score.f1,
            "precision": score.precision,
            "recall": score.recall,
            "token_accuracy": token_accuracy(gold, predicted),
        }
        assert entry["score"] == score.f1
        assert entry["chance"] < entry["score"]
        assert not entry["at_chance"]
        assert sum(outcomes(tmp_path, "fi", "chunks_correct").values()) == score.correct
        assert sum(outcomes(tmp_path, "fi", "tokens").values()) == sum(map(len, gold))
        task = train_task(Head.TAGGING, labels=POS)
        assert dev_score(dataset, task, outputs, np.arange(10)) == chunk_score(gold[:10], predicted[:10]).f1

    def test_always_the_most_frequent_tag_is_chance(self, build_tags, tmp_path):
        sentences = [(["a", "b", "c"], ["NOUN", "NOUN", "VERB"], [[-1, 0, 1, 2]])] * 40
        dataset = build_tags([("test", "fi", sentences)], POS)
        outputs = TaggingOutputs(np.ones(160, dtype=np.int16))
        settings = params(Head.TAGGING, Metric.TAG_F1, labels=POS)
        entry = score_target(dataset, settings, outputs, tmp_path)["languages"]["fi"]
        assert entry["score"] == entry["chance"]
        assert entry["at_chance"]
        assert entry["degenerate"]

    def test_without_gold(self, build_tags, tmp_path):
        dataset = build_tags([("test", "fi", [(["a", "b"], None, [[-1, 0, 1]])])], POS)
        outputs = TaggingOutputs(np.array([0, 2, 1], dtype=np.int16))
        settings = params(Head.TAGGING, Metric.TAG_F1, labels=POS)
        assert score_target(dataset, settings, outputs, tmp_path)["languages"]["fi"]["score"] is None
        assert (tmp_path / "predictions/target/test-fi.tsv").read_text() == "VERB\nNOUN\n\n"


def words_of(context):
    places, begin = [], 0
    for word in context.split():
        places.append((begin, begin + len(word)))
        begin += len(word) + 1
    return places


def span_files(answers):
    window = words_of(CONTEXT)
    return [(f"q{n}", CONTEXT, [window], gold) for n, gold in enumerate(answers)]


def pointing(dataset, spans):
    """Logits that point at words (first, last) of the only window of each example, or at no answer (None)."""
    start, end = np.zeros(len(dataset.ids), np.float32), np.zeros(len(dataset.ids), np.float32)
    for first, span in zip(dataset.offsets, spans, strict=False):
        begin, stop = (0, 0) if span is None else (span[0] + 2, span[1] + 2)
        start[first + begin] += 5
        end[first + stop] += 5
    return SpanOutputs(start, end)


class TestSpans:
    def test_scores_again_from_the_files(self, build_spans, tmp_path):
        gold = [("quick brown fox",), ("dog", "lazy dog"), ("river",), ("spring",)] * 10
        dataset = build_spans([("test", "en", span_files(gold))])
        outputs = pointing(dataset, [(1, 3), (7, 8), (11, 12), (0, 0)] * 10)
        entry = score_target(dataset, params(Head.SPAN, Metric.SQUAD), outputs, tmp_path)["languages"]["en"]
        answers = read_answers(tmp_path / "predictions/target/test-en.json")
        assert answers["q1"] == "lazy dog"
        scores = squad.score([Question(f"q{n}", texts) for n, texts in enumerate(gold)], answers)
        assert entry["metrics"] == {"exact_match": scores.exact_percent, "f1": scores.f1_percent}
        assert scores.exact_percent == 50.0
        assert entry["score"] == (scores.exact_percent + scores.f1_percent) / 2
        assert outcomes(tmp_path, "en", "f1") == {f"q{n}": value for n, value in enumerate(scores.f1)}
        assert 0 < entry["chance"] < 20
        assert not entry["at_chance"]
        assert not entry["degenerate"]
        assert dev_score(dataset, train_task(Head.SPAN), outputs, np.array([0, 1])) == 100.0

    def test_one_answer_to_everything(self, build_spans, tmp_path):
        gold = [("quick brown fox",), ("lazy dog",)] * 20
        dataset = build_spans([("test", "en", span_files(gold))])
        outputs = pointing(dataset, [(14, 14)] * 40)
        entry = score_target(dataset, params(Head.SPAN, Metric.SQUAD), outputs, tmp_path)["languages"]["en"]
        assert (entry["score"], entry["at_chance"], entry["degenerate"]) == (0.0, True, True)

    def test_null_answers(self, build_spans, tmp_path):
        gold = [("fox",), (), ("river",), ()] * 10
        dataset = build_spans([("dev", "en", span_files(gold))])
        outputs = pointing(dataset, [(3, 3), None, (11, 11), (5, 5)] * 10)
        settings = params(Head.SPAN, Metric.SQUAD_V2, null_answers=True)
        entry = score_target(dataset, settings, outputs, tmp_path)["languages"]["en"]
        questions = [Question(f"q{n}", texts) for n, texts in enumerate(gold)]
        folder = tmp_path / "predictions/target"
        answers = read_answers(folder / "dev-en.json")
        nulls = json.loads((folder / "dev-en.null.json").read_text())
        exact, f1 = squad_v2.best_thresholds(questions, answers, nulls)
        plain = squad_v2.score(questions, answers, nulls, threshold=0.5)
        assert entry["metrics"] == {
            "exact_match": plain.exact_percent,
            "f1": plain.f1_percent,
            "best_exact_match": exact.score,
            "best_f1": f1.score,
        }
        assert plain.exact_percent == 75.0
        assert entry["score"] == (exact.score + f1.score) / 2
        assert entry["thresholds"] == {"best_exact_match": exact.threshold, "best_f1": f1.threshold}
        assert entry["chance"] == 50.0
        # Of the equal null scores the two answerable questions come first here, so one threshold is right for all.
        assert dev_score(dataset, train_task(Head.SPAN, null_answers=True), outputs, np.arange(4)) == 100.0

    def test_never_an_answer_is_chance(self, build_spans, tmp_path):
        gold = [("fox",), ()] * 30
        dataset = build_spans([("dev", "en", span_files(gold))])
        outputs = pointing(dataset, [None] * 60)
        settings = params(Head.SPAN, Metric.SQUAD_V2, null_answers=True)
        entry = score_target(dataset, settings, outputs, tmp_path)["languages"]["en"]
        assert (entry["score"], entry["chance"]) == (50.0, 50.0)
        assert entry["at_chance"]
        assert entry["degenerate"]

    def test_without_gold(self, build_spans, tmp_path):
        dataset = build_spans([("test", "sw", span_files([None, None]))])
        outputs = pointing(dataset, [(3, 3), (4, 4)])
        entry = score_target(dataset, params(Head.SPAN, Metric.SQUAD), outputs, tmp_path)["languages"]["sw"]
        assert entry["score"] is None
        assert read_answers(tmp_path / "predictions/target/test-sw.json") == {"q0": "fox", "q1": "jumps"}


class TestRetrieval:
    ENGLISH = ("pear", "apple", "zebra", "Fig")

    def dataset(self, build, *, interleaved):
        foreign = [{"id": f"f{n}", "text": f"x{n}"} for n in range(4)]
        english = [{"id": f"e{n}", "text": text} for n, text in enumerate(self.ENGLISH)]
        if interleaved:
            examples = [side for pair in zip(foreign, english, strict=True) for side in pair]
            return build(Head.RETRIEVAL, [("test", "de", 8)], [[2]] * 8, {"side": [0, 1] * 4}, examples)
        files = [("test", "de", 4), ("test", "de", 4)]
        return build(Head.RETRIEVAL, files, [[2]] * 8, {"side": [0] * 4 + [1] * 4}, foreign + english)

    @pytest.mark.parametrize("interleaved", [True, False])
    def test_every_state_is_scored(self, build, tmp_path, interleaved):
        dataset = self.dataset(build, interleaved=interleaved)
        right, found = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)[[0, 2, 2, 3]]
        columns = [np.ones((8, 4), np.float32)]
        for english in (found, right):
            state = np.empty((8, 4), np.float32)
            state[dataset.columns["side"] == 0] = right * 3
            state[dataset.columns["side"] == 1] = english
            columns.append(state)
        settings = params(Head.RETRIEVAL, Metric.RETRIEVAL_ACCURACY, retrieval_share=0.6)
        entry = score_target(dataset, settings, RetrievalOutputs(columns), tmp_path)["languages"]["de"]
        assert entry["metrics"] == {
            "accuracy": 75.0,
            "accuracy@state00": 25.0,
            "accuracy@state01": 75.0,
            "accuracy@state02": 100.0,
        }
        assert (entry["n"], entry["score"], entry["chance"]) == (4, 75.0, 25.0)
        assert outcomes(tmp_path, "de", "correct") == {"e0": 1.0, "e1": 0.0, "e2": 1.0, "e3": 1.0}
        # The English side in official order: Fig, apple, pear, zebra.
        lines = read_labels(tmp_path / "predictions/target/test-de.tsv")
        assert lines == ["3", "2", "0", "2"]
        assert accuracy(["3", "1", "0", "2"], lines) == entry["score"]

    def test_one_neighbour_of_all_is_degenerate(self, build, tmp_path):
        dataset = self.dataset(build, interleaved=True)
        settings = params(Head.RETRIEVAL, Metric.RETRIEVAL_ACCURACY, retrieval_states={1: 1})
        outputs = RetrievalOutputs([np.ones((8, 4), np.float32)] * 2)
        entry = score_target(dataset, settings, outputs, tmp_path)["languages"]["de"]
        assert (entry["at_chance"], entry["degenerate"]) == (True, True)

    def test_sides_must_match(self, build, tmp_path):
        examples = [{"id": str(n), "text": "x"} for n in range(3)]
        dataset = build(Head.RETRIEVAL, [("test", "de", 3)], [[2]] * 3, {"side": [0, 1, 1]}, examples)
        settings = params(Head.RETRIEVAL, Metric.RETRIEVAL_ACCURACY, retrieval_share=1.0)
        with pytest.raises(DataError, match="1 foreign"):
            score_target(dataset, settings, RetrievalOutputs([np.ones((3, 2), np.float32)] * 2), tmp_path)

    def test_scored_state(self):
        assert scored_state(24, {12: 8, 24: 14}, 0.6) == 14
        assert scored_state(6, {12: 8}, 0.6) == 4
        assert scored_state(2, {}, 0.1) == 1
        for states, share in (({}, None), ({6: 9}, 0.6)):
            with pytest.raises(SpecError, match="6 layers"):
                scored_state(6, states, share)
