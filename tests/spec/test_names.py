"""Names of a study against the catalogue: each problem at its place, with what is allowed and what is near."""

from __future__ import annotations

from pathlib import Path

import pytest

from stilts_core.catalog.load import load_catalogue
from stilts_core.catalog.nearest import listed
from stilts_core.errors import SpecError
from stilts_core.spec.load import load_study
from stilts_core.spec.names import check_names

HEAD = "kind: Study\nmetadata: {name: a}\nspec:\n"
SPEC = {
    "encoders": "[xlm-roberta-base]",
    "curricula": "[baseline]",
    "targets": "[xnli]",
}


def check(folder: Path, **parts: str) -> None:
    path = folder / "study.yaml"
    path.write_text(HEAD + "".join(f"  {name}: {text}\n" for name, text in (SPEC | parts).items()))
    loaded = load_study(path)
    check_names(loaded, load_catalogue(loaded.study.spec.tasks))


@pytest.mark.parametrize(
    "parts",
    [
        {"encoders": "[FacebookAI/xlm-roberta-large, ./mine, /data/other, s3://bucket/encoder, rembert]"},
        {"curricula": "[mnli, xnli, {name: a, steps: [{mix: [mnli, {mlm: xtreme}]}, {task: mlm, mlm: 'de, fr'}]}]"},
        {"curricula": "[{name: a, steps: [{task: mnli, languages: [de, ru, sw]}]}]"},
        {"targets": "[{task: xquad, languages: [ro, de]}, {task: tatoeba, languages: [az], rows: [0.5, 1]}, tydiqa]"},
        {"overrides": "[{match: {task: mix}, set: {max_steps: null, patience: 0}}]"},
        {"curricula": "[anli_plus, ccg, {name: a, steps: [{mix: [anli_plus, qqp]}]}]", "targets": "[xcopa, anli_plus]"},
        {"tasks": "[{name: own, title: Own, head: span, metric: squad, languages: [hau]}]", "targets": "[own, xnli]"},
    ],
    ids=["encoders", "curricula", "translated", "extra languages", "overrides", "parts", "own tasks"],
)
def test_what_is_allowed(parts: dict[str, str], tmp_path: Path) -> None:
    if "tasks" in parts:
        source = (
            "train: [{path: 'o/{lang}.json', format: squad-json}], test: [{path: 'o/{lang}.json', format: squad-json}]"
        )
        parts = parts | {"tasks": parts["tasks"].replace("languages:", f"{source}, languages:")}
    check(tmp_path, **parts)


LANGUAGES = "allowed: en, af, ar, az, bg, bn, de, el, es, et, eu, fa and 38 more"

