"""Which known name was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

SHOWN = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name``: one that it begins, else the closest by letters; None where none is close."""
    wanted = name.casefold()
    folded = {known_name.casefold(): known_name for known_name in known}
    begun = [key for key in folded if key.startswith(wanted)] if len(wanted) > 2 else []
    if begun:
        return folded[min(begun, key=lambda key: (len(key), key))]
    close = difflib.get_close_matches(wanted, folded, n=1)
    return folded[close[0]] if close else None


def listed(known: Collection[str]) -> str:
    """Names for a message, in their order, cut short where they are many."""
    names = list(known)
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """The end of a sentence on an unknown name: what is allowed, and the nearest."""
    close = nearest(name, known)
    meant = f'; did you mean "{close}"?' if close else ""
    return f'unknown {what} "{name}"; allowed: {listed(known)}{meant}'
