"""Where stages stand in for the real ones: an image for pods, and this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from cluster import stand_in_stages
from cluster.commands import ClusterError
from cluster.machine.thin import archived_reference, thin_reference, write_thin_image
from cluster.studies import ClusterStudy
from stilts_core.analysis.collect import collect
from stilts_core.engine.backend import Observation
from stilts_core.engine.local.launch import LocalRun, local_driver
from stilts_core.engine.local.placement import LocalPlacement
from stilts_core.engine.states import GOOD, Status
from stilts_core.spec.profile import StoreSettings
from stilts_core.storage.open import open_store

_ROOT = Path(__file__).parents[2]
_LIGHT, _TRAINING = (_ROOT / "build" / "images" / name for name in ("stilts.tar", "stilts-train.tar"))
_NAME = "localhost/stilts-stand-in"
_STAGES = "opt/stilts/lib/python3.11/site-packages/stilts_core/stages"


@dataclass(frozen=True)
class ImageArchive:
    """An archive of one image."""

    path: Path
    reference: str


def light_reference() -> str:
    """The name of the driver's image.

    Raises:
        ClusterError: it was not built.
    """
    return _reference(_LIGHT)


def training_reference() -> str:
    """The name of the stages' image.

    Raises:
        ClusterError: it was not built.
    """
    return _reference(_TRAINING)


@cache
def _reference(archive: Path) -> str:
    if not archive.is_file():
        raise ClusterError(f"there is no {archive.relative_to(_ROOT)}: make image-archive, then make cluster-up")
    return archived_reference(archive)


def stand_in_image(folder: Path) -> ImageArchive:
    """The light image, with stand-in stages in the place of the real ones.

    Args:
        folder: takes the archive.
    """
    light_reference()  # or say what to do
    source = Path(stand_in_stages.__file__).read_bytes()
    gone = (f"{_STAGES}/__pycache__/registry.cpython-311.pyc",)  # it would be taken for the source
    path = write_thin_image(folder, _NAME, _LIGHT, {f"{_STAGES}/registry.py": source}, gone)
    return ImageArchive(path, thin_reference(_NAME, path))


def run_here(study: ClusterStudy, folder: Path) -> dict[str, bytes]:
    """Run a study of stand-in stages on this machine, and give its results but for the report."""
    uri = str(folder / "store")
    store = open_store(uri)
    run = LocalRun(
        store=StoreSettings(uri=uri, s3=study.profile.spec.store.s3),
        cache=folder / "cache",
        placement=LocalPlacement(study.placement, slots=2, cores=2, gpus=[]),
        registry=stand_in_stages.__name__,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(_ROOT / "tests"), prepend=os.pathsep)
        with local_driver(study.plan, store, run, _Quiet()) as driver:
            statuses = driver.run()
    assert all(status.state in GOOD for status in statuses.values()), statuses
    return {name: content for name, content in collect(store, study.plan).items() if not name.endswith(".html")}


class _Quiet:
    def update(self, statuses: Mapping[str, Status], observations: Sequence[Observation]) -> None:
        pass

    def note(self, text: str) -> None:
        pass
