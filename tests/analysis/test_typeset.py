from __future__ import annotations

import re

import pytest
from fake_study import realistic

from stilts_core.analysis.collect import files, gather
from stilts_core.analysis.report.blocks import Cell, Column, Table
from stilts_core.analysis.report.methods import methods_of_study
from stilts_core.analysis.report.typeset import escape, latex, markdown

EVIL = r"50% of $x_1 & {#2} ~ ^ \end"


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    plan, manifests = realistic(title="A title")
    return files(gather(plan, manifests), ("latex", "markdown"))


def test_the_main_tables_are_written_in_both_formats(made: dict[str, bytes]) -> None:
    for name in ("transfer-1", "gains", "best", "means-1", "target-xnli-1", "arms-1", "methods"):
        assert f"tables/{name}.tex" in made
    assert {"tables/means-1.md", "tables.md", "tables.tex", "references.bib"} <= made.keys()
    assert not {name for name in made if re.search(r"/(ran|settings|missing).*\.(tex|md)$", name)}


def test_tables_are_not_written_unasked() -> None:
    plan, manifests = realistic(seeds=(0,))
    assert not [name for name in files(gather(plan, manifests)) if name.endswith((".tex", ".md"))]


def test_numbers_are_the_reports(made: dict[str, bytes]) -> None:
    page = made["report.html"].decode().partition('id="gains"')[2].partition("</table>")[0]
    table = made["tables/gains.tex"].decode()
    shown = re.findall(r'class="num [pnz]\d?[^>]*>(?:<i>†</i> )?([+−]?[\d.]+)<', page)
    assert shown
    assert re.findall(r"& ((?:\$-\$|\+)?[\d.]+) \{", table) == [text.replace("−", "$-$") for text in shown]


def test_latex_is_balanced(made: dict[str, bytes]) -> None:
    for name, data in made.items():
        if name.endswith(".tex"):
            text = re.sub(r"\\[{}]", "", data.decode())
            assert text.count("{") == text.count("}"), name
            widths = {line.count(" & ") for line in text.splitlines() if line.endswith(r"\\")}
            assert len(widths) <= 1, name
            assert text.isascii() or not re.search(r"[−±†●→·–]", text), name


def test_a_table_explains_its_marks_and_has_no_colours(made: dict[str, bytes]) -> None:
    flagged = 0
    for name, data in made.items():
        if not re.fullmatch(r"tables/.+\.md", name):
            continue
        rows, _, caption = data.decode().rpartition("\n*")
        assert "colour" not in caption.lower(), name
        for mark in ("●", "†", "‡"):
            flagged += mark in rows
            assert mark not in rows or mark in caption, name
        for letter in ("c", "d"):
            in_rows = re.search(rf"\| {letter}d?†? [+−\d]", rows)
            flagged += in_rows is not None
            assert in_rows is None or f" {letter}: " in caption, name
    assert flagged


def test_text_is_text() -> None:
    table = Table(
        caption=EVIL, columns=(Column(EVIL, numeric=False), Column("n")), rows=((Cell("a|b*c"), Cell("1", sub="± 2")),)
    )
    text = latex(table, "x")
    assert escape(EVIL) == r"50\% of \$x\_1 \& \{\#2\} \textasciitilde{} \textasciicircum{} \textbackslash{}end"
    assert text.count(escape(EVIL)) == 2
    assert r"a|b*c & 1 {\scriptsize $\pm$ 2} \\" in text
    assert "| a\\|b\\*c | 1 (± 2) |" in markdown(table)


def test_what_is_cited_is_in_the_bibliography(made: dict[str, bytes]) -> None:
    entries = set(re.findall(r"^@\w+\{([^,]+),$", made["references.bib"].decode(), re.M))
    cited = {
        key
        for group in re.findall(r"\\citep\{([^}]+)\}", made["tables/methods.tex"].decode())
        for key in group.split(",")
    }
    assert cited
    assert cited <= entries
    assert {"conneau-2018-xnli", "phang-2020-english", "artetxe-2019-laser", "harris-2020-numpy"} <= entries
    assert {"williams-2018-mnli", "rajpurkar-2016-squad", "paszke-2019-pytorch"} <= entries
    assert "lewis-2020-mlqa" not in entries


def test_the_methods_paragraph_has_what_a_reviewer_asks_for() -> None:
    plan, manifests = realistic()
    found = methods_of_study(gather(plan, manifests))
    assert found
    text = found.text()
    for part in (
        "protocol xtreme-2020 (Hu et al. 2020)",
        "seeds 0, 1, 2:",
        "torch 9.9",
        "numpy",
        "scipy",
        "joint SHA-256",
    ):
        assert part in text
    assert plan.digest()[:16] in text
    assert "hub/tiny (digest" in text
    assert "⟦" not in text
    assert "[@hu-2020-xtreme]" in found.markdown()
