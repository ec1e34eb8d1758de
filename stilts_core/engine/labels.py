"""How the engine's facts read: durations, moments, progress, failures."""

from __future__ import annotations

from datetime import datetime

from stilts_core.errors import EXIT_CODES
from stilts_core.planning.plan import Stage
from stilts_core.stages.context import Progress

_TENTHS_BELOW, _MINUTE, _HOUR, _DAY = 9.95, 60, 3600, 86400


def stage_title(stage: Stage) -> str:
    """A stage's kind and label, which only together tell it from others."""
    return f"{stage.kind} {stage.label or stage.fingerprint[:8]}"


def duration(seconds: float) -> str:
    """In the two units that matter: ``0.8 s``, ``12 s``, ``3:05``, ``2 h 10 m``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    if seconds < _TENTHS_BELOW:
        return f"{max(0.0, seconds):.1f} s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} m"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def moment(seconds: float) -> str:
    """The local time of day of seconds since the epoch."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S")


def steps(progress: Progress) -> str:
    """``20/100``, ``20``, or nothing."""
    if progress.total:
        return f"{progress.step}/{progress.total}"
    return str(progress.step) if progress.step else ""


def remaining(progress: Progress, elapsed: float) -> float | None:
    """Seconds to go at the pace so far; None where that cannot be said yet."""
    if not progress.total or not 0 < progress.step <= progress.total or elapsed <= 0:
        return None
    return elapsed * (progress.total - progress.step) / progress.step


def describe_progress(progress: Progress) -> str:
    """All that is known, in one clause: ``step 20/100, loss 0.512, 310 ex/s, masked text``."""
    parts = [f"step {steps(progress)}"] * bool(steps(progress))
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.examples_per_second is not None:
        parts.append(f"{progress.examples_per_second:.0f} ex/s")
    if progress.activity:
        parts.append(progress.activity)
    return ", ".join(parts)


def exit_name(code: int | None) -> str:
    """``exit 65, bad-data``; empty where no process ended on its own."""
    if code is None or code < 0:
        return ""
    row = EXIT_CODES.get(code)
    return f"exit {code}, {row.name}" if row else f"exit {code}"
