from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from fake_study import entry, make_manifests, make_plan, realistic
from hypothesis import given
from hypothesis import strategies as st

from stilts_core.analysis.collected import Collected, gather
from stilts_core.analysis.report import render
from stilts_core.analysis.report.answer import answer
from stilts_core.analysis.report.figures import BINS, Scale, gain_class, gain_limit, scale_for
from stilts_core.analysis.report.words import duration, listed, moment, score, signed, size, span
from stilts_core.planning.plan import Cell, Plan

VOID = {"meta", "line", "use", "path", "br", "input", "link", "img"}


class Outline(HTMLParser):
    """Checks that elements nest, and collects ids, links, tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.references.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", "".join(Outline(page).words))


def study(**options: object) -> Collected:
    plan, manifests = realistic(**options)  # type: ignore[arg-type]
    return gather(plan, manifests)


def level(value: float, **more: object) -> Collected:
    plan = make_plan()
    return gather(plan, make_manifests(plan, lambda cell, code: entry(value, **more)))


@pytest.fixture(scope="module")
def page() -> str:
    return render(study(encoders=("tiny", "large"), title="A title", question="A question?"))


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page: str) -> None:
    found = Outline(page)
    assert page.startswith("<!doctype html>")
    assert len(found.ids) == len(set(found.ids))
    assert found.references
    assert {reference.removeprefix("#") for reference in found.references} <= set(found.ids)


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    found = Outline(page)
    assert not found.tags & {"script", "link", "img", "iframe", "object"}
    assert not {name for name in found.attributes if name.startswith("on")}
    assert not re.search(r"https?:|url\(|@import|//[a-z]", page.replace("sample://", ""))


def test_the_page_has_every_section(page: str) -> None:
    text = text_of(page)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Answer",
        "Arms",
        "Gains",
        "What the gains rest on",
        "The best curriculum of each target",
        "Runs that went wrong",
        "Mean scores",
        "Target by target",
        "At the level of guessing",
        "What is missing",
        "How it ran",
        "Settings and data",
        "Languages",
        "Methods, to quote",
        "The same numbers as files",
    ]
    for part in ("A title", "A question?", "Swahili", "Niger-Congo", "torch 9.9", "node-a", "task xnli: epochs = 2"):
        assert part in text
    assert re.findall(r"Table (\d+)\.", text) == [str(n) for n in range(1, len(re.findall(r"Table \d+\.", text)) + 1)]


def test_the_heat_map_prints_its_numbers() -> None:
    plan = make_plan()
    found = gather(plan, make_manifests(plan, lambda c, code: entry(60 + 4 * (c.curriculum == "mnli") + c.seed)))
    assert re.search(r'class="num p4"[^>]*>\+4\.0<small>± 0\.0 · 2/2</small>', render(found))


def test_calls_to_the_store_that_were_repeated_are_counted() -> None:
    plan = make_plan()
    found = make_manifests(plan, lambda c, code: entry(60))
    name = plan.stages[0].fingerprint
    found[name] = found[name].model_copy(update={"run": {**found[name].run, "store_retries": 1234}})
    assert "1,234 calls that failed, repeated" in text_of(render(gather(plan, found)))


def test_a_divergence_is_told_from_what_is_missing() -> None:
    plan = make_plan()
    stopped = {plan.stages[0].fingerprint: "diverged: The loss is nan at step 7 of 400."}
    page = text_of(render(gather(plan, {}, stopped)))
    assert "because a training diverged: that is what these settings gave" in page
    assert "diverged: The loss is nan at step 7 of 400." in page
    assert "diverged" not in text_of(render(gather(plan, {}, {})))


@pytest.mark.parametrize("where", ["title", "question", "notes", "name", "data_root", "reason", "note"])
def test_what_comes_from_outside_is_text(where: str) -> None:
    evil = "<script>alert('\"&')</script>"
    options: dict[str, object] = {"notes": (evil,)} if where == "notes" else {where: evil}
    plan = make_plan(**(options if where not in ("reason", "note") else {}))  # type: ignore[arg-type]

    def one(cell: Cell, code: str) -> dict[str, object] | None:
        return entry(None, note=evil) if where == "note" and cell.seed else entry(60.0)

    manifests = make_manifests(plan, one)
    reasons = {}
    if where == "reason":
        gone = plan.cells[0].fingerprint
        del manifests[gone]
        reasons = {gone: evil}
    made = render(gather(plan, manifests, reasons))
    assert "<script" not in made
    assert "script" not in Outline(made).tags
    assert evil in "".join(Outline(made).words)


def test_a_sample_is_called_one() -> None:
    assert "A sample, not a result." in render(study(seeds=(0,), data_root="sample://"))
    assert "A sample, not a result." not in render(study(seeds=(0,)))


def test_runs_at_chance_are_announced() -> None:
    text = text_of(render(level(33.0)))
    assert "Some runs stay at the level of guessing." in text
    assert "Every arm stays at the level of guessing" in text
    assert "Some runs stay" not in render(level(60.0))


def test_degenerate_runs_are_named() -> None:
    assert "4 of 4 scores of mnli; they count in the means" in text_of(render(level(60.0, degenerate=True)))


def test_a_study_that_says_nothing_of_itself_is_still_reported() -> None:
    plan, manifests = realistic(seeds=(0,))
    bare = Plan.model_validate({**plan.model_dump(), "study": {}})
    Outline(render(gather(bare, manifests)))


def said(scores: dict[str, list[float]]) -> str:
    plan = make_plan(curricula=tuple(scores), seeds=range(len(scores["baseline"])))
    manifests = make_manifests(plan, lambda cell, code: entry(scores[cell.curriculum][cell.seed]))
    return answer(gather(plan, manifests).summary, {}).lead


def test_the_answer_is_no_bolder_than_the_seeds() -> None:
    steady = said({"baseline": [50, 50], "a": [52, 53], "b": [51, 51.5], "c": [49, 48]})
    assert steady == (
        "a gains most, +2.5 points (+2.0 to +3.0 over 2 seeds), from 50.0 to 52.5. b also gains in every seed. "
        "c loses, −1.5 points (−2.0 to −1.0 over 2 seeds)."
    )
    assert "Its seeds do not agree on the sign." in said({"baseline": [50, 50], "a": [53, 49]})
    assert said({"baseline": [50, 50], "a": [49, 49.5]}).startswith("No curriculum gains over the baseline's 50.0")
    assert said({"baseline": [50], "a": [52]}).startswith("a gains most, +2.0 points (one seed)")


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=6))
def test_an_axis_holds_its_values(values: list[float]) -> None:
    scale = scale_for(values)
    assert scale.low <= min(values) + 1e-6
    assert scale.high >= max(values) - 1e-6
    assert 2 <= len(scale.ticks) <= 13
    assert all(0 <= float(scale.at(tick).rstrip("%")) <= 100 for tick in scale.ticks)


def test_places_on_an_axis() -> None:
    scale = scale_for([31, 68])
    assert scale == Scale(30, 70, (30, 40, 50, 60, 70))
    assert (scale.at(30), scale.at(50), scale.at(70)) == ("3.00%", "50.00%", "97.00%")


@given(st.floats(-50, 50), st.floats(0.5, 50))
def test_colours_of_gains_are_even_around_zero(gain: float, limit: float) -> None:
    turned = {
        "z": "z",
        **{f"p{n}": f"n{n}" for n in range(1, BINS + 1)},
        **{f"n{n}": f"p{n}" for n in range(1, BINS + 1)},
    }
    assert gain_class(-gain, limit) == turned[gain_class(gain, limit)]


def test_colours_end_at_the_limit() -> None:
    assert [gain_class(gain, 9.0) for gain in (-9, -1, 0.9, 1, 3, 9, 90)] == ["n4", "n1", "z", "p1", "p2", "p4", "p4"]
    assert gain_class(None, 9.0) == ""
    assert [gain_limit(gains) for gains in ((), (0.3,), (-1.2,), (4.4,), (70,))] == [1.0, 1.0, 1.5, 5, 80]


def test_numbers_as_a_reader_meets_them() -> None:
    assert [score(v) for v in (61.25, -0.04, -3, None)] == ["61.2", "0.0", "−3.0", "–"]
    assert [signed(v) for v in (1.26, -1.26, 0.04, -0.04, None)] == ["+1.3", "−1.3", "0.0", "0.0", "–"]
    assert [span([1, 2]), span([1, 1.01]), span([-1, 2], signs=True)] == ["1.0 to 2.0", "1.0", "−1.0 to +2.0"]
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert [duration(v) for v in (1.25, 42.4, 185, 7800, None)] == ["1.2 s", "42 s", "3 min 5 s", "2 h 10 min", "–"]
    assert [size(v) for v in (12, 3_565_158, 2**41)] == ["12 B", "3.4 MiB", "2048.0 GiB"]
    assert moment("2030-01-31T15:05:00.5+01:00") == "2030-01-31 14:05:00 UTC"
    assert moment("later") == "later"
