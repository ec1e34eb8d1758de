"""From a study's file to its plan: the effects around `expand.make_plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stilts_core.catalog.load import Catalogue, load_catalogue
from stilts_core.data.root import open_data_root, overlay_for
from stilts_core.planning.encoders import assumed_encoders, resolve_encoders, unpinned, unseen
from stilts_core.planning.expand import make_plan
from stilts_core.planning.offline import NOTE, CatalogueFiles
from stilts_core.planning.params import EncoderSource
from stilts_core.planning.plan import Plan
from stilts_core.planning.quirks import quirk_notes
from stilts_core.spec.load import LoadedStudy, load_study
from stilts_core.spec.names import check_names
from stilts_core.spec.profile import Profile
from stilts_core.spec.study import Study


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A plan and what it was made from.

    Attributes:
        study: as planned: with the data root that was given instead of its own, if one was.
        encoders: the sources of the encoders that the study does not pretrain, by name.
    """

    loaded: LoadedStudy
    study: Study
    catalogue: Catalogue
    encoders: Mapping[str, EncoderSource]
    plan: Plan


def load_plan(
    study_path: Path,
    *,
    data_root: str | None = None,
    profile: Profile | None = None,
    cache: Path | None = None,
    no_data: bool = False,
) -> PlannedStudy:
    """Load a study and everything that its plan needs, and plan it.

    Args:
        study_path: the study's file.
        data_root: instead of the study's own.
        profile: says how an S3 endpoint is spoken to.
        cache: this user's folder for digests and downloads; default: `data.root.default_cache`.
        no_data: look at no data root and no encoder; the plan can be read, not run.

    Raises:
        SpecError: the study is wrong.
        MissingInputError: data or an encoder is not there.
        DataError: an index of digests is wrong, or a pattern fits several files.
        StorageError: data cannot be read.
    """
    loaded = load_study(study_path)
    study = loaded.study
    if data_root is not None:
        data = study.spec.data.model_copy(update={"root": data_root})
        study = study.model_copy(update={"spec": study.spec.model_copy(update={"data": data})})
    catalogue = load_catalogue(study.spec.tasks, overlay_for(study.spec.data.root))
    check_names(loaded, catalogue)
    if no_data:
        encoders = assumed_encoders(study, catalogue)
        plan = make_plan(study, catalogue, CatalogueFiles(catalogue), encoders)
        plan = plan.model_copy(update={"notes": (NOTE, *plan.notes, *unseen(study, catalogue, plan.cells))})
        return PlannedStudy(loaded, study, catalogue, encoders, plan)
    s3 = (profile or Profile()).spec.store.s3
    encoders = resolve_encoders(study, catalogue, cache, s3)
    root = open_data_root(study.spec.data.root, cache, s3)
    plan = make_plan(study, catalogue, root, encoders)
    notes = (
        *plan.notes,
        *unpinned(study, encoders),
        *unseen(study, catalogue, plan.cells),
        *quirk_notes(plan.stages, root, catalogue, cache),
    )
    plan = plan.model_copy(update={"data_root": _absolute(study.spec.data.root), "notes": notes})
    return PlannedStudy(loaded, study, catalogue, encoders, plan)


def plan_study(
    study_path: Path,
    *,
    data_root: str | None = None,
    profile: Profile | None = None,
    cache: Path | None = None,
) -> Plan:
    """The plan of a study's file; see `load_plan`."""
    return load_plan(study_path, data_root=data_root, profile=profile, cache=cache).plan


def _absolute(root: str) -> str:
    """A folder as it is called from any working directory; an address stays as it is."""
    return root if "://" in root else str(Path(root).expanduser().absolute())
