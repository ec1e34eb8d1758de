"""`stilts results --model`: the model of an arm, from the store to a folder."""

from __future__ import annotations

from pathlib import Path


def take_model(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    *,
    arm: str,
    target: str | None,
    seed: int | None,
    out: Path | None,
    force: bool,
) -> list[str]:
    """Put the model into a folder.

    Args:
        study: with the three after it, as for every verb on a study.
        arm: with ``target`` and ``seed``, as in `analysis.model.find.find_model`.
        out: the folder; default: ``results/<study>/models/<name of the model>``.
        force: the folder may hold a model already.

    Returns:
        What to tell: lines.

    Raises:
        StiltsError: there is no such model, it is not there yet, or it cannot be had or put there.
    """
    import time

    from stilts_core.analysis.model.card import model_card
    from stilts_core.analysis.model.fetch import check_folder, fetch, find_files
    from stilts_core.analysis.model.find import check_committed, find_model
    from stilts_core.analysis.rows import language_results, result_frame
    from stilts_core.analysis.scores import scores_of
    from stilts_core.cli.collecting import gap_reasons
    from stilts_core.cli.options import open_study
    from stilts_core.engine.look import look
    from stilts_core.spec.study import Study
    from stilts_core.storage.commit import read_manifests

    opened = open_study(study, store, data_root, profile_path)
    plan = opened.plan
    model = find_model(plan, Study.model_validate(plan.study), arm, target, seed)
    folder = out or Path("results") / plan.name / "models" / model.name
    check_folder(folder, force=force)
    evaluations = {cell.fingerprint for cell in plan.cells}
    manifests = read_manifests(opened.store, {*model.fingerprints(), *evaluations})
    if model.made_by.fingerprint not in manifests:
        check_committed(model, manifests, gap_reasons(look(opened.store, plan, time.time())))
    results = {name: language_results(manifests[name]) for name in evaluations if name in manifests}
    scores = scores_of(plan.name, plan.protocol, plan.cells, result_frame(plan, results))
    files = find_files(opened.store, model, manifests)
    card = model_card(plan, model, manifests, files, scores)
    made = fetch(opened.store, manifests[model.made_by.fingerprint], files, card, folder)
    size = sum(path.stat().st_size for path in made)
    head = f", with the head of {model.target}" if model.head else ""
    lines = [f"{path}" for path in made]
    if model.target and not model.trained_on_target:
        lines.append(f"{model.target} is scored without training: this is the encoder after the curriculum.")
    lines.append(f"Model: {folder} ({model.made_by.label}{head}; {size:,} bytes, verified)")
    return lines
