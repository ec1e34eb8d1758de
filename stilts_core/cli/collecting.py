"""What the verbs that write results share: the study's tables as they stand, and files on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stilts_core.errors import SpecError, StorageError

if TYPE_CHECKING:
    from stilts_core.analysis.analyse import Analysis
    from stilts_core.analysis.collected import Collected
    from stilts_core.cli.options import OpenedStudy
    from stilts_core.engine.states import Status


def collect_now(study: Path, store: str | None, data_root: str | None, profile_path: Path | None) -> Collected:
    """What has committed of a study, with the reasons why the rest has not as far as the store knows them."""
    from stilts_core.cli.options import open_study

    return collected_of(open_study(study, store, data_root, profile_path))


def collected_of(opened: OpenedStudy) -> Collected:
    """As `collect_now`, of a study that is open."""
    import time

    from stilts_core.analysis.collect import read
    from stilts_core.engine.look import look

    return read(opened.store, opened.plan, gap_reasons(look(opened.store, opened.plan, time.time())))


def gap_reasons(statuses: Mapping[str, Status]) -> dict[str, str]:
    """Fingerprint → why a stage has not committed, for the stages that have not."""
    from stilts_core.engine.states import GOOD

    return {name: _gap_reason(status, statuses) for name, status in statuses.items() if status.state not in GOOD}


def _gap_reason(status: Status, statuses: Mapping[str, Status]) -> str:
    """What a stage is, and why; of one that is blocked also why the first of those that failed did."""
    from stilts_core.errors import DivergedError

    word = "diverged" if status.exit_code == DivergedError.exit_code else status.state.value
    culprit = statuses.get(status.blocked_by[0]) if status.blocked_by else None
    more = "" if culprit is None else f". It {_gap_reason(culprit, statuses)}"
    return (f"{word}: {status.why}" if status.why else word) + more


def write_files(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write files below a folder, made where it is not there.

    Raises:
        StorageError: a file could not be written.
    """
    written = []
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise StorageError(
                f"{path} could not be written: {error.strerror}.", hint="Choose another place with --out."
            ) from error
        written.append(path)
    return written


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[Path]:
    """A place for files that come into a folder once the block has ended, or not at all where it raises.

    Raises:
        StorageError: the folder could not be written.
    """
    import shutil
    import tempfile

    from stilts_core.storage.failures import folder_failure

    place: Path | None = None
    above = [each for each in folder.parents if not each.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside it, so that moving a file there is no copy.
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        yield place
        for path in sorted(place.rglob("*")):
            target = folder / path.relative_to(place)
            if path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    except OSError as error:
        raise folder_failure(error, "write", folder) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        for each in above:
            with suppress(OSError):  # it is not empty, or was not made
                each.rmdir()


def only_these(files: Mapping[str, bytes], names: Sequence[str]) -> Mapping[str, bytes]:
    """Some of the files; all of them where no name is given.

    Raises:
        SpecError: there is no such file.
    """
    from stilts_core.catalog.nearest import unknown

    for name in names:
        if name not in files:
            raise SpecError(f"{unknown('file', name, files).capitalize()}.")
    return {name: files[name] for name in names} or files


def gain_lines(collected: Collected | Analysis) -> Iterator[str]:
    """The gains as a table in plain text: a row for each curriculum (and encoder), a column for each target."""
    from stilts_core.analysis.report.words import NOTHING, score, signed
    from stilts_core.analysis.summary import ALL_TARGETS
    from stilts_core.spec.study import BASELINE

    targets = list(dict.fromkeys(row.target for row in collected.summary))
    head = ["gain, points", *("mean" if target == ALL_TARGETS else target for target in targets)]
    several = len(collected.scores.encoders) > 1
    rows: dict[str, list[str]] = {}
    for row in collected.summary:
        if row.curriculum != BASELINE:
            name = f"{row.encoder}/{row.curriculum}" if several else row.curriculum
            spread = "" if row.gain.sd is None else f" ± {score(row.gain.sd)}"
            rows.setdefault(name, []).append(signed(row.gain.mean) + spread if row.gain.values else NOTHING)
    if not rows:
        return
    lines = [head, *([name, *fields] for name, fields in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        fields = [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]
        yield "  ".join([line[0].ljust(widths[0]), *fields]).rstrip()
