"""Where the sentences of an English encyclopaedic paragraph end.

A dual encoder for LAReQA learns from sentences of SQuAD, whose files have no bounds of them. XTREME-R finds them by
rules of surface form made for SQuAD; these are rules of the same kinds, so that sentences are cut as those of XQuAD-R
are, which LAReQA looks for.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

_GAP = re.compile(
    r"""(?:[.?!][)'"”]*(?:\ [)'"”]+)?(?:\[[\w\ ?]+\])*|\[\.\.\.\])   # an end, closing marks, notes of editors
        (?P<gap>\s+)
        (?=['"(“\[]?[A-Z0-9]|•\s[A-Z]|i(?:Pod|Tunes|Pad|Phone)\b)""",
    re.VERBOSE,
)
"""White space that may stand between two sentences."""

_OPENERS = re.compile(
    r"(?:The|This|That|These|It|In|On|By|During|After|Under|Although|Yet|As|Several|According to) |Meanwhile|However"
)
"""Words that begin sentences and no names: what stands before them was no initial."""

_SHORTENED = re.compile(
    r"""\b(?:
        Mrs?|Ms|Dr|Prof|Fr|Rev|Msgr|Sta?|Lt|Gen|Col|Maj|Adm|Capt|Sgt|Rep|Gov|Sen|Pres    # before a name
        |Mt|Ft|Jan|Aug|Oct|Nov|Dec|e\.g|i\.?e|vs?|pp?|cf|a\.k\.a|approx|app|es[pt]|tr
        |(?:B|M)\.Sc
    )\.$""",
    re.VERBOSE,
)
_INITIALS = re.compile(r"\b[A-Z]\.$")
_NAME = re.compile(r'(?:[A-Z]\. ){0,2}"?[A-Z][a-z]')
_BEFORE_NUMBERS = re.compile(r"\b(?:[Aa]rt|[Nn]o|Opp?|ch|Sec|cl|Rec|Ecl|Cor|Lk|Jn|Vol)\.$")
_NUMBER = re.compile(r"[0-9IVX]+\b")
_OTHERS = (  # what stands before, what after
    (re.compile(r"\b(?:[bdrc]|ca|fl)\.$"), re.compile(r"[A-Z0-9]")),  # born, died, ruled, about
    (re.compile(r"\bet al\.$"), re.compile(r"\(?[0-9]{4}\b")),
    (re.compile(r"\b(?:H\.R|Rs)\.$"), re.compile(r"[0-9]")),
    (re.compile(r"\bU\.S\.$"), re.compile(r"\(?[0-9]{2}")),
    (re.compile(r"\b[ap]\.m\.$"), re.compile(r"E(?:astern|ST)\b")),
    (re.compile(r"\bBros\.$"), re.compile(r"Records|Entertainment")),
)
_REACH = 24  # characters before a gap that are looked at: longer than any abbreviation


def sentence_breaks(text: str) -> list[Span]:
    """The characters ``[start, end)`` of each sentence, without the white space around it."""
    found: list[Span] = []
    begin = len(text) - len(text.lstrip())
    for match in _GAP.finditer(text):
        start, end = match.span("gap")
        if begin < start and not _goes_on(text[max(0, start - _REACH) : start], text[end : end + _REACH]):
            found.append((begin, start))
            begin = end
    end = len(text.rstrip())
    if begin < end:
        found.append((begin, end))
    return found


def _goes_on(before: str, after: str) -> bool:
    """Whether what looks like the end of a sentence is an abbreviation within one."""
    if _SHORTENED.search(before):
        return True
    if _BEFORE_NUMBERS.search(before) and _NUMBER.match(after):
        return True
    if any(left.search(before) and right.match(after) for left, right in _OTHERS):
        return True
    return bool(_INITIALS.search(before) and _NAME.match(after) and not _OPENERS.match(after))
