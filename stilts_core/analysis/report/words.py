"""Numbers and lists as a reader meets them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

NOTHING = "–"
NOT_ZERO_SHOT = "†"
NOT_ZERO_SHOT_MEANS = " †: not zero-shot, the arm has been trained on labelled data of the language."
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def score(value: float | None, digits: int = 1) -> str:
    """``61.2``, with a real minus sign; a dash for None."""
    return NOTHING if value is None else f"{_rounded(value, digits):.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """``+1.2``, ``−0.4``, ``0.0``; a dash for None."""
    if value is None:
        return NOTHING
    text = score(value, digits)
    return f"+{text}" if _rounded(value, digits) > 0 else text


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # -0.0 becomes 0.0


def p_value(p: float) -> str:
    """Two figures, never 0; a dash for NaN."""
    if p != p:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def number(count: int) -> str:
    """A small number as a word, a large one in digits."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 language``, ``12 languages``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(items: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def span(values: Sequence[float], signs: bool = False) -> str:
    """The smallest to the largest of the values, once where both read the same."""
    text = signed if signs else score
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def marked(code: str, seen: Collection[str]) -> str:
    """A language with the mark of those that are not zero-shot."""
    return code + NOT_ZERO_SHOT if code in seen else code


def duration(seconds: float | None) -> str:
    """``42 s``, ``3 min 5 s``, ``2 h 10 min``; a dash for None."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(text: str) -> str:
    """``2030-01-31 14:05:00 UTC`` from ISO 8601; any other text as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if found.tzinfo else text


def size(count: float) -> str:
    """Bytes as ``3.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
