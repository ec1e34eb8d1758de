from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


@pytest.fixture(scope="session")
def slices() -> Path:
    """The slices of the real data sets."""
    return Path(os.environ.get("STILTS_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
