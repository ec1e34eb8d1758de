from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.analysis.frame import Frame, frame_of
from stilts_core.analysis.scores import scores_of
from stilts_core.analysis.table import COLUMNS, ResultRow, csv_bytes, read_table, schema
from stilts_core.analysis.table_files import to_csv, to_parquet
from stilts_core.errors import DataError, MissingInputError
from stilts_core.planning.plan import Cell

ROW = ResultRow("s", "e/baseline", "e", "baseline", "xnli", "en", False, 0, "p", "test", "score", 0.1 + 0.2, 100, "ab")

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=8)
rows = st.builds(
    ResultRow,
    **{name: texts for name in COLUMNS if name not in ("seed", "n", "value", "zero_shot", "protocol")},
    zero_shot=st.booleans(),
    protocol=st.just("p"),
    seed=st.integers(0, 2**31 - 1),
    n=st.integers(0, 2**40),
    value=st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(rows, max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, written: list[ResultRow]) -> None:
    folder = tmp_path_factory.mktemp("table")
    written = [row._replace(arm=f"{row.encoder}/{row.curriculum}") for row in written]
    for name, data in (("t.csv", to_csv(frame_of(written))), ("t.parquet", to_parquet(frame_of(written)))):
        (folder / name).write_bytes(data)
        assert read_table(folder / name) == tuple(written)


def test_a_value_is_written_in_full() -> None:
    assert to_csv(frame_of([ROW])).decode() == (
        "study,arm,encoder,curriculum,target,language,zero_shot,seed,protocol,split,metric,value,n,fingerprint\n"
        "s,e/baseline,e,baseline,xnli,en,false,0,p,test,score,0.30000000000000004,100,ab\n"
    )


def test_an_empty_field_is_none() -> None:
    assert csv_bytes(("a", "b"), [(None, 1.0)]) == b"a,b\n,1.0\n"


def test_parquet_has_the_schema_and_the_same_bytes_every_time() -> None:
    data = to_parquet(frame_of([ROW, ROW]))
    assert data == to_parquet(frame_of([ROW, ROW]))
    assert pq.read_table(io.BytesIO(data)).schema == schema()
    assert pq.read_table(io.BytesIO(to_parquet(frame_of([])))).schema == schema()


def test_columns_may_stand_in_another_order_beside_others(tmp_path: Path) -> None:
    order = [*reversed(COLUMNS), "extra"]
    line = [str(getattr(ROW, name, "x")).replace("False", "false") for name in order]
    (tmp_path / "t.csv").write_text(f"{','.join(order)}\n{','.join(line)}\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "t.csv") == (ROW,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column study"),
        ("study,arm\n", "no column encoder"),
        (to_csv(frame_of([ROW])).decode().replace(",100,", ",many,"), "line 2"),
        (to_csv(frame_of([ROW])).decode() + "s,e\n", "line 3: too few fields"),
        (to_csv(frame_of([ROW])).decode().replace("false", "no"), "line 2: zero_shot is 'no'"),
        ('"', "no CSV file"),
    ],
)
def test_a_wrong_csv_file_is_explained(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_table(tmp_path / "t.csv")


def test_a_wrong_parquet_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="no results table in Parquet"):
        read_table(tmp_path / "t.parquet")


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.csv"):
        read_table(tmp_path / "none.csv")


MIXED = [ROW, ROW._replace(protocol="q")]


@pytest.mark.parametrize("write", [to_csv, to_parquet])
def test_rows_of_two_protocols_are_never_written_as_one_table(write: Callable[[Frame], bytes]) -> None:
    with pytest.raises(DataError, match="p, q"):
        write(frame_of(MIXED))


def test_rows_of_two_protocols_are_never_read_as_one_table(tmp_path: Path) -> None:
    one, other = to_csv(frame_of(MIXED[:1])).decode(), to_csv(frame_of(MIXED[1:])).decode()
    (tmp_path / "t.csv").write_text(one + other.splitlines(keepends=True)[1])
    with pytest.raises(DataError, match="never share a table"):
        read_table(tmp_path / "t.csv")
    table = pa.concat_tables(
        pq.read_table(io.BytesIO(to_parquet(frame_of([row]))))
        .set_column(COLUMNS.index("protocol"), "protocol", [[row.protocol]])
        .cast(pa.schema([(name, kind) for name, kind in zip(COLUMNS, plain_types(), strict=True)]))
        for row in MIXED
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match="never share a table"):
        read_table(tmp_path / "t.parquet")


def plain_types() -> list[pa.DataType]:
    return [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in schema().types]


def test_scores_of_another_protocol_are_refused() -> None:
    cell = Cell(
        encoder="e", curriculum="baseline", target="xnli", seed=0, fingerprint="a" * 64, languages={"en": "test"}
    )
    assert scores_of("s", "p", [cell], frame_of([ROW])).protocol == "p"
    with pytest.raises(DataError, match="follow the protocol p"):
        scores_of("s", "q", [cell], frame_of([ROW]))
