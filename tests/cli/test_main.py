"""The frame of the command line: verbs, exit codes, errors as sentences, and a fast start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import click
import pytest

from stilts_core.cli.main import COMMANDS, main
from stilts_core.errors import DataError, StorageError


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Puts a function in the place of a verb."""

    def install(body: Callable[[], object]) -> None:
        module = ModuleType("stilts_core.cli.doctor")
        module.command = click.Command("doctor", callback=body)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stilts_core.cli.doctor", module)

    return install


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb}" in out for verb in COMMANDS)
    assert max(map(len, out.splitlines())) <= 80


def test_no_verb_prints_the_help_and_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 64
    assert "\n  plan " in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from stilts_core import __version__

    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plna"], 'error: There is no command "plna". Did you mean "plan"?'),
        (["schema", "stdy"], "error: Invalid value for '{study|profile}'"),
        (["schema", "--what"], "error: No such option"),
        (["data", "check"], "error: Missing argument 'ROOT'"),
    ],
)
def test_wrong_usage(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 64
    err = capsys.readouterr().err
    assert err.startswith(sentence)
    assert "Usage: stilts" in err


def test_an_error_is_a_sentence_with_its_hint_and_code(
    doctor: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise DataError("dev-de.tsv, line 3: no label.", hint="Add one.")

    doctor(fail)
    assert main(["doctor"]) == 65
    captured = capsys.readouterr()
    assert captured.err == "error: dev-de.tsv, line 3: no label.\n  Add one.\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["--debug", "doctor"], ["doctor", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str], doctor: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise StorageError("The store is gone.")

    doctor(fail)
    assert main(arguments) == 73
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "The store is gone." in err


def test_a_defect_is_one_sentence(
    doctor: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(lambda: {}["key"])
    assert main(["doctor"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: unexpected KeyError: 'key'\n")
    assert "--debug" in err
    assert "Traceback" not in err


def test_an_interrupt_is_130(
    doctor: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    doctor(interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize(("value", "status"), [(None, 0), (0, 0), (66, 66)])
def test_what_a_verb_returns_is_the_status(
    value: int | None, status: int, doctor: Callable[[Callable[[], object]], None]
) -> None:
    doctor(lambda: value)
    assert main(["doctor"]) == status


def test_an_exit_through_click_keeps_its_code(doctor: Callable[[Callable[[], object]], None]) -> None:
    doctor(lambda: click.get_current_context().exit(9))
    assert main(["doctor"]) == 9


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_that_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Example: stilts {verb}" in " ".join(capsys.readouterr().out.split())


def test_the_start_imports_nothing_heavy() -> None:
    script = (
        "import sys, stilts_core.cli.main as m; m.main(['--help']);"
        "heavy = {'torch', 'transformers', 'kubernetes', 'boto3', 'pyarrow', 'numpy', 'pydantic', 'yaml', 'rich'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
