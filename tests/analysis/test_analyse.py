from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from fake_study import realistic
from planted_table import row, table

from stilts_core.analysis import table_files
from stilts_core.analysis.analyse import analyse, files, page, to_json
from stilts_core.analysis.collected import gather
from stilts_core.analysis.frame import Frame, frame_of, read_frame, scores_in
from stilts_core.analysis.table import ResultRow
from stilts_core.cli.main import main
from stilts_core.errors import DataError, MissingInputError

PLAIN = "curriculum,target,language,seed,value\n" + "".join(
    f"{curriculum},xnli,{code},{seed},{60 + gain + seed / 10 + place}\n"
    for curriculum, gain in (("baseline", 0), ("mnli", 3), ("qqp", 0.1))
    for place, code in enumerate(("en", "de", "sw"))
    for seed in range(4)
)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(PLAIN)
    return path


def test_five_columns_are_enough(plain: Path) -> None:
    found = analyse(read_frame(plain))
    assert found.scores.study == "mine"
    assert found.scores.curricula == ("baseline", "mnli", "qqp")
    gains = {(g.curriculum, g.target): g for g in found.evidence.gains}
    assert gains["mnli", "xnli"].interval.estimate == pytest.approx(3.0)
    assert gains["mnli", "xnli"].interval.basis == "seeds"
    assert json.loads(to_json(found))["gains"][0]["gain"] == pytest.approx(3.0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_table_of_a_study_gives_the_numbers_of_its_report(tmp_path: Path, kind: str) -> None:
    plan, manifests = realistic(seeds=(0, 1, 2))
    study = gather(plan, manifests)
    path = tmp_path / f"results.{kind}"
    path.write_bytes(table_files.to_csv(study.frame) if kind == "csv" else table_files.to_parquet(study.frame))
    found = analyse(read_frame(path))
    mine = {(g.encoder, g.curriculum, g.target): g.interval for g in found.evidence.gains}
    for gain in study.evidence.gains:
        theirs = mine[gain.encoder, gain.curriculum, gain.target]
        assert (theirs.estimate, theirs.low) == pytest.approx((gain.interval.estimate, gain.interval.low))
    assert len(mine) == len(study.evidence.gains)


def test_the_order_of_rows_does_not_matter(tmp_path: Path, plain: Path) -> None:
    head, *lines = PLAIN.splitlines()
    other = tmp_path / "other" / "mine.csv"
    other.parent.mkdir()
    other.write_text("\n".join([head, *reversed(lines)]) + "\n")
    assert files(analyse(read_frame(other))) == files(analyse(read_frame(plain)))


def splits(rows: list[ResultRow], **of_language: str) -> Frame:
    return frame_of([one._replace(split=of_language[one.language]) for one in rows])


def test_test_sets_report_and_development_sets_choose() -> None:
    rows = []
    for split, gains in (("dev", {"mnli": 5.0, "qqp": 1.0}), ("test", {"mnli": 2.0, "qqp": 3.0})):
        for curriculum in ("baseline", "mnli", "qqp"):
            for seed in range(3):
                value = 60 + gains.get(curriculum, 0.0) + seed / 100
                rows.append(row("e", curriculum, "xnli", "de", seed, "score", value)._replace(split=split))
    found = analyse(frame_of(rows))
    (best,) = found.evidence.best
    assert (best.chosen, best.oracle, best.basis) == ("mnli", "qqp", "development sets")
    assert (best.interval.estimate, best.oracle_gap) == pytest.approx((2.0, 1.0))


def test_a_language_with_one_split_reports_it() -> None:
    rows = [row("e", c, "udpos", code, 0, "score", 50.0) for c in ("baseline", "mnli") for code in ("de", "kk")]
    scores, dev = scores_in(splits(rows, de="dev", kk="test"))
    assert dev is None
    assert scores.targets[0].languages == ("de", "kk")


def test_studies_and_protocols_are_never_mixed() -> None:
    rows = [row("e", c, "xnli", "de", 0, "score", 50.0) for c in ("baseline", "mnli")]
    two = frame_of([*rows, *(one._replace(protocol="jiant") for one in rows)])
    with pytest.raises(DataError, match=r"2 of protocol: corrected, jiant\. Scores under different rules"):
        analyse(two)
    assert analyse(two, protocol="jiant").scores.protocol == "jiant"
    with pytest.raises(DataError, match="no study other"):
        analyse(frame_of(rows), study="other")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("curriculum,target,language,seed\nmnli,xnli,de,0\n", "no column value"),
        ("curriculum,target,language,seed,value\nmnli,xnli,de,0,high\n", "no results table in CSV.*high"),
        ("curriculum,target,language,seed,value\nmnli,xnli,de,0,inf\n", "row 1 has a value that is not finite"),
        ("curriculum,target,language,seed,value\nmnli,xnli,de,,1\n", "seed has 1 empty"),
    ],
)
def test_a_bad_table_is_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_frame(path)


def test_no_table_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_frame(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="in Parquet"):
        read_frame(tmp_path / "bad.parquet")


def test_the_command_writes_the_report_and_its_tables(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyse", str(plain), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "+3.0" in said
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    with (tmp_path / "out" / "tables" / "gains.csv").open() as lines:
        assert [r["curriculum"] for r in csv.DictReader(lines)] == ["mnli", "qqp"]


def test_the_command_prints_json(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", str(plain), "--json", "--question", "morphology"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"][0]["answered"] is False
    assert main(["analyse", str(plain), "--question", "morfology"]) == 64
    assert "morphology" in capsys.readouterr().err


def test_a_question_is_a_section_of_the_page() -> None:
    found = analyse(table(lambda *_: 1.0, targets={"xnli": ("en", "de")}), ["morphology"])
    assert [section.title for section in page(found).sections][:2] == [
        "Answer",
        "Agglutinative languages and the size of the encoder",
    ]
