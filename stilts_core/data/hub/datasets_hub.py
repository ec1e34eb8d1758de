"""The hub through the `datasets` library: the hub itself, or a copy of a data set's repository in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stilts_core.data.hub.writers import Row
from stilts_core.errors import MissingInputError, StorageError


class DatasetsHub:
    """See `pull.Hub`.

    Args:
        folder: a copy of the repository, where the hub itself is not to be asked.
        cache: where the library keeps what it makes of the files; default: its own folder.
    """

    def __init__(self, folder: Path | None = None, cache: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise MissingInputError(f"{folder} is not a folder.", hint="Name the copy of the data set's repository.")
        self._folder = folder
        self._cache = cache
        self._split: tuple[tuple[str, str, str, str], Any] | None = None

    def resolve(self, hub: str, revision: str) -> str:
        """The commit; of a folder nothing can be asked, so that it is the revision itself.

        Raises:
            StorageError: the hub cannot be reached, or has no such revision.
        """
        if self._folder is not None:
            return revision
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return str(HfApi().dataset_info(hub, revision=revision).sha)
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise self._unreachable(hub, revision, error) from error

    def rows(self, hub: str, config: str, split: str, revision: str) -> Iterator[Row]:
        """The rows of a split, class labels as their names.

        Raises:
            StorageError: the hub cannot be reached, or has no such data set, configuration or split.
        """
        key = (hub, config, split, revision)
        if self._split is None or self._split[0] != key:
            self._split = (key, self._load(hub, config, split, revision))
        data = self._split[1]
        names = _names(data.features)
        for row in data:
            yield {column: _named(value, names.get(column)) for column, value in row.items()}

    def _load(self, hub: str, config: str, split: str, revision: str) -> Any:
        import datasets

        datasets.disable_progress_bars()
        place: dict[str, Any] = {"path": hub, "revision": revision}
        if self._folder is not None:
            place = {"path": str(self._folder)}
        cache = None if self._cache is None else str(self._cache)
        try:
            return datasets.load_dataset(**place, name=config, split=split, cache_dir=cache)
        except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
            raise self._unreachable(f"{hub}, configuration {config}, split {split},", revision, error) from error

    def _unreachable(self, what: str, revision: str, error: Exception) -> StorageError:
        place = "the hub" if self._folder is None else str(self._folder)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return StorageError(
            f"{what} cannot be had from {place} at {revision}: {reason}",
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
