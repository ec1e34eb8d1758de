"""The command `stilts`: which verbs there are, and how every error becomes a sentence and an exit code."""

from __future__ import annotations

import copy
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TypeVar

import click

from stilts_core import __version__
from stilts_core.errors import SpecError, StiltsError

GROUPS = {
    "A study": {
        "plan": "Show what a study becomes: stages, what they share, what is done.",
        "run": "Run a study on this machine, from its file to its report.",
        "submit": "Run a study on Kubernetes.",
        "status": "Show how far a study is, and why what waits is waiting.",
        "logs": "Show what a stage printed.",
        "retry": "Try failed stages again in a cluster, with fresh budgets.",
        "cancel": "End a study in a cluster; what has committed is kept.",
        "render": "Print the objects that submit makes, for kubectl and other tools.",
    },
    "Its results": {
        "results": "Write the tables of whatever has committed so far.",
        "report": "Write the report of a study as one HTML file.",
        "analyse": "Analyse a results table from anywhere, without a store.",
        "score": "Score predictions from anywhere, as the official programs do.",
        "export": "Write predictions as submissions to a leaderboard, checked.",
    },
    "Getting ready": {
        "doctor": "Check machine or cluster, store and data, and say what to do.",
        "data": "Index and check the folder or bucket that holds the data.",
        "gc": "Remove from a store what nothing needs any more.",
        "schema": "Print the JSON Schema of a study or a profile, for editors.",
    },
}
"""Title → verbs, each with its line in the help; ``stilts_core.cli.<verb>`` holds it as ``command`` and is imported on
use.
"""

COMMANDS = {verb: line for verbs in GROUPS.values() for verb, line in verbs.items()}

PROGRAM, PLUGIN = "stilts", "kubectl stilts"
"""What the command is called, as such and as a plugin of kubectl."""

HIDDEN = frozenset({"drive"})
"""Verbs that programs use, not people."""

CommandT = TypeVar("CommandT", bound=click.Command)

INTERRUPTED = 130
UNEXPECTED = 1


class LazyGroup(click.Group):
    """A group that knows its verbs without importing them, so that help and completion stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        command = import_module(f"stilts_core.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"stilts_core.cli.{cmd_name}.command is not a click command")
        return _named_for(ctx, command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and name not in HIDDEN and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f' Did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'There is no command "{name}".{meant}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, COMMANDS))
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(verb.ljust(width), line) for verb, line in verbs.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group.format_epilog(_named_for(ctx, self), ctx, formatter)


def _named_for(ctx: click.Context, command: CommandT) -> CommandT:
    """The command with examples that say what it is called here."""
    program = ctx.find_root().info_name
    if program == PROGRAM or not program or not command.epilog:
        return command
    named = copy.copy(command)
    named.epilog = command.epilog.replace(f"{PROGRAM} ", f"{program} ")
    return named


@click.command(
    PROGRAM,
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: stilts run jobs/quickstart.yaml",
)
@click.version_option(__version__, prog_name="stilts")
@click.option("--debug", is_flag=True, help="Show the traceback of an error; may stand anywhere.")
def cli(debug: bool) -> None:
    """Studies of intermediate-task transfer for multilingual encoders."""
    del debug  # `main` has taken it already, wherever it stood


def kubectl_main() -> int:
    """Run one command as a plugin of kubectl, which finds the program `kubectl-stilts`."""
    return main(program=PLUGIN)


def main(argv: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; default: those of this process.
        program: what the person calls it.

    Returns:
        The exit status: 0, the code of the `errors.StiltsError` that ended it, 64 for wrong usage, 130 when
        interrupted, 1 for anything unforeseen.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        status = cli.main(args=arguments, prog_name=program, standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return SpecError.exit_code
    except click.UsageError as error:
        _say(f"error: {error.format_message()}")
        if error.ctx:
            _say(f"  Usage: {error.ctx.command_path} {' '.join(error.ctx.command.collect_usage_pieces(error.ctx))}")
            _say(f"  See: {error.ctx.command_path} --help")
        return SpecError.exit_code
    except click.ClickException as error:
        _say(f"error: {error.format_message()}")
        return SpecError.exit_code
    except StiltsError as error:
        _explain(error, debug)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 (the one place where a defect becomes a sentence)
        _explain(error, debug)
        return UNEXPECTED
    return status if isinstance(status, int) else 0


def _explain(error: Exception, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
        return
    if isinstance(error, StiltsError):
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  {error.hint}")
        return
    _say(f"error: unexpected {type(error).__name__}: {error}")
    _say("  This is a defect of stilts: run the command again with --debug and report what it prints.")


def _say(text: str) -> None:
    click.echo(text, err=True)
