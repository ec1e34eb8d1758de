"""The hub through the `datasets` library: the hub itself, or a copy of a data set's repository in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stilts_core.data.hub.writers import Row
from stilts_core.errors import MissingInputError, SpecError, StorageError

_COMMIT = re.compile(r"[0-9a-f]{40}")


class DatasetsHub:
    """See `pull.Hub`.

    Args:
        folder: a copy of the repository, where the hub itself is not to be asked.
        cache: where the library keeps what it makes of the files; default: its own folder.

    Raises:
        MissingInputError: there is no such folder, or the library is not installed.
    """

    def __init__(self, folder: Path | None = None, cache: Path | None = None) -> None:
        if find_spec("datasets") is None:
            raise MissingInputError(
                "The package `datasets` is not installed.", hint="It comes with the training packages: 'stilts[train]'."
            )
        if folder is not None and not folder.is_dir():
            raise MissingInputError(f"{folder} is not a folder.", hint="Name the copy of the data set's repository.")
        self._folder = folder
        self._cache = cache
        self._split: tuple[tuple[str, str, str], Any] | None = None

    def resolve(self, hub: str, revision: str | None, pinned: str) -> str | None:
        """The commit; of a folder it is what the user says, or the name that the hub's own cache gives a folder.

        Raises:
            SpecError: neither a revision is named, nor one pinned.
            StorageError: the hub cannot be reached, or has no such revision.
        """
        if self._folder is not None:
            name = self._folder.absolute().name
            return revision or (name if _COMMIT.fullmatch(name) else None)
        wanted = revision or pinned
        if not wanted:
            raise SpecError(
                f"No commit of {hub} is pinned, because none could be verified.",
                hint="Name one with --revision (for a set that is a loading script, refs/convert/parquet); what it "
                "resolves to is recorded beside the files.",
            )
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return str(HfApi().dataset_info(hub, revision=wanted).sha)
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise self._unreachable(hub, wanted, error) from error

    def rows(self, hub: str, config: str, split: str, commit: str | None) -> Iterator[Row]:
        """The rows of a split, class labels as their names.

        Raises:
            StorageError: the hub cannot be reached, or has no such data set, configuration or split.
        """
        key = (hub, config, split)
        if self._split is None or self._split[0] != key:
            self._split = (key, self._load(hub, config, split, commit))
        data = self._split[1]
        names = _names(data.features)
        for row in data:
            yield {column: _named(value, names.get(column)) for column, value in row.items()}

    def _load(self, hub: str, config: str, split: str, commit: str | None) -> Any:
        import datasets

        datasets.disable_progress_bars()
        place: dict[str, Any] = {"path": hub, "revision": commit}
        if self._folder is not None:
            place = {"path": str(self._folder)}
        cache = None if self._cache is None else str(self._cache)
        try:
            return datasets.load_dataset(**place, name=config, split=split, cache_dir=cache)
        except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
            raise self._unreachable(f"{hub}, configuration {config}, split {split},", commit, error) from error

    def _unreachable(self, what: str, revision: str | None, error: Exception) -> StorageError:
        place = "the hub" if self._folder is None else str(self._folder)
        at = f" at {revision}" if revision else ""
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return StorageError(
            f"{what} cannot be had from {place}{at}: {reason}",
            hint="Without the hub, take a copy of the repository here and name it with --from.",
        )


def _names(features: Any) -> dict[str, tuple[str, ...]]:
    """Column → the names of its class labels."""
    found = {}
    for column, feature in features.items():
        inner = getattr(feature, "feature", feature)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if hasattr(inner, "names"):
            found[column] = tuple(inner.names)
    return found


def _named(value: Any, names: tuple[str, ...] | None) -> Any:
    if names is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if value is not None and value >= 0 else None
