"""Copies of data sets that circulate and are not what they seem: how they are recognised, and what to do."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from stilts_core.catalog.load import read_data_file
from stilts_core.catalog.models import LanguageCode, Name, Split
from stilts_core.model import Frozen

Gold = Literal["present", "absent", "constant"]
"""Whether the records of a file have their answers; ``constant``: each has the same one, which stands for none."""


class Quirk(Frozen):
    """A known fault of copies of a data set. A file has it if one of the signs fits.

    Attributes:
        tasks: whose files may have it; empty for every task.
        splits: where ``short_by`` and ``gold`` are looked for; empty for every split.
        records: sign: split → language → a number of records that is not the official one.
        short_by: sign: so many records fewer than the official number.
        gold: sign: what the answers are.
        sha256: sign: digests of such files.
        wrong: what is wrong, a sentence.
        remedy: what to do, a sentence.
    """

    name: Name
    tasks: tuple[Name, ...] = ()
    splits: tuple[Split, ...] = ()
    records: dict[Split, dict[LanguageCode, PositiveInt]] = {}
    short_by: PositiveInt | None = None
    gold: Literal["absent", "constant"] | None = None
    sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    wrong: str
    remedy: str

    def fits(
        self,
        split: Split,
        language: str,
        *,
        records: int | None,
        expected: int | None,
        gold: Gold | None = None,
        sha256: str | None = None,
    ) -> bool:
        """Whether a file of one of the tasks shows a sign; a count that is the official one is none."""
        if sha256 is not None and sha256 in self.sha256:
            return True
        if self.splits and split not in self.splits:
            return False
        if gold is not None and gold == self.gold:
            return True
        if records is None or records == expected:
            return False
        if self.records.get(split, {}).get(language) == records:
            return True
        return self.short_by is not None and expected is not None and expected - records == self.short_by


@lru_cache(maxsize=1)
def load_quirks() -> tuple[Quirk, ...]:
    """The known quirks; of several that fit a file by its count, the first is meant."""
    return read_data_file(files("stilts_core.catalog") / "data" / "quirks.yaml", tuple[Quirk, ...])


def recognise(
    task: str,
    split: Split,
    language: str,
    *,
    records: int | None,
    expected: int | None,
    gold: Gold | None = None,
    sha256: str | None = None,
) -> tuple[Quirk, ...]:
    """The quirks that a file of a task shows.

    Args:
        task: its name.
        split: of the file.
        language: of the file.
        records: the records of the file, if they were counted.
        expected: those of the official file, if known.
        gold: what its answers are, if they were looked at.
        sha256: its digest, if known.
    """
    found: list[Quirk] = []
    counted = False
    for quirk in load_quirks():
        if quirk.tasks and task not in quirk.tasks:
            continue
        if quirk.fits(split, language, records=None, expected=None, gold=gold, sha256=sha256):
            found.append(quirk)
        elif not counted and quirk.fits(split, language, records=records, expected=expected):
            counted = True
            found.append(quirk)
    return tuple(found)
