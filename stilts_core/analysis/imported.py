"""Results tables from other systems, kept in the store beside a study: as they came, with where they come from."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from stilts_core.analysis.frame import Frame, frame_in, scores_in
from stilts_core.analysis.joined import replace_text
from stilts_core.analysis.member import Member
from stilts_core.catalog.models import Name
from stilts_core.errors import DataError, StorageError
from stilts_core.model import API_VERSION, Frozen
from stilts_core.storage.base import Store

_ABOUT = "import.json"


class Import(Frozen):
    """Where a table comes from.

    Attributes:
        study: of the store, beside which it lies.
        name: of the system.
        source: in words: whose, which version, from where.
        protocol: that its scores follow, where the table does not say; empty: not stated.
        file: its name as it was imported.
        imported: when, UTC, ISO 8601.
    """

    apiVersion: Literal["stilts/v1alpha1"] = API_VERSION  # noqa: N815 (the key of the file)
    kind: Literal["Import"] = "Import"
    study: str
    name: Name
    source: Annotated[str, Field(min_length=1)]
    protocol: str = ""
    file: str
    sha256: str
    rows: int
    imported: str


def prefix_of(study: str, name: str = "") -> str:
    return f"imports/{study}/{name}/" if name else f"imports/{study}/"


def members_in(about: Import, data: bytes) -> tuple[Member, ...]:
    """The members that a table makes: one for each study and protocol that it has.

    Raises:
        DataError: it is no results table, has no scores, or states another protocol than it was imported with.
    """
    frame = frame_in(data, about.file)
    if not len(frame):
        raise DataError(f"{about.file} has no rows.")
    stated = frame.present("protocol")
    if about.protocol and any(stated):
        if stated != (about.protocol,):
            raise DataError(
                f"{about.file} says that its scores follow {', '.join(filter(None, stated))}.",
                hint="Leave --protocol out: what the table states holds.",
            )
    elif about.protocol:
        frame = replace_text(frame, "protocol", [about.protocol])
    frame = _unshared(frame, about)
    studies = frame.present("study")
    found = []
    for study in studies:
        for protocol in frame.present("protocol"):
            mine = frame.rows(frame.texts["study"].of(study) & frame.texts["protocol"].of(protocol))
            if not len(mine):
                continue
            if not scores_in(mine)[0].targets:
                raise DataError(
                    f"{about.file} has no scores{f' of {study}' if len(studies) > 1 else ''}.",
                    hint="A row of the main measure has the metric `score`; see docs/results-table.md.",
                )
            name = about.name if len(studies) == 1 else f"{about.name}/{study}"
            said = f"{about.source}; {about.file}, SHA-256 {about.sha256[:16]}, imported {about.imported[:10]}"
            found.append(Member(name, protocol, mine, origin=said, note=f"{len(mine):,} rows"))
    return tuple(found)


def _unshared(frame: Frame, about: Import) -> Frame:
    """Its fingerprints are of another system's runs: no run of a store can be meant."""
    old = frame.texts["fingerprint"]
    return replace_text(frame, "fingerprint", [f"{about.name}:{name}" if name else "" for name in old.names])


def keep_import(
    store: Store, study: str, name: str, source: str, protocol: str, file: str, data: bytes, when: str
) -> Import:
    """Check a table and write it into the store; one of equal name and content is there already, and stays.

    Raises:
        DataError: it is no results table with scores, or the name is taken by another table.
        StorageError: the store can't be used.
    """
    try:
        about = Import(
            study=study,
            name=name,
            source=source,
            protocol=protocol,
            file=PurePath(file).name,
            sha256=hashlib.sha256(data).hexdigest(),
            rows=0,
            imported=when,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"The table can't be imported so: {first['loc'][0]}: {first['msg']}.") from error
    about = about.model_copy(update={"rows": sum(len(member.frame) for member in members_in(about, data))})
    place = prefix_of(study, name)
    taken = next((one for one in read_abouts(store, study) if one.name == name), None)
    if taken is not None:
        same = {"imported", "rows"}
        if taken.model_dump(exclude=same) == about.model_dump(exclude=same):
            return taken
        raise DataError(
            f"{study} has an imported table {name} already ({taken.file}, SHA-256 {taken.sha256[:16]}).",
            hint="Choose another --name, or remove that one first with --remove.",
        )
    store.put(place + _table(about), data)
    store.put(place + _ABOUT, (json.dumps(about.model_dump(), indent=1, ensure_ascii=False) + "\n").encode())
    return about


def remove_import(store: Store, study: str, name: str) -> bool:
    """Remove a table; False where there is none."""
    keys = [found.key for found in store.list(prefix_of(study, name))]
    for key in sorted(keys, key=lambda key: not key.endswith(_ABOUT)):
        store.delete(key)
    return bool(keys)


def _table(about: Import) -> str:
    return "table.parquet" if about.file.endswith(".parquet") else "table.csv"


def read_abouts(store: Store, study: str) -> tuple[Import, ...]:
    """The tables beside a study, by name."""
    found = []
    for one in store.list(prefix_of(study)):
        if one.key.endswith(f"/{_ABOUT}"):
            try:
                found.append(Import.model_validate_json(store.read(one.key)))
            except ValidationError as error:
                raise StorageError(f"{store.uri}/{one.key} is not what an import writes.") from error
    return tuple(found)


def read_imports(store: Store, study: str) -> tuple[Member, ...]:
    """The members beside a study, each as it was imported.

    Raises:
        StorageError: a table is not what was imported.
    """
    found: list[Member] = []
    for about in read_abouts(store, study):
        key = prefix_of(study, about.name) + _table(about)
        data = store.read(key)
        if hashlib.sha256(data).hexdigest() != about.sha256:
            raise StorageError(
                f"{store.uri}/{key} is not the table that was imported.",
                hint="Import it again: `stilts results import FILE`, after --remove.",
            )
        found += members_in(about, data)
    return tuple(found)