GOLDEN = {
    "encoder": (
        {"encoders": "[glot500-bse]"},
        (
            '4:14: spec.encoders[0]: unknown encoder "glot500-bse"; allowed: xlm-roberta-base, xlm-roberta-large, '
            "xlm-roberta-xl, xlm-roberta-xxl, infoxlm-base, infoxlm-large, xlm-align-base, xlm-v-base, "
            'mdeberta-v3-base, rembert, mt5-small, mt5-base and 14 more; did you mean "glot500-base"? (a hub id has '
            "the form OWNER/NAME, a folder ./glot500-bse)"
        ),
    ),
    "task of a curriculum": (
        {"curricula": "[baseline, hellaswg]"},
        (
            f'5:25: spec.curricula[1]: unknown task "hellaswg"; allowed: {listed(load_catalogue().tasks)}; '
            'did you mean "hellaswag"?'
        ),
    ),
    "retrieval as a step": (
        {"curricula": "[tatoeba]"},
        "5:15: spec.curricula[0]: tatoeba is retrieval, which cannot be a step of a curriculum",
    ),
    "a target without the training that it needs": (
        {"targets": "[{task: xnli, training: false}]"},
        "6:36: spec.targets[0].training: only a retrieval target can do without training; xnli needs it",
    ),
    "a training without its set": (
        {"targets": "[{task: tatoeba, training: true}]"},
        "6:39: spec.targets[0].training: tatoeba has no training set",
    ),
    "a limit of no training": (
        {"targets": "[{task: lareqa, training: false, train_limit: 5}]"},
        "6:58: spec.targets[0].train_limit: lareqa has no training",
    ),
    "retrieval in other languages": (
        {"targets": "[{task: lareqa, translate_train: {languages: [de]}}]"},
        "6:45: spec.targets[0].translate_train: lareqa is trained on its English set alone",
    ),
    "a step without training data": (
        {"curricula": "[{name: a, steps: [{task: xquad}]}]"},
        (
            "5:40: spec.curricula[0].steps[0].task: xquad has no training set of its own; its training set is that of "
            "squad_v1"
        ),
    ),
    "language of a step": (
        {"curricula": "[{name: a, steps: [{task: mnli, languages: [swa]}]}]"},
        (
            '5:58: spec.curricula[0].steps[0].languages[0]: unknown language that mnli can be trained in "swa"; '
            f'{LANGUAGES}; did you mean "sw"?'
        ),
    ),
    "text of mlm": (
        {"curricula": "[{name: a, steps: [{mlm: 'xtreme, klingon'}]}]"},
        (
            '5:39: spec.curricula[0].steps[0].mlm: unknown language or group of languages "klingon"; allowed: xtreme, '
            "xtreme-r, af, ar, az, bg, bn, de, el, en, es, et and 40 more"
        ),
    ),
    "mlm of another task": (
        {"curricula": "[{name: a, steps: [{task: mnli, mlm: xtreme}]}]"},
        "5:51: spec.curricula[0].steps[0].mlm: `mlm` names the text of masked-language training; mnli is another task",
    ),
    "target without metric": ({"targets": "[mlm]"}, "6:13: spec.targets[0]: mlm has no metric and cannot be a target"),
    "language of a target": (
        {"targets": "[{task: xquad, languages: [fi]}]"},
        (
            '6:39: spec.targets[0].languages[0]: unknown language of xquad "fi"; allowed: ar, de, el, en, es, hi, ru, '
            "th, tr, vi, zh, ro"
        ),
    ),
    "no language": (
        {"targets": "[{task: xquad, languages: []}]"},
        "6:38: spec.targets[0].languages: needs at least one language",
    ),
    "rows of a trained target": (
        {"targets": "[{task: xnli, rows: [0, 0.5]}]"},
        "6:32: spec.targets[0].rows: only a retrieval target has rows; xnli takes a `limit`",
    ),
    "an empty share": (
        {"targets": "[{task: tatoeba, rows: [0.5, 0.5]}]"},
        "6:35: spec.targets[0].rows: the share [0.5, 0.5) is empty; the first number must be the smaller",
    ),
    "protocol": (
        {"protocol": "xtreme"},
        (
            '7:13: spec.protocol: unknown protocol "xtreme"; allowed: xtreme-2020, jiant, corrected; did you mean '
            '"xtreme-2020"?'
        ),
    ),
    "question": (
        {"questions": "[tranfer]"},
        (
            '7:15: spec.questions[0]: unknown question "tranfer"; allowed: transfer, morphology, efficiency, metrics, '
            'languages, order; did you mean "transfer"?'
        ),
    ),
    "setting": (
        {"overrides": "[{set: {batchsize: 3}}]"},
        (
            '7:22: spec.overrides[0].set: unknown setting "batchsize"; allowed: learning_rate, batch_size, '
            "epochs, max_steps, embedding_rate, warmup, weight_decay, clip, adam_epsilon, adam_beta2, max_length, "
            'doc_stride and 8 more; did you mean "batch_size"?'
        ),
    ),
    "value of a setting": (
        {"overrides": "[{set: {warmup: 1}}]"},
        "7:30: spec.overrides[0].set.warmup: must be below 1, not 1",
    ),
    "kind of a setting": (
        {"overrides": "[{set: {batch_size: 2.5}}]"},
        "7:34: spec.overrides[0].set.batch_size: must be a whole number, not 2.5",
    ),
    "curriculum of an override": (
        {"overrides": "[{match: {curriculum: base}, set: {epochs: 1}}]"},
        (
            '7:36: spec.overrides[0].match.curriculum: unknown curriculum "base"; allowed: baseline; did you mean '
            '"baseline"?'
        ),
    ),
    "path of a text": (
        {
            "encoders": "[{name: a, pretrain: {objectives: {mlm: 1}, "
            "text: [{path: '../{l}.txt', format: text-lines}]}}]",
        },
        (
            '4:71: spec.encoders[0].pretrain.text[0].path: "../{l}.txt" is no path under the data root; write it '
            "without / at its ends, and without .."
        ),
    ),
    "format of an own task": (
        {
            "tasks": "[{name: own, title: Own, head: choice, metric: accuracy, "
            "dev: [{path: a.json, format: squad-json}]}]",
        },
        "7:96: spec.tasks[0].dev[0].format: squad-json holds no choice data; allowed: hellaswag-jsonl, xcopa-jsonl",
    ),
    "a part of another kind": (
        {
            "tasks": "[{name: own, title: Own, head: classification, metric: accuracy, labels: ['0', '1'], "
            "parts: [qqp, squad_v1]}]"
        },
        "spec.tasks[0].parts[1]: squad_v1 has another head than own, or other labels, or in another order",
    ),
    "a part that is not there": (
        {
            "tasks": "[{name: own, title: Own, head: classification, metric: accuracy, labels: ['0', '1'], "
            "parts: [qqp, anli_pls]}]"
        },
        'spec.tasks[0].parts[1]: unknown task "anli_pls"',
    ),
    "parts beside files": (
        {
            "tasks": "[{name: own, title: Own, head: classification, metric: accuracy, labels: ['0', '1'], "
            "parts: [qqp, pawsx], train: [{path: a.tsv, format: pairs-tsv}]}]"
        },
        "7:11: spec.tasks[0]: own has `parts`, so its data are theirs: leave out train, dev and test",
    ),
    "a list of labels without labels": (
        {
            "tasks": "[{name: own, title: Own, head: tagging, metric: tag-f1, "
            "labels_from: [{path: a.json, format: squad-json}]}]"
        },
        "spec.tasks[0].labels_from[0].format: squad-json gives no list of labels",
    ),
    "labels of an own task": (
        {"tasks": "[{name: own, title: Own, head: tagging, metric: tag-f1, labels: [A, A]}]"},
        "7:11: spec.tasks[0]: own needs `labels`: at least two, all different",
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_what_means_nothing_is_said_where_it_is(case: str, tmp_path: Path) -> None:
    parts, expected = GOLDEN[case]
    with pytest.raises(SpecError) as caught:
        check(tmp_path, **parts)
    assert expected in str(caught.value)
