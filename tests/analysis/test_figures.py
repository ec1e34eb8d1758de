"""Figures have their numbers as files, and are told apart without colour and by those who see fewer colours."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from importlib.resources import files as resources
from itertools import combinations

import numpy as np
import pytest
from fake_study import realistic
from planted_table import row, table

from stilts_core.analysis.collect import files, gather, questions_of
from stilts_core.analysis.evidence import Evidence
from stilts_core.analysis.frame import scores_in
from stilts_core.analysis.questions import answers
from stilts_core.analysis.report.blocks import DotPlot, Page, Plot
from stilts_core.analysis.report.figures import COLOURS, DASHES, SHAPES, Style
from stilts_core.analysis.report.page import build_page
from stilts_core.analysis.table import csv_bytes

CSS = (resources("stilts_core.analysis.report") / "templates" / "style.css").read_text(encoding="utf-8")

# Machado, Oliveira and Fernandes (2009), severity 1, in linear RGB
DEFICIENT = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def figures(page: Page) -> Iterator[DotPlot | Plot]:
    for section in page.sections:
        for blocks in (section.blocks, *(part.blocks for part in section.parts)):
            yield from (block for block in blocks if isinstance(block, DotPlot | Plot))


def fields(data: bytes) -> list[str]:
    """Every number of a table."""
    texts = [text for record in csv.reader(io.StringIO(data.decode())) for field in record for text in field.split()]
    return [text for text in texts if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text)]


def numbers(data: bytes) -> set[str]:
    return {f"{float(text) + 0.0:.1f}" for text in fields(data)}


def test_every_number_of_a_studys_figures_is_in_its_table() -> None:
    plan, manifests = realistic()
    collected = gather(plan, manifests)
    made = files(collected)
    shown = list(figures(build_page(collected, questions_of(collected))))
    assert len(shown) >= 6
    for figure in shown:
        assert drawn(figure) <= numbers(made[figure.source]), figure.source
    assert made["report.html"].decode().count("stilts results fake.yaml --only tables/") == len(shown)


def drawn(figure: DotPlot | Plot) -> set[str]:
    """The numbers with decimals that the titles of a figure's marks say."""
    svgs = [str(row[2]) for row in figure.rows] if isinstance(figure, DotPlot) else [str(figure.drawing)]
    titles = re.findall(r"<title>([^<]+)</title>", "".join(svgs))
    return {text.replace("−", "-") for title in titles for text in re.findall(r"[−\d.]+", title) if "." in text}


def test_every_number_of_the_questions_figures_is_in_their_tables() -> None:
    sizes = [row(name, "baseline", "-", "-", 0, "parameters", 2e7 * 2**place) for place, name in enumerate("abc")]
    measured = [
        row("a", f"{name}{more}", "-", "-", seed, "intermediate_accuracy", 80.0 + seed + place)
        for place, name in enumerate(("mnli", "squad_v1", "qqp", "copa"))
        for more in ("", "-mix")
        for seed in range(4)
    ]
    curricula = [f"{name}{more}" for name in ("mnli", "squad_v1", "qqp", "copa") for more in ("", "-mix")]
    targets = {"xnli": ("en", "de", "tr", "fi"), "udpos": ("en", "fr", "tr", "hu")}
    frame = table(
        lambda *_: 2.0,
        encoders=("a", "b", "c"),
        curricula=curricula,
        targets=targets,
        seeds=4,
        extra=[*sizes, *measured],
        mix={name: ("de", "fr") for name in curricula if name.endswith("-mix")},
    )
    shown: dict[str, int] = {}
    for question in answers(frame, scores_in(frame)[0], Evidence()):
        tables = {f"tables/{one.name}.csv": csv_bytes(one.header, one.records) for one in question.tables}
        for figure in (block for block in question.blocks if isinstance(block, DotPlot | Plot)):
            known = [float(field) for field in fields(tables[figure.source])]
            for text in drawn(figure):
                near = 0.6 * 10 ** -len(text.partition(".")[2])
                means = [float(text)] if isinstance(figure, DotPlot) else []
                assert any(abs(value - float(text)) <= near for value in known) or means, (figure.source, text)
            shown[question.name] = shown.get(question.name, 0) + 1
    assert {"morphology", "metrics", "languages"} <= shown.keys()


def rgb(code: str) -> np.ndarray:
    channels = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b*, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / [0.95047, 1.0, 1.08883], 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def palettes() -> dict[str, dict[str, str]]:
    light, dark = CSS.index(":root"), CSS.index("@media (prefers-color-scheme: dark)")
    return {
        name: dict(re.findall(r"--([a-z]+\d?): (#[0-9a-f]{6})", CSS[start : CSS.index("}", start + 40)]))
        for name, start in (("light", light), ("dark", dark))
    }


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("sight", DEFICIENT)
def test_gains_and_losses_are_told_apart(mode: str, sight: str) -> None:
    colours = palettes()[mode]
    seen = {name: lab(np.clip(np.array(DEFICIENT[sight]) @ rgb(code), 0, 1)) for name, code in colours.items()}
    for step in (2, 3, 4):
        assert np.linalg.norm(seen[f"p{step}"] - seen[f"n{step}"]) > 15


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_arms_of_similar_colours_have_other_marks(mode: str) -> None:
    colours = palettes()[mode]
    styles = [Style(place) for place in range(COLOURS + 1)]
    for sight, matrix in DEFICIENT.items():
        for one, other in combinations(styles, 2):
            first, second = (lab(np.clip(np.array(matrix) @ rgb(colours[s.colour]), 0, 1)) for s in (one, other))
            if np.linalg.norm(first - second) < 12:
                assert one.shape != other.shape, (sight, one, other)


def test_arms_have_marks_and_dashes_of_their_own() -> None:
    looks = {(Style(place).shape, Style(place).dash) for place in range(1, SHAPES * DASHES // 2 + 1)}
    assert len(looks) == SHAPES * DASHES // 2
    assert all(re.search(rf"\.curve\.{Style(place).dash} ", CSS) for place in range(1, DASHES))
