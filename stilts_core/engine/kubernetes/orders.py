"""The command line of a stage pod."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from stilts_core.engine.kubernetes.cgroup import CGROUP
from stilts_core.errors import SpecError
from stilts_core.stages.run import DEFAULT_REGISTRY
from stilts_core.storage.attempts import parse_attempt
from stilts_core.storage.manifest import Attempt

TERMINATION_LOG = Path("/dev/termination-log")
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
PORT = 29500  # torch's own default
KEPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What one pod is to do.

    Attributes:
        store: address of the store.
        plan: address of the plan's JSON.
        plan_digest: as `planning.plan.Plan.digest` gives it.
        stage: fingerprint.
        attempt: the name under which its group keeps things in the store.
        nodes: pods of the group.
        ranks_per_node: processes of a training in each pod.
        index: of this pod in its group, from 0.
        service: the headless Service of the group.
        leader: name of the pod with index 0; None: it follows from the host name and the service.
        port: of the leader, where the ranks meet.
        patience: seconds for which the pods of a group wait for each other.
        grace: the pod's termination grace period, seconds.
        stall: seconds without progress after which the processes are ended; 0: never.
        profile: a profile file, for everything else about placement.
        work: a folder for downloads, scratch and the log.
        termination_log: the file whose content becomes the termination message.
        cgroup: where the control group's files are.
    """

    store: str
    plan: str
    plan_digest: str
    stage: str
    attempt: Attempt
    nodes: int
    ranks_per_node: int
    index: int
    service: str
    leader: str | None
    port: int
    patience: float
    grace: float
    stall: float
    profile: Path | None
    work: Path
    termination_log: Path
    cgroup: Path
    registry: str
    submission: str
    halvings: int

    @property
    def kept(self) -> float:
        """Of the grace period, the seconds that stay for log and records once the stage's processes have ended."""
        return min(KEPT_SECONDS, self.grace / 3)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SpecError(f"The command of the stage pod is wrong: {message}.", hint=self.format_usage().strip())


def parse_orders(argv: Sequence[str] | None = None) -> Orders:
    """The orders of a command line and of the pod's completion index.

    Raises:
        SpecError: they are wrong.
    """
    given = vars(_parser().parse_args(argv))
    given["attempt"] = parse_attempt(given["attempt"])
    given["index"] = _index(os.environ.get(INDEX_VARIABLE) or "0")
    orders = Orders(**given)
    if orders.nodes < 1 or orders.ranks_per_node < 1:
        raise SpecError("A stage has at least one node, with at least one rank.")
    if not 0 <= orders.index < orders.nodes:
        raise SpecError(f"{INDEX_VARIABLE} is {orders.index}, and the stage has {orders.nodes} nodes.")
    if orders.nodes > 1 and not (orders.service or orders.leader):
        raise SpecError("Several nodes need --service, the headless Service by which they find each other.")
    return orders


def termination_log_of(argv: Sequence[str]) -> Path:
    """Where the termination message goes, whatever else is wrong with a command line."""
    parser = _Parser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--termination-log", type=Path, default=TERMINATION_LOG)
    try:
        known, _ = parser.parse_known_args(argv)
    except (argparse.ArgumentError, SpecError):
        return TERMINATION_LOG
    found: Path = known.termination_log
    return found


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stilts-supervisor", description="Run one attempt at a stage in this pod.", allow_abbrev=False
    )
    parser.add_argument("--store", required=True, metavar="URI")
    parser.add_argument("--plan", required=True, metavar="URI")
    parser.add_argument("--plan-digest", required=True, metavar="HEX")
    parser.add_argument("--stage", required=True, metavar="FINGERPRINT")
    parser.add_argument("--attempt", required=True, metavar="NUMBER-TOKEN")
    parser.add_argument("--nodes", type=int, default=1, metavar="N")
    parser.add_argument("--ranks-per-node", type=int, default=1, metavar="R")
    parser.add_argument("--service", default="", metavar="NAME")
    parser.add_argument("--leader", metavar="HOST")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--grace", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--stall", type=float, default=1800.0, metavar="SECONDS")
    parser.add_argument("--profile", type=Path, metavar="FILE")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "stilts", metavar="FOLDER")
    parser.add_argument("--termination-log", type=Path, default=TERMINATION_LOG, metavar="FILE")
    parser.add_argument("--cgroup", type=Path, default=CGROUP, metavar="FOLDER")
    parser.add_argument("--registry", default=DEFAULT_REGISTRY, metavar="MODULE")
    parser.add_argument("--submission", default="", metavar="ID")
    parser.add_argument("--halvings", type=int, default=0, metavar="N")
    return parser


def _index(text: str) -> int:
    if not text.isdecimal():
        raise SpecError(f"{INDEX_VARIABLE} is {text!r}, which is no number.")
    return int(text)
