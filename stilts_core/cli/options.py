"""The options that several verbs share, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from stilts_core.planning.plan import Plan
    from stilts_core.spec.profile import Profile, StoreSettings
    from stilts_core.storage.base import Store

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

DEFAULT_STORE = "store"

study_argument = click.argument("study", type=click.Path(path_type=Path), metavar="STUDY")
store_option = click.option(
    "--store", metavar="URI", help=f"A folder or s3://bucket/prefix. Default: the profile's, else ./{DEFAULT_STORE}."
)
data_option = click.option(
    "--data", "data_root", metavar="ROOT", help="Where the data lie, instead of what the study says."
)
profile_option = click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where and on what it runs. Default: this machine.",
)

only_option = click.option(
    "--only", multiple=True, metavar="NAME", help="Write this file alone (tables/gains.csv); may stand several times."
)
format_option = click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["latex", "markdown"]),
    help="Also write the report's tables so, for a paper; may stand twice.",
)


def study_options(command: CommandT) -> CommandT:
    """STUDY, --store, --data and --profile."""
    return study_argument(store_option(data_option(profile_option(command))))


def store_settings(profile: Profile, store: str | None) -> StoreSettings:
    """The store that a command speaks to: the option, else the profile's, else a folder of the working directory.

    A folder comes out absolute, so that it means the same in every process.
    """
    uri = store or profile.spec.store.uri or DEFAULT_STORE
    if "://" not in uri:
        uri = str(Path(uri).expanduser().absolute())
    return profile.spec.store.model_copy(update={"uri": uri})


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """What STUDY and its options stand for."""

    profile: Profile
    settings: StoreSettings
    store: Store
    plan: Plan


def open_study(study: Path, store: str | None, data_root: str | None, profile_path: Path | None) -> OpenedStudy:
    """Read the profile, open the store, and plan the study.

    Raises:
        StiltsError: one of them cannot be had.
    """
    from stilts_core.planning.load import plan_study
    from stilts_core.spec.load import load_profile
    from stilts_core.storage.open import open_store

    profile = load_profile(profile_path)
    settings = store_settings(profile, store)
    opened = open_store(settings.uri or "", settings.s3)
    return OpenedStudy(profile, settings, opened, plan_study(study, data_root=data_root, profile=profile))
