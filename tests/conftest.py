"""What the whole suite shares."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("stilts", deadline=None)  # a busy machine is no failure
settings.load_profile("stilts")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files anew; look at the difference before a commit",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared with."""
    return bool(request.config.getoption("--update-golden"))
