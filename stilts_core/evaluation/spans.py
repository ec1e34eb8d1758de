"""Judge of the span head: SQuAD, with and without questions that have no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from stilts_core.catalog.models import SquadRules
from stilts_core.data.dataset import Array, Dataset
from stilts_core.evaluation.decode import best_spans, random_spans
from stilts_core.evaluation.examples import identifiers, languages_of, questions
from stilts_core.evaluation.judgement import Judgement, is_degenerate, mean_error, unlabelled
from stilts_core.evaluation.outputs import SpanOutputs
from stilts_core.evaluation.predictions import answer_file
from stilts_core.evaluation.scorers import mlqa, squad, squad_v2
from stilts_core.evaluation.scorers.squad import AnswerScores, Question

_GUESSES = 1000
_NULL_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class SpanJudge:
    """Mean of exact match and F1; with null answers, of their best values over null thresholds.

    Without null answers the rules are those of SQuAD v1.1, or of the functions of v2.0, or MLQA's for the language of
    the file.

    Guessing takes a random span of the context: the token it begins at and its length, up to the longest answer that is
    decoded, are drawn uniformly, for 1,000 questions drawn with replacement and a fixed seed. With null answers it
    is the better of this and of leaving every question unanswered.
    """

    dataset: Dataset
    outputs: SpanOutputs
    answer_length: int
    null_answers: bool
    rules: SquadRules = SquadRules.V1
    mlqa: bool = False

    def judge(self, examples: Array) -> Judgement:
        spans = best_spans(
            self.dataset,
            self.outputs.start,
            self.outputs.end,
            self.answer_length,
            self.null_answers,
            examples=examples,
        )
        ids = identifiers(self.dataset, examples)
        answers = {id_: span.text for id_, span in zip(ids, spans, strict=True)}
        files = {".json": answer_file(answers)}
        nulls: dict[str, float] = {}
        if self.null_answers:
            nulls = {id_: span.null_probability for id_, span in zip(ids, spans, strict=True)}
            files[".null.json"] = answer_file(nulls)
        known = questions(self.dataset, examples)
        gold = [question for question in known if question is not None]
        note = unlabelled(len(known) - len(gold), len(examples))
        if note:
            return Judgement(n=len(examples), files=files, note=note)
        degenerate = is_degenerate(
            ["" if nulls.get(id_, 0.0) > _NULL_THRESHOLD else answers[id_] for id_ in ids],
            [question.answers for question in gold],
        )
        if self.null_answers:
            return _judged_with_nulls(examples, gold, answers, nulls, files, degenerate)
        scores = self._scores(gold, answers, examples)
        return Judgement(
            n=len(examples),
            files=files,
            score=(scores.exact_percent + scores.f1_percent) / 2,
            measures={"exact_match": scores.exact_percent, "f1": scores.f1_percent},
            rows=examples,
            outcomes=_outcomes(scores),
            error=_error(scores),
            degenerate=degenerate,
        )

    def chance(self, examples: Array) -> float:
        rng = np.random.default_rng(0)
        drawn = rng.choice(examples, size=_GUESSES)
        # Each draw is a question of its own, also where it is drawn again.
        known = [question for question in questions(self.dataset, drawn) if question is not None]
        gold = [Question(str(number), question.answers) for number, question in enumerate(known)]
        guesses = enumerate(random_spans(self.dataset, self.answer_length, rng, examples=drawn))
        answers = {str(number): text for number, text in guesses}
        scores = self._scores(gold, answers, drawn)
        guessed = (scores.exact_percent + scores.f1_percent) / 2
        if not self.null_answers:
            return guessed
        everyone = questions(self.dataset, examples)
        silent = sum(question is not None and not question.answers for question in everyone)
        return max(guessed, 100 * silent / len(examples))

    def _scores(self, gold: Sequence[Question], answers: dict[str, str], examples: Array) -> AnswerScores:
        if self.mlqa:
            languages = languages_of(self.dataset, examples)
            parts = [
                mlqa.score([question for _, question in part], answers, language)
                for language, part in groupby(zip(languages, gold, strict=True), key=lambda pair: pair[0])
            ]
            return AnswerScores(tuple(x for p in parts for x in p.exact), tuple(x for p in parts for x in p.f1))
        v2 = self.null_answers or self.rules is SquadRules.V2
        return squad_v2.score(gold, answers) if v2 else squad.score(gold, answers)


def _judged_with_nulls(
    examples: Array,
    gold: Sequence[Question],
    answers: dict[str, str],
    nulls: dict[str, float],
    files: dict[str, str],
    degenerate: bool,
) -> Judgement:
    exact, f1 = squad_v2.best_thresholds(gold, answers, nulls)
    plain = squad_v2.score(gold, answers, nulls, threshold=_NULL_THRESHOLD)
    best = AnswerScores(
        exact=squad_v2.score(gold, answers, nulls, threshold=exact.threshold).exact,
        f1=squad_v2.score(gold, answers, nulls, threshold=f1.threshold).f1,
    )
    return Judgement(
        n=len(examples),
        files=files,
        score=(exact.score + f1.score) / 2,
        measures={
            "exact_match": plain.exact_percent,
            "f1": plain.f1_percent,
            "best_exact_match": exact.score,
            "best_f1": f1.score,
        },
        thresholds={"best_exact_match": exact.threshold, "best_f1": f1.threshold},
        rows=examples,
        outcomes=_outcomes(best),
        error=_error(best),
        degenerate=degenerate,
    )


def _outcomes(scores: AnswerScores) -> dict[str, Array]:
    return {"exact_match": np.array(scores.exact), "f1": np.array(scores.f1)}


def _error(scores: AnswerScores) -> float:
    return mean_error((np.array(scores.exact) + np.array(scores.f1)) / 2)
