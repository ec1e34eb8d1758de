"""`stilts plan`: what a study becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stilts_core.cli.options import study_options

if TYPE_CHECKING:
    from stilts_core.cli.plan_view import Time
    from stilts_core.planning.plan import Plan
    from stilts_core.spec.profile import Profile
    from stilts_core.storage.manifest import Manifest

_SECONDS = "seconds"  # of a manifest's `run`


@click.command("plan", epilog="Example: stilts plan jobs/quickstart.yaml --explain")
@study_options
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Cores (or GPUs) to estimate for. Default: all.")
@click.option("--no-data", is_flag=True, help="Look at no data, encoder or store; sizes come from the catalogue.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan itself.")
@click.option("--explain", is_flag=True, help="Print every setting of every training, and where it comes from.")
def command(
    study: Path,
    store: str | None,
    data_root: str | None,
    profile_path: Path | None,
    slots: int | None,
    as_json: bool,
    explain: bool,
    no_data: bool,
) -> None:
    """Show what a study becomes: its stages, what they share, what is done already, how long the rest may take."""
    if as_json and explain:
        raise click.UsageError("--json and --explain exclude each other.")
    from stilts_core.planning.load import load_plan
    from stilts_core.spec.load import load_profile

    profile = load_profile(profile_path)
    planned = load_plan(study, data_root=data_root, profile=profile, no_data=no_data)
    if as_json:
        click.echo(planned.plan.model_dump_json(indent=1))
        return
    from rich.console import Console

    from stilts_core.cli import plan_view

    console = Console(highlight=False)
    if explain:
        from stilts_core.planning.explain import explain as explanations

        found = explanations(planned.study, planned.catalogue, planned.encoders)
        plan_view.show_settings(console, planned.loaded, planned.plan.protocol, found)
        return
    if no_data:
        time = _time(planned.plan, profile, slots, {})
        plan_view.show_plan(console, planned.study, planned.plan, "not looked at", frozenset(), time)
        return
    from stilts_core.cli.options import store_settings
    from stilts_core.storage.commit import read_manifests
    from stilts_core.storage.open import open_store

    settings = store_settings(profile, store)
    opened = open_store(settings.uri or "", settings.s3)
    done = read_manifests(opened, (stage.fingerprint for stage in planned.plan.stages))
    time = _time(planned.plan, profile, slots, done)
    plan_view.show_plan(console, planned.study, planned.plan, settings.uri or "", frozenset(done), time)


def _time(plan: Plan, profile: Profile, slots: int | None, done: dict[str, Manifest]) -> Time:
    from stilts_core.cli.plan_view import Time
    from stilts_core.engine.local.placement import LocalPlacement, usable_cores, visible_gpus
    from stilts_core.planning.estimate import DEFAULT_GPU_RATE, DEFAULT_RATE, estimate, measured_rates
    from stilts_core.planning.plan import StageKind

    gpus = visible_gpus()
    if profile.spec.device == "cuda" and not gpus:  # planned here, run elsewhere
        gpus = [str(index) for index in range(slots or profile.spec.local.slots or 1)]
    placement = LocalPlacement(profile.spec, slots=slots, cores=usable_cores(), gpus=gpus)
    widths = {}
    for stage in plan.stages:
        if stage.kind not in widths:
            need = placement.need(stage)
            widths[stage.kind] = max(need.cores, need.devices) if placement.device == "cpu" else max(1, need.devices)
    assumed = dict.fromkeys(StageKind, DEFAULT_RATE if placement.device == "cpu" else DEFAULT_GPU_RATE)
    assumed[StageKind.PREPARE] = DEFAULT_RATE
    finished = []
    for stage in plan.stages:
        manifest = done.get(stage.fingerprint)
        seconds = manifest.run.get(_SECONDS) if manifest else None
        if isinstance(seconds, int | float):
            finished.append((stage, float(seconds)))
    rates = measured_rates(finished)
    found = estimate(plan, slots=placement.slots, done=set(done), rates=rates, assumed=assumed, widths=widths)
    return Time(found, placement.device)
