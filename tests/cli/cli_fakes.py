"""The command line with a fake study: its plan is the one of `fake_plan`, its stages those of the engine's tests.

As a program: python cli_fakes.py DEED ARGUMENT … runs `stilts ARGUMENT …`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

ENGINE_TESTS = str(Path(__file__).parents[1] / "engine")
if ENGINE_TESTS not in sys.path:
    sys.path.insert(0, ENGINE_TESTS)

from engine_plans import diamond, plan_of  # noqa: E402

import stilts_core.engine.local.launch as launch  # noqa: E402
import stilts_core.planning.load as load  # noqa: E402
from stilts_core.catalog.load import load_catalogue  # noqa: E402
from stilts_core.planning.params import EncoderSource  # noqa: E402
from stilts_core.planning.plan import Plan  # noqa: E402
from stilts_core.spec.load import load_study  # noqa: E402


def fake_plan(deed: str) -> Plan:
    """The diamond, whose first stage does the deed."""
    first, *others = diamond()
    return plan_of([first.model_copy(update={"label": f"top {deed}".strip()}), *others])


def fake_load_plan(deed: str, study: Path, data_root: str | None) -> load.PlannedStudy:
    """The study of a file, with the plan of `fake_plan`; an encoder's source is its digest, too."""
    loaded = load_study(study)
    spec = loaded.study.spec
    data = spec.data if data_root is None else spec.data.model_copy(update={"root": data_root})
    moved = loaded.study.model_copy(update={"spec": spec.model_copy(update={"data": data})})
    encoders = {
        encoder.name: EncoderSource(location=encoder.source, digest=encoder.source)
        for encoder in spec.encoders
        if encoder.source
    }
    return load.PlannedStudy(loaded, moved, load_catalogue(), encoders, fake_plan(deed))


def install(deed: str, put: Callable[[object, str, object], None] = setattr) -> None:
    """Put the fakes in their places."""
    put(load, "plan_study", lambda *_, **__: fake_plan(deed))
    put(load, "load_plan", lambda study, *, data_root=None, **_: fake_load_plan(deed, study, data_root))
    put(launch, "LocalRun", functools.partial(launch.LocalRun, registry="engine_fake_stages", backoff=0.01))
    os.environ["PYTHONPATH"] = ENGINE_TESTS


if __name__ == "__main__":
    from stilts_core.cli.main import main

    install(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
