"""Which known name was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

SHOWN = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name`` by its letters, or None where none is close."""
    names = list(known)
    folded = {known_name.casefold(): known_name for known_name in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return folded[close[0]]
    # A shortened name (`xlmr`, `squad`) is too far by letters alone.
    begins = sorted(known_name for known_name in names if known_name.casefold().startswith(name.casefold()[:4]))
    return begins[0] if begins and len(name) > 2 else None


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
