"""The table of `stilts status` keeps what a person needs, however wide the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from cli_fakes import fake_plan  # noqa: E402

from stilts_core.cli.status import picture  # noqa: E402
from stilts_core.engine.states import State, Status  # noqa: E402

WHY = "data/xquad.de.json: no valid JSON, and a reason that goes on for longer than the column is wide. Fetch it again."


@pytest.mark.parametrize(("width", "fit"), [(60, True), (80, True), (160, True), (100_000, False)])
def test_every_column_and_the_whole_reason(width: int, fit: bool) -> None:
    plan = fake_plan("")
    statuses = {stage.fingerprint: Status(State.BLOCKED, "it needs another") for stage in plan.stages}
    statuses[plan.stages[0].fingerprint] = Status(State.FAILED, WHY, since=0.0)
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(picture(plan, statuses, 75.0, fit=fit))
    said = captured.get()
    assert plan.stages[0].fingerprint[:8] in said
    assert "failed" in said
    assert "1:15" in said
    column = next(line for line in said.splitlines() if line.startswith("id ")).index("why")
    failed = said[said.index(plan.stages[0].fingerprint[:8]) : said.index(plan.stages[1].fingerprint[:8])]
    reason = "".join(line[column:].strip() for line in failed.splitlines())
    assert reason.replace(" ", "") == WHY.replace(" ", "")
