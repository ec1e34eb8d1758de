"""The manifest of a stage, found behind those that were withdrawn.

    stages/<fp[:2]>/<fp>/manifest.json     create-only; where its files are damaged, a `Withdrawn` in its place
    stages/<fp[:2]>/<fp>/manifest-2.json   the next one, create-only; and so on

A key holds nothing, then a manifest, then what says that it was withdrawn, and never goes back. So nobody has to be the
only one who repairs: a process that sleeps between finding damage and saying so can undo nothing that others did
meanwhile.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from stilts_core.errors import MissingInputError, StorageError
from stilts_core.model import digest
from stilts_core.storage.base import ContentError, Store
from stilts_core.storage.keys import check_key
from stilts_core.storage.manifest import Manifest, Withdrawn, manifest_key
from stilts_core.storage.parallel import bounded_map
from stilts_core.storage.repair import DamagedStageError, how_to_repair

_READERS = 16  # manifests at once
_DOCUMENT: TypeAdapter[Manifest | Withdrawn] = TypeAdapter(Annotated[Manifest | Withdrawn, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Head:
    """What counts of a stage's manifests.

    Attributes:
        generation: number of the manifest that is there or, where there is none, of the next.
        manifest: None where the stage has not committed since the last one was withdrawn.
        withdrawn: those before, in order.
        problem: why what lies in its place is no manifest; empty where that is not so.
        foreign: that is whole, but of another version of this program, and nothing to repair.
    """

    fingerprint: str
    generation: int
    manifest: Manifest | None
    withdrawn: tuple[Withdrawn, ...] = ()
    problem: str = ""
    foreign: bool = False

    @property
    def key(self) -> str:
        return manifest_key(self.fingerprint, self.generation)

    def require(self, store: Store) -> Manifest | None:
        """The manifest, if there is one.

        Raises:
            DamagedStageError: something else lies in its place.
            StorageError: it was written by another version.
        """
        if self.foreign:
            raise StorageError(
                f"{store.uri}/{self.key} {self.problem}.", hint="Use the version that wrote it, or another store."
            )
        if self.problem:
            raise DamagedStageError(
                f"Stage {self.fingerprint[:12]}: {store.uri}/{self.key} {self.problem}.",
                fingerprint=self.fingerprint,
                attempt=None,
                found={self.key: self.problem},
                hint=how_to_repair(store.uri),
            )
        return self.manifest


def read_head(store: Store, fingerprint: str) -> Head:
    """What counts of a stage's manifests; a damaged one is described, not raised.

    Raises:
        StorageError: the store cannot be read.
    """
    withdrawn: list[Withdrawn] = []
    for generation in itertools.count(1):
        key = manifest_key(fingerprint, generation)
        manifest, problem, foreign, data = None, "", False, b""
        try:
            data = store.read(key)
            document = _DOCUMENT.validate_json(data)
            if isinstance(document, Withdrawn) and document.fingerprint == fingerprint:
                withdrawn.append(document)
                continue
            problem = _problem(document, fingerprint)
            manifest = None if problem or isinstance(document, Withdrawn) else document
        except MissingInputError:
            pass
        except ContentError as error:
            problem = f"is damaged: {error.message.rstrip('.')}"
        except ValidationError:
            foreign = _is_whole(data)
            problem = "was written by another version of stilts" if foreign else "is not a manifest"
        break
    return Head(fingerprint, generation, manifest, tuple(withdrawn), problem, foreign)


def read_heads(store: Store, fingerprints: Iterable[str]) -> list[Head]:
    """What counts of the manifests of each stage, in the order given.

    Raises:
        StorageError: as `read_head`.
    """
    wanted = list(dict.fromkeys(fingerprints))
    return bounded_map(lambda fingerprint: read_head(store, fingerprint), wanted, _workers(store))


def read_manifest(store: Store, fingerprint: str) -> Manifest | None:
    """The manifest of a stage; None where the stage has not committed.

    Raises:
        DamagedStageError: what lies there is no manifest of the stage.
        StorageError: the store cannot be read.
    """
    return read_head(store, fingerprint).require(store)


def read_manifests(store: Store, fingerprints: Iterable[str]) -> dict[str, Manifest]:
    """The manifests of those stages that have committed, in the order given.

    Raises:
        StorageError: as `read_manifest`.
    """
    return manifests_of(store, read_heads(store, fingerprints))


def manifests_of(store: Store, heads: Iterable[Head]) -> dict[str, Manifest]:
    """As `read_manifests`, of what was read already."""
    found = {head.fingerprint: head.require(store) for head in heads}
    return {fingerprint: manifest for fingerprint, manifest in found.items() if manifest is not None}


def committed(store: Store, fingerprints: Iterable[str]) -> set[str]:
    """Those of the stages that are done: their manifest is there, and valid.

    Raises:
        StorageError: as `read_manifest`.
    """
    return set(read_manifests(store, fingerprints))


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its digest."""
    # As it will be read: JSON turns the keys of objects to text.
    document = json.loads(encode(manifest.model_copy(update={"digest": ""})))
    return manifest.model_copy(update={"digest": digest(document)})


def encode(document: Manifest | Withdrawn) -> bytes:
    """The bytes of the file.

    Raises:
        ValueError: it holds what JSON cannot (a NaN, say).
    """
    content = document.model_dump()
    if isinstance(document, Withdrawn):
        content["at"] = document.at.isoformat()
    try:
        # Not the JSON mode of the model, which would turn a NaN into null without a word.
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"stage {document.fingerprint[:12]} measured what JSON cannot hold: {error}") from error
    return f"{text}\n".encode()


def _problem(document: Manifest | Withdrawn, fingerprint: str) -> str:
    if document.fingerprint != fingerprint:
        return f"is the manifest of another stage, {document.fingerprint[:12]}"
    if isinstance(document, Manifest):
        for name in document.files:
            try:
                check_key(name)
            except StorageError:
                return f"names {name!r}, which is no file of an attempt"
        if document.digest and document.digest != sealed(document).digest:
            return "is not the manifest that was written: its digest does not fit"
    return ""


def _is_whole(data: bytes) -> bool:
    """Whether a document is as it was written, though it is not understood."""
    try:
        document = json.loads(data)
    except ValueError:
        return False
    if not isinstance(document, dict) or not document.get("digest"):
        return False
    return bool(digest({**document, "digest": ""}) == document["digest"])


def _workers(store: Store) -> int:
    """Threads hide the delay of a network; on a folder they only cost."""
    return 1 if store.local_path("probe") is not None else _READERS
