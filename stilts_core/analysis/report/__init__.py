"""The report: one HTML file that needs nothing else, in a browser or on paper."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from stilts_core.analysis.collected import Collected
from stilts_core.analysis.report.blocks import Page
from stilts_core.analysis.report.page import Answered, build_page


def render(collected: Collected, questions: Sequence[Answered] = ()) -> str:
    """The report of a study as HTML. Only its section on how it ran depends on more than plan and metrics."""
    return render_page(build_page(collected, questions))


def render_page(page: Page) -> str:
    """A page as HTML."""
    environment = Environment(
        loader=PackageLoader("stilts_core.analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(page=page)
