"""Mined pairs and rankings, judged from vectors that say what is found."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from stilts_core.catalog.models import Head, Metric
from stilts_core.evaluation.aggregate import aggregate
from stilts_core.evaluation.evaluate import score_target
from stilts_core.evaluation.outputs import RetrievalOutputs
from stilts_core.evaluation.ranked import random_precision
from stilts_core.evaluation.scorers.bitext import pair_score
from stilts_core.evaluation.scorers.ranking import mean_average_precision, mean_reciprocal_rank
from stilts_core.planning.params import EvaluateParams


def params(metric, **more):
    settings = {"retrieval_states": {1: 1}} | more
    return EvaluateParams(task="target", head=Head.RETRIEVAL, metric=metric, answer_length=0, **settings)


def outcomes(out, metric):
    rows = pq.read_table(out / "outcomes.parquet").to_pylist()
    return {(row["language"], row["id"]): row["value"] for row in rows if row["metric"] == metric}


def sentences(rng, prefix, size, gold, split):
    """A file of BUCC: the first ``gold`` sentences of each side are translations; and vectors that nearly say so."""
    shared = rng.standard_normal((gold, 12))
    sides, vectors = [], []
    for side, name in ((0, prefix), (1, "en")):
        for n in range(size):
            keys = [f"en-{split}{n}"] if n < gold else [] if side == 0 else [f"en-{split}{n}"]
            sides.append((side, {"id": f"{name}-{split}{n}", "text": f"{name} {split} {n}", "keys": keys}))
        noise = rng.standard_normal((size, 12))
        noise[:gold] = shared + 0.35 * noise[:gold]
        vectors.append(noise)
    return sides, np.concatenate(vectors).astype(np.float32)


class TestMinedPairs:
    def dataset(self, build, files):
        examples = [example for sides, _ in files.values() for _, example in sides]
        segments = [(split, language, len(sides)) for (split, language), (sides, _) in files.items()]
        side = [number for sides, _ in files.values() for number, _ in sides]
        dataset = build(Head.RETRIEVAL, segments, [[2]] * len(side), {"side": side}, examples)
        return dataset, np.concatenate([vectors for _, vectors in files.values()])

    def test_the_threshold_of_dev_is_applied_to_test(self, build, tmp_path):
        rng = np.random.default_rng(1)
        files = {("dev", "de"): sentences(rng, "de", 60, 30, "d"), ("test", "de"): sentences(rng, "de", 80, 25, "t")}
        dataset, vectors = self.dataset(build, files)
        rough = vectors + rng.standard_normal(vectors.shape).astype(np.float32)
        metrics = score_target(dataset, params(Metric.BITEXT_F1), RetrievalOutputs([rough, vectors]), tmp_path)
        entry = metrics["languages"]["de"]
        assert metrics == json.loads((tmp_path / "metrics.json").read_text())
        assert (entry["split"], entry["n"], entry["note"]) == ("test", 25, None)
        gold = {f"de-t{n}\ten-t{n}" for n in range(25)}
        lines = (tmp_path / "predictions/target/test-de.tsv").read_text().splitlines()
        assert entry["score"] == pair_score(gold, lines).f1 == entry["metrics"]["f1"] == entry["metrics"]["f1@state01"]
        assert 50 < entry["score"] <= entry["metrics"]["f1_oracle"]
        assert entry["metrics"]["f1@state00"] < entry["score"]
        assert entry["thresholds"]["f1"] != entry["thresholds"]["f1_oracle"]
        assert entry["chance"] == pytest.approx(100 * 2 * (80 * 25 / 80**2) / (80 + 25))
        assert (entry["at_chance"], entry["degenerate"]) == (False, False)
        assert not list((tmp_path / "predictions/target").glob("dev*"))
        counts = [sum(outcomes(tmp_path, f"pairs_{name}").values()) for name in ("correct", "predicted", "gold")]
        assert 100 * 2 * counts[0] / (counts[1] + counts[2]) == pytest.approx(entry["score"])
        assert aggregate("bitext-f1", ["de"], {"de": entry["metrics"]}).score == entry["score"]

    def test_a_development_set_alone_is_scored_at_its_own_threshold(self, build, tmp_path):
        files = {("dev", "fr"): sentences(np.random.default_rng(2), "fr", 40, 20, "d")}
        dataset, vectors = self.dataset(build, files)
        entry = score_target(dataset, params(Metric.BITEXT_F1), RetrievalOutputs([vectors] * 2), tmp_path)
        entry = entry["languages"]["fr"]
        assert entry["score"] == entry["metrics"]["f1_oracle"]
        assert "best on the scored sentences" in entry["note"]

    def test_withheld_pairs_are_mined_at_the_threshold_of_dev(self, build, tmp_path):
        rng = np.random.default_rng(3)
        files = {("dev", "de"): sentences(rng, "de", 50, 25, "d"), ("test", "de"): sentences(rng, "de", 50, 25, "t")}
        for _, example in files["test", "de"][0]:
            example["keys"] = None
        dataset, vectors = self.dataset(build, files)
        entry = score_target(dataset, params(Metric.BITEXT_F1), RetrievalOutputs([vectors] * 2), tmp_path)
        entry = entry["languages"]["de"]
        assert (entry["score"], entry["metrics"], entry["chance"]) == (None, {}, None)
        assert entry["thresholds"]["f1"] > 0
        assert "nothing was scored" in entry["note"]
        lines = (tmp_path / "predictions/target/test-de.tsv").read_text().splitlines()
        assert pair_score({f"de-t{n}\ten-t{n}" for n in range(25)}, lines).f1 > 50

    def test_a_sentence_that_stands_twice_gives_no_pair(self, build, tmp_path):
        sides, vectors = sentences(np.random.default_rng(4), "de", 30, 20, "d")
        sides[7][1]["text"] = sides[3][1]["text"] + " "  # mined, since the raw lines differ; not told apart afterwards
        dataset, vectors = self.dataset(build, {("dev", "de"): (sides, vectors)})
        score_target(dataset, params(Metric.BITEXT_F1), RetrievalOutputs([vectors] * 2), tmp_path)
        found = (tmp_path / "predictions/target/dev-de.tsv").read_text()
        assert "de-d5\t" in found
        assert "de-d3\t" not in found
        assert "de-d7\t" not in found

    def test_nothing_mined_is_degenerate(self, build, tmp_path):
        dataset, vectors = self.dataset(build, {("dev", "de"): sentences(np.random.default_rng(5), "de", 9, 4, "d")})
        nothing = np.zeros_like(vectors)
        entry = score_target(dataset, params(Metric.BITEXT_F1), RetrievalOutputs([nothing] * 2), tmp_path)
        entry = entry["languages"]["de"]
        assert (entry["score"], entry["degenerate"], entry["at_chance"]) == (0.0, True, True)


class TestRankings:
    LANGUAGES = ("de", "en")

    def dataset(self, build, *, withheld=False):
        """Six questions in two languages; each has an answer in each, and every third sentence answers nothing."""
        segments, side, examples, vectors = [], [], [], []
        for shift, language in enumerate(self.LANGUAGES):
            for n in range(6):
                side.append(0)
                examples.append({"id": f"q{n}", "keys": None if withheld else [f"q{n}"]})
                vectors.append(np.eye(8)[n] * (1 + shift))
            for n in range(9):
                side.append(1)
                answers = [] if n >= 6 else [f"q{n}"]
                examples.append({"id": f"{language}_1_{n}", "keys": answers})
                vectors.append(np.eye(8)[n % 8] + 0.2 * shift * np.eye(8)[(n + 1) % 8])
            segments.append(("test", language, 15))
        return build(Head.RETRIEVAL, segments, [[2]] * 30, {"side": side}, examples), np.array(vectors, np.float32)

    def test_average_precision_over_the_pool_of_all_languages(self, build, tmp_path):
        dataset, vectors = self.dataset(build)
        blurred = np.ones_like(vectors)
        metrics = score_target(dataset, params(Metric.MAP_20), RetrievalOutputs([blurred, vectors]), tmp_path)
        gold = {f"q{n}": [f"{language}_1_{n}" for language in self.LANGUAGES] for n in range(6)}
        for language in self.LANGUAGES:
            entry = metrics["languages"][language]
            rankings = json.loads((tmp_path / f"predictions/target/test-{language}.json").read_text())
            assert {len(row) for row in rankings.values()} == {18}
            assert entry["n"] == 6
            assert entry["score"] == pytest.approx(mean_average_precision(gold, rankings), abs=1e-9)
            assert entry["metrics"]["map@20@state01"] == entry["metrics"]["map@20"] == entry["score"]
            assert entry["chance"] == pytest.approx(100 * random_precision(2, 18))
            assert entry["metrics"]["map@20@state00"] < entry["score"]
            # q0 has the third answer-like vector of row 8: a sentence that answers nothing stands between.
            values = [value for (code, _), value in outcomes(tmp_path, "precision").items() if code == language]
            assert 100 * np.mean(values) == pytest.approx(entry["score"])
        assert aggregate("map-20", ["de"], {"de": metrics["languages"]["de"]["metrics"]}).score > 80

    def test_equally_near_candidates_stand_in_reverse_order(self, build, tmp_path):
        dataset, vectors = self.dataset(build)
        score_target(dataset, params(Metric.MAP_20), RetrievalOutputs([np.ones_like(vectors)] * 2), tmp_path)
        ranking = json.loads((tmp_path / "predictions/target/test-de.json").read_text())["q0"]
        assert ranking[:3] == ["en_1_8", "en_1_7", "en_1_6"]

    def test_one_answer_to_everything_is_degenerate(self, build, tmp_path):
        dataset, vectors = self.dataset(build)
        metrics = score_target(dataset, params(Metric.MAP_20), RetrievalOutputs([np.ones_like(vectors)] * 2), tmp_path)
        assert [entry["degenerate"] for entry in metrics["languages"].values()] == [True, True]

    def test_withheld_answers_are_ranked_only(self, build, tmp_path):
        dataset, vectors = self.dataset(build, withheld=True)
        metrics = score_target(dataset, params(Metric.MAP_20), RetrievalOutputs([vectors] * 2), tmp_path)
        entry = metrics["languages"]["de"]
        assert (entry["score"], entry["metrics"]) == (None, {})
        assert json.loads((tmp_path / "predictions/target/test-de.json").read_text())["q3"][0].endswith("_3")

    def test_reciprocal_rank_among_entities_of_all_languages(self, build, tmp_path):
        mentions = [{"id": f"{code}{n}", "keys": [f"Q{n}"]} for code in self.LANGUAGES for n in range(3)]
        entities = [{"id": f"Q{n}", "keys": [f"Q{n}"]} for n in range(30) if n != 2]
        segments = [("test", "de", 3), ("test", "en", 3), ("test", "*", 29)]
        dataset = build(Head.RETRIEVAL, segments, [[2]] * 35, {"side": [0] * 6 + [1] * 29}, mentions + entities)
        rng = np.random.default_rng(0)
        vectors = rng.standard_normal((35, 6)).astype(np.float32)
        metrics = score_target(dataset, params(Metric.MEWSLI), RetrievalOutputs([vectors, vectors]), tmp_path)
        assert set(metrics["languages"]) == {"de", "en"}
        for language in self.LANGUAGES:
            entry = metrics["languages"][language]
            rankings = json.loads((tmp_path / f"predictions/target/test-{language}.json").read_text())
            gold = {f"{language}{n}": [f"Q{n}"] for n in range(3)}
            assert entry["score"] == pytest.approx(mean_reciprocal_rank(gold, rankings), abs=1e-9)
            assert outcomes(tmp_path, "precision")[language, f"{language}2"] == 0  # Q2 is no candidate
            guess = 100 * sum(1 / rank for rank in range(1, 21)) / 29
            assert entry["chance"] == pytest.approx(guess * 2 / 3)


@pytest.mark.parametrize(("right", "pool"), [(1, 5), (3, 8), (2, 2), (6, 30)])
def test_guessing_is_what_random_orders_score(right, pool):
    rng = np.random.default_rng(0)
    values = []
    for _ in range(4000):
        hits = rng.permutation(pool)[:20] < right
        values.append((hits * np.cumsum(hits) / np.arange(1, len(hits) + 1)).sum() / min(right, 20))
    error = np.std(values) / math.sqrt(len(values))
    assert random_precision(right, pool) == pytest.approx(np.mean(values), abs=4 * error + 1e-12)
    assert random_precision(0, pool) == 0
