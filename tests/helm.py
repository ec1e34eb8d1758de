"""The real Helm, built from its pinned Go module, and the chart as it renders.

``python tests/helm.py`` builds it, so that no test has to wait for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from cluster.machine.build import program
from cluster.machine.pins import HELM
from cluster.machine.places import cache_folder

CHART = Path(__file__).parent.parent / "charts" / "stilts"


class HelmError(Exception):
    """What Helm said when it refused."""


def has_go() -> bool:
    """Whether Helm can be built here."""
    return shutil.which("go") is not None


def helm_binary() -> Path:
    """Helm, built into the cache of the test cluster, once for all processes."""
    return program(HELM, cache_folder(), _say)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def helm(*arguments: str) -> str:
    """What a command of Helm prints, away from the user's own configuration.

    Raises:
        HelmError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="stilts-helm-") as home:
        places = {f"HELM_{kind}_HOME": f"{home}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **places}
        done = subprocess.run([helm_binary(), *arguments], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


def template(
    values: Mapping[str, Any],
    *options: str,
    release: str = "trial",
    namespace: str = "research",
    chart: str = str(CHART),
) -> list[dict[str, Any]]:
    """The chart's objects for some values."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(dict(values), file)
        file.flush()
        text = helm("template", release, chart, "--namespace", namespace, "--values", file.name, *options)
    return [document for document in yaml.safe_load_all(text) if document]


if __name__ == "__main__":
    sys.stdout.write(f"{helm_binary()}\n")
