"""Plans for tests of the engine, from a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stilts_core.planning.params import TokenizerParams
from stilts_core.planning.plan import KIND_VERSIONS, Plan, Stage, StageKind, fingerprint


def stage(label: str, parents: Mapping[str, str] | None = None, kind: StageKind = StageKind.PREPARE) -> Stage:
    """A stage whose fingerprint depends on its name (the first word of the label) and parents."""
    name = label.split()[0]
    params = TokenizerParams(vocabulary=300 + sum(name.encode()), max_length=16 + len(name))
    parents = dict(parents or {})
    return Stage(
        fingerprint=fingerprint(kind, params, {**parents, "name": name.encode().hex()}),
        kind=kind,
        version=KIND_VERSIONS[kind],
        params=params,
        parents=parents,
        label=label,
    )


def plan_of(stages: Sequence[Stage], name: str = "fake") -> Plan:
    return Plan(name=name, protocol="jiant", data_root="data", study={}, stages=tuple(stages), cells=())


def diamond(extra: str = "") -> list[Stage]:
    """One stage, three that follow from it, and one that follows from those."""
    top = stage(f"top {extra}")
    middle = [stage(f"middle-{index} {extra}", {"top": top.fingerprint}) for index in range(3)]
    last = stage(f"last {extra}", {f"in/{index}": each.fingerprint for index, each in enumerate(middle)})
    return [top, *middle, last]
