"""The processes of one training: how they start, find each other, agree, and end together."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_core import errors
from stilts_core.errors import RendezvousError, StiltsError, StoppedError
from stilts_core.lifeline import die_with_parent
from stilts_core.storage.retry import count_retries, tried_again
from stilts_core.training.group import ALONE, Group

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

RENDEZVOUS_SECONDS = 120
_STOP_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 5
_CAUSE_SECONDS = 2.0  # a rank that has lost another one may end before that one does
_MET = "met"


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a training, as its own code sees it.

    Attributes:
        local: its number among the ranks of its node; its GPU.
        stop_requested: as in `stages.context.StageContext`; ranks agree on it before they act.
    """

    rank: int
    ranks: int
    local: int
    device: str
    threads: int
    stop_requested: Callable[[], bool]


def run_ranks(
    body: Callable[[Rank], dict[str, Any]],
    *,
    ranks: int,
    device: str,
    threads: int,
    stop_requested: Callable[[], bool],
    group: Group = ALONE,
) -> dict[str, Any]:
    """Run ``body`` on every rank of this node and give what rank 0 returned (JSON); nothing on the other nodes.

    One rank runs in this process. Several are forked from it; the first failure ends all of them and is raised here.

    Args:
        ranks: of all nodes.

    Raises:
        StiltsError: what a rank raised; `RendezvousError` when the ranks did not find each other.
    """
    here = ranks // group.nodes
    first = group.node * here
    if here == 1:
        result = _enter(body, Rank(first, ranks, 0, device, threads, stop_requested), group, None)
        return {} if group.node else result
    context = multiprocessing.get_context("fork")
    flag = context.Event()
    supervisor = os.getpid()
    with tempfile.TemporaryDirectory(prefix="stilts-ranks-") as scratch:
        processes = [
            context.Process(
                target=_child,
                args=(
                    body,
                    Rank(first + local, ranks, local, device, threads, flag.is_set),
                    group,
                    Path(scratch),
                    supervisor,
                ),
            )
            for local in range(here)
        ]
        for process in processes:
            process.start()
        try:
            alive: dict[Any, Any] = {process.sentinel: process for process in processes}
            while alive:
                for sentinel in wait(list(alive), timeout=_STOP_POLL_SECONDS):
                    process = alive.pop(sentinel)
                    process.join()
                    if process.exitcode:
                        raise _cause(process, list(alive.values()), processes, Path(scratch), first, group)
                if stop_requested():
                    flag.set()
        finally:
            for process in processes:
                if process.is_alive():
                    process.kill()
                process.join()
            count_retries(sum(int(path.read_text() or 0) for path in Path(scratch).glob("retries-*")))
        written: dict[str, Any] = {}
        if group.node == 0:
            written = json.loads((Path(scratch) / "result.json").read_text(encoding="utf-8"))
        return written


def _child(body: Callable[[Rank], dict[str, Any]], rank: Rank, group: Group, scratch: Path, supervisor: int) -> None:
    die_with_parent(supervisor)
    # The supervisor passes a stop on through the flag; a rank that left alone would leave the others in a collective.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before, code = tried_again(), 0
    try:
        result = _enter(body, rank, group, scratch)
        if rank.rank == 0:
            (scratch / "result.json").write_text(json.dumps(result), encoding="utf-8")
    except StiltsError as error:
        document = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        (scratch / f"error-{rank.rank}.json").write_text(json.dumps(document), encoding="utf-8")
        code = error.exit_code
    finally:
        # The one who reads it looks only once this process has ended.
        (scratch / f"retries-{rank.rank}").write_text(str(tried_again() - before))
    if code:
        os._exit(code)


