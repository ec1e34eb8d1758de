from __future__ import annotations

import math
from dataclasses import dataclass

from stilts_core.analysis.report.blocks import Cell, Column
from stilts_core.analysis.report.columns import (
    Field,
    corrected_cell,
    csv_table,
    ends,
    files_of,
    interval_cell,
    interval_columns,
    label,
    table,
)
from stilts_core.analysis.statistics.results import Interval

SURE = Interval(1.26, -0.4, 2.0, 0.5, 3.0, 0.04, "seeds")
ALONE = Interval(1.0, -math.inf, math.inf, math.nan, 0.0, 1.0, "one run")


@dataclass(frozen=True)
class Thing:
    name: str
    interval: Interval | None
    adjusted: float = math.nan
    family: int = 0


THINGS = (Thing("a", SURE, 0.02, 4), Thing("b", ALONE), Thing("c, d", None))


def test_a_table_has_a_row_for_each_thing_and_a_field_for_each_column() -> None:
    found = table(
        "All of them.",
        THINGS,
        label("Name", lambda t: t.name),
        Field("Gain", lambda t: interval_cell(t.interval), title="points"),
        Field("p", lambda t: corrected_cell(t)),
        source="tables/x.csv",
    )
    assert found.columns == (Column("Name", numeric=False), Column("Gain", title="points"), Column("p"))
    assert found.rows[0] == (Cell("a"), Cell("+1.3", sub="−0.4 to +2.0"), Cell("0.020", sub="of 4"))
    assert [row[1].sub for row in found.rows] == ["−0.4 to +2.0", "one run", ""]
    assert found.rows[2][1:] == (Cell("–", css="none"), Cell("–"))
    assert ends(None) == "–"


def test_a_file_has_rounded_numbers_and_leaves_out_what_is_not_known() -> None:
    one = csv_table(
        "x",
        THINGS,
        {
            "name": lambda t: t.name,
            **interval_columns(lambda t: t.interval, ("gain", "low", "high")),
            "p": lambda t: t.adjusted / 3,
            "family": lambda t: t.family,
        },
    )
    assert files_of([one]) == {
        "tables/x.csv": b'name,gain,low,high,p,family\na,1.26,-0.4,2.0,0.006667,4\nb,1.0,,,,0\n"c, d",,,,,0\n'
    }
