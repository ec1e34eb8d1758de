"""The tables of a report for papers: LaTeX with booktabs, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

from stilts_core.analysis.report.blocks import Block, Cell, Fold, Page, Table
from stilts_core.analysis.report.methods import Methods

Format = Literal["latex", "markdown"]
FORMATS: tuple[Format, ...] = ("latex", "markdown")
LEFT_OUT = frozenset({"missing", "ran", "settings", "files"})
"""Sections on how a study ran, which no paper has tables of."""

WIDE = 8
"""Columns from which a table is set smaller."""

LONG = 40
"""Rows over which a table may break over pages."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "ε": r"$\varepsilon$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "✓": r"\checkmark{}",
    "✗": r"$\times$",
    "●": r"$\bullet$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "–": "--",
    "…": r"\dots{}",
    "\u00a0": "~",
}

_FITTED = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"

_PREAMBLE = r"""% Every table and the methods paragraph of the report: a document by itself, or files to \input.
% They need booktabs, graphicx, longtable, amssymb and, for the paragraph, natbib.
\documentclass[a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{amssymb,booktabs,graphicx,longtable}
\usepackage[round]{natbib}
\begin{document}
"""


def escape(text: str) -> str:
    """A text within LaTeX."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def typeset(page: Page, formats: Collection[str], methods: Methods | None) -> dict[str, bytes]:
    """The tables by file name: ``tables/<section>.tex`` and ``.md``, and a document of all of them.

    Args:
        page: of the report.
        formats: wanted.
        methods: the paragraph on methods.
    """
    tables = list(_tables(page))
    files: dict[str, str] = {}
    if "latex" in formats:
        files |= {f"tables/{name}.tex": latex(table, name) for name, table in tables}
        inputs = [f"\\input{{tables/{name}}}\n" for name, _ in tables]
        if methods:
            files["tables/methods.tex"] = methods.latex(escape) + "\n"
            inputs = ["\\section*{Methods}\n\\input{tables/methods}\n\n", *inputs]
            inputs.append("\\clearpage\n\\bibliographystyle{plainnat}\n\\bibliography{references}\n")
        files["tables.tex"] = _PREAMBLE + "".join(inputs) + "\\end{document}\n"
    if "markdown" in formats:
        made = {name: markdown(table) for name, table in tables}
        files |= {f"tables/{name}.md": text for name, text in made.items()}
        paragraph = [f"## Methods\n\n{methods.markdown()}\n"] if methods else []
        files["tables.md"] = "\n".join([f"# {page.title}\n", *paragraph, *made.values()])
    return {name: text.encode() for name, text in files.items()}


def _tables(page: Page) -> Iterator[tuple[str, Table]]:
    for section in page.sections:
        if section.anchor in LEFT_OUT:
            continue
        for anchor, blocks in ((section.anchor, section.blocks), *((p.anchor, p.blocks) for p in section.parts)):
            found = list(_of(blocks))
            name = re.sub(r"[^a-z0-9.-]+", "-", anchor.lower()).removeprefix("question-")
            for number, table in enumerate(found, 1):
                yield (f"{name}-{number}" if len(found) > 1 else name), table


def _of(blocks: tuple[Block, ...]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Fold):
            yield block.inner


def latex(table: Table, name: str) -> str:
    """A table environment. Second lines stand small beside the number; prose takes the room that there is."""
    prose = "prose" in table.css
    width = 0.92 / max(1, len(table.columns))
    kinds = ["r" if column.numeric else f"p{{{width:.2f}\\textwidth}}" if prose else "l" for column in table.columns]
    size = "\\footnotesize" if len(table.columns) >= WIDE or prose else "\\small"
    caption = f"\\caption{{{escape(table.caption)}}}\\label{{tab:{name}}}"
    head = ["\\toprule", " & ".join(escape(column.text) for column in table.columns) + r" \\", "\\midrule"]
    body = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    columns = f"{{@{{}}{''.join(kinds)}@{{}}}}"
    if len(table.rows) > LONG:
        begin = ["{\\scriptsize", f"\\begin{{longtable}}{columns}", caption + r"\\", *head, "\\endhead"]
        return "\n".join([*begin, *body, "\\bottomrule", "\\end{longtable}}", ""])
    begin = ["\\begin{table}[tbp]", "\\centering" + size, caption, *([] if prose else [_FITTED])]
    end = ["\\bottomrule", "\\end{tabular}" + ("" if prose else "}"), "\\end{table}", ""]
    return "\n".join([*begin, f"\\begin{{tabular}}{columns}", *head, *body, *end])


def _latex_cell(cell: Cell) -> str:
    flag = f"\\textit{{{escape(cell.flag)}}} " if cell.flag else ""
    sub = f" {{\\scriptsize {escape(cell.sub)}}}" if cell.sub else ""
    return f"{flag}{escape(cell.text)}{sub}"


def markdown(table: Table) -> str:
    """A pipe table with its caption."""
    rows = [[column.text for column in table.columns], *([_markdown_cell(cell) for cell in row] for row in table.rows)]
    cells = [[_piped(text) for text in row] for row in rows]
    rule = ["---:" if column.numeric else "---" for column in table.columns]
    lines = ["| " + " | ".join(row) + " |" for row in (cells[0], rule, *cells[1:])]
    return "\n".join([*lines, "", f"*{_piped(table.caption)}*", ""])


def _markdown_cell(cell: Cell) -> str:
    flag = f"{cell.flag} " if cell.flag else ""
    return flag + cell.text + (f" ({cell.sub})" if cell.sub else "")


def _piped(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", text).replace("\n", " ")
