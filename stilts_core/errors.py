"""The errors a person sees, and the exit codes that say what happened to a stage.

One table holds every exit code with its meaning and what follows from it; the commands, the stage processes, the
driver and the documentation all read it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Budget(StrEnum):
    """Which budget an unsuccessful attempt draws on."""

    NONE = "none"  # success, or a failure that another attempt would only repeat
    APPLICATION = "application"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class ExitCode:
    """One row of the exit-code table.

    Attributes:
        code: the process exit status.
        name: a short name for logs and metrics.
        meaning: what happened, for a person.
        budget: what another attempt is charged to; ``Budget.NONE`` means that no other attempt is made.
    """

    code: int
    name: str
    meaning: str
    budget: Budget


EXIT_CODES: dict[int, ExitCode] = {
    row.code: row
    for row in (
        ExitCode(0, "committed", "the stage's manifest is in the store", Budget.NONE),
        ExitCode(64, "bad-spec", "the study, profile or command is wrong", Budget.NONE),
        ExitCode(65, "bad-data", "a data file has the wrong content", Budget.NONE),
        ExitCode(66, "missing-input", "a file or an input of the stage is missing", Budget.NONE),
        ExitCode(69, "incompatible-checkpoint", "a checkpoint does not fit the stage", Budget.NONE),
        ExitCode(70, "diverged", "the loss became NaN or infinite", Budget.NONE),
        ExitCode(71, "out-of-device-memory", "the device ran out of memory", Budget.NONE),
        ExitCode(72, "damaged-input", "an input of the stage is lost or damaged", Budget.INFRASTRUCTURE),
        ExitCode(73, "storage", "the store could not be read or written", Budget.INFRASTRUCTURE),
        ExitCode(74, "rendezvous", "the ranks did not find each other", Budget.INFRASTRUCTURE),
        ExitCode(75, "stopped", "stopped on request", Budget.INFRASTRUCTURE),
        ExitCode(76, "stalled", "no progress before the deadline", Budget.INFRASTRUCTURE),
    )
}
UNKNOWN_EXIT = ExitCode(1, "unknown", "the process ended in a way that it did not explain", Budget.APPLICATION)


def explain_exit(code: int) -> ExitCode:
    """The row of the table for a process's exit status; a signal or any other number is unknown."""
    return EXIT_CODES.get(code, UNKNOWN_EXIT)


def failing_codes(budget: Budget) -> tuple[int, ...]:
    """The exit codes of failures that are charged to a budget, ascending; those of no budget are not tried again."""
    return tuple(sorted(code for code, row in EXIT_CODES.items() if code and row.budget is budget))


class StiltsError(Exception):
    """An error with a sentence for the user.

    Args:
        message: what is wrong and where.
        hint: what to do about it, as a sentence of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(cls: type[StiltsError], message: str, hint: str | None) -> StiltsError:
    return cls(message, hint=hint)


class SpecError(StiltsError):
    """The study, the profile or the command line is wrong."""

    exit_code = 64


class DataError(StiltsError):
    """A data file has the wrong content; the message names the file and the line or record."""

    exit_code = 65


class MissingInputError(StiltsError):
    """A file, an encoder or an input of a stage is not there."""

    exit_code = 66


class IncompatibleCheckpointError(StiltsError):
    """A checkpoint does not fit what it is loaded into."""

    exit_code = 69


class DivergedError(StiltsError):
    """The loss became NaN or infinite."""

    exit_code = 70


class DeviceMemoryError(StiltsError):
    """The device ran out of memory."""

    exit_code = 71


class DamagedInputError(StiltsError):
    """What an input of a stage had committed is not in the store any more; the stage that made it has to run again."""

    exit_code = 72


class StorageError(StiltsError):
    """The store could not be read or written, or holds something other than what was committed."""

    exit_code = 73


class RendezvousError(StiltsError):
    """The ranks of a stage did not find each other in time."""

    exit_code = 74


class StoppedError(StiltsError):
    """The stage was asked to stop."""

    exit_code = 75


class StalledError(StiltsError):
    """A stage made no progress before its deadline."""

    exit_code = 76


class ClusterError(StiltsError):
    """The Kubernetes cluster could not be asked, or refused what it was asked for."""