def _enter(body: Callable[[Rank], dict[str, Any]], rank: Rank, group: Group, scratch: Path | None) -> dict[str, Any]:
    from datetime import timedelta

    import torch
    from torch import distributed

    torch.set_num_threads(rank.threads)
    backend = "gloo"
    if rank.device == "cuda":
        torch.cuda.set_device(rank.local)
        backend = "nccl"
    os.environ.update(RANK=str(rank.rank), WORLD_SIZE=str(rank.ranks), LOCAL_RANK=str(rank.local))
    store = _meet(rank, group) if group.nodes > 1 else _meet_here(rank, scratch)
    try:
        distributed.init_process_group(
            backend,
            store=store,
            rank=rank.rank,
            world_size=rank.ranks,
            timeout=timedelta(seconds=RENDEZVOUS_SECONDS),
        )
    except (RuntimeError, ValueError) as error:
        raise RendezvousError(f"Rank {rank.rank} of {rank.ranks} did not find the others: {error}") from error
    try:
        return body(rank)
    except RuntimeError as error:
        if group.nodes > 1 and _lost_others(error):
            raise RendezvousError(f"Rank {rank.rank} of {rank.ranks} lost the others: {_first_line(error)}") from error
        raise
    finally:
        # DeepSpeed keeps groups of its own, which it lets go of only when it is told: else no other training could
        # follow in this process.
        comm = sys.modules.get("deepspeed.comm")
        (comm if comm is not None and comm.is_initialized() else distributed).destroy_process_group()


def _meet_here(rank: Rank, scratch: Path | None) -> Store:
    from torch._C._distributed_c10d import FileStore, HashStore

    return HashStore() if scratch is None else FileStore(str(scratch / "rendezvous"), rank.ranks)


def _meet(rank: Rank, group: Group) -> Store:
    """Wait at the leader until every rank of every node is there.

    In short tries, so that a stop is heeded and a leader that comes up late is found.

    Raises:
        RendezvousError: somebody did not come in time.
        StoppedError: a stop was requested meanwhile.
    """
    from datetime import timedelta

    from torch._C._distributed_c10d import TCPStore

    deadline = time.monotonic() + group.patience
    store: TCPStore | None = None
    missing = f"{group.leader}:{group.port} did not answer"
    while time.monotonic() < deadline:
        if rank.stop_requested():
            raise StoppedError("The stage was asked to stop while its ranks were meeting.")
        try:
            if store is None:
                store = TCPStore(
                    group.leader,
                    group.port,
                    rank.ranks,
                    is_master=rank.rank == 0,
                    timeout=timedelta(seconds=_CONNECT_SECONDS),
                    wait_for_workers=False,
                )
                store.add(_MET, 1)
            met = store.add(_MET, 0)
        except RuntimeError as error:
            missing = f"{group.leader}:{group.port} cannot be used: {_first_line(error)}"
        else:
            if met >= rank.ranks:
                store.set_timeout(timedelta(seconds=RENDEZVOUS_SECONDS))  # all groups that follow meet there, too
                return store
            missing = f"only {met} of them came"
        time.sleep(_STOP_POLL_SECONDS)
    raise RendezvousError(
        f"Rank {rank.rank} of {rank.ranks} did not find the others within {group.patience:g} s: {missing}.",
        hint="A node of the group did not start, or a network policy keeps the nodes apart.",
    )


def _lost_others(error: RuntimeError) -> bool:
    from torch import distributed

    # gloo says it in words only.
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _cause(
    first_failed: Any, others: list[Any], processes: list[Any], scratch: Path, first: int, group: Group
) -> StiltsError:
    """Why the ranks ended: a rank that knows why is believed before one that has only lost the others."""
    failure = _failure(scratch, first + processes.index(first_failed), first_failed.exitcode, group)
    deadline = time.monotonic() + _CAUSE_SECONDS
    while others and not _explains(failure) and (left := deadline - time.monotonic()) > 0:
        ended = wait([process.sentinel for process in others], timeout=left)
        for process in [each for each in others if each.sentinel in ended]:
            others.remove(process)
            process.join()
            if process.exitcode:
                other = _failure(scratch, first + processes.index(process), process.exitcode, group)
                failure = other if _explains(other) else failure
    return failure


def _explains(failure: StiltsError) -> bool:
    return failure.exit_code not in (StiltsError.exit_code, RendezvousError.exit_code)


def _failure(scratch: Path, rank: int, exit_code: int, group: Group) -> StiltsError:
    try:
        document = json.loads((scratch / f"error-{rank}.json").read_text(encoding="utf-8"))
        kind = getattr(errors, document["error"])
        error: StiltsError = kind(document["message"], hint=document["hint"])
    except (OSError, ValueError, AttributeError):
        ending = f"signal {-exit_code}" if exit_code < 0 else f"exit status {exit_code}"
        # NCCL's watchdog aborts a process whose collective does not end.
        lost = group.nodes > 1 and exit_code == -signal.SIGABRT
        error = (RendezvousError if lost else StiltsError)(
            f"Rank {rank} ended with {ending}.", hint="Its log says more."
        )
    return error
