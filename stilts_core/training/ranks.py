"""The processes of one training: how they start, find each other, agree, and end together."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from stilts_core import errors
from stilts_core.errors import RendezvousError, StiltsError
from stilts_core.lifeline import die_with_parent

RENDEZVOUS_SECONDS = 120
_STOP_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a training, as its own code sees it.

    Attributes:
        stop_requested: as in `stages.context.StageContext`; ranks agree on it before they act.
    """

    rank: int
    ranks: int
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
) -> dict[str, Any]:
    """Run ``body`` on every rank and give what rank 0 returned (JSON).

    One rank runs in this process. Several are forked from it; the first failure ends all of them and is raised here.

    Raises:
        StiltsError: what a rank raised; `RendezvousError` when the ranks did not find each other.
    """
    if ranks == 1:
        return _enter(body, Rank(0, 1, device, threads, stop_requested), None)
    context = multiprocessing.get_context("fork")
    flag = context.Event()
    supervisor = os.getpid()
    with tempfile.TemporaryDirectory(prefix="stilts-ranks-") as scratch:
        processes = [
            context.Process(
                target=_child,
                args=(body, Rank(rank, ranks, device, threads, flag.is_set), Path(scratch), supervisor),
            )
            for rank in range(ranks)
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
                        raise _failure(Path(scratch), processes.index(process), process.exitcode)
                if stop_requested():
                    flag.set()
        finally:
            for process in processes:
                if process.is_alive():
                    process.kill()
                process.join()
        result: dict[str, Any] = json.loads((Path(scratch) / "result.json").read_text(encoding="utf-8"))
        return result


def _child(body: Callable[[Rank], dict[str, Any]], rank: Rank, scratch: Path, supervisor: int) -> None:
    die_with_parent(supervisor)
    # The supervisor passes a stop on through the flag; a rank that left alone would leave the others in a collective.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = _enter(body, rank, scratch)
        if rank.rank == 0:
            (scratch / "result.json").write_text(json.dumps(result), encoding="utf-8")
    except StiltsError as error:
        document = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        (scratch / f"error-{rank.rank}.json").write_text(json.dumps(document), encoding="utf-8")
        os._exit(error.exit_code)


def _enter(body: Callable[[Rank], dict[str, Any]], rank: Rank, scratch: Path | None) -> dict[str, Any]:
    from datetime import timedelta

    import torch
    from torch import distributed
    from torch._C._distributed_c10d import FileStore, HashStore, Store

    torch.set_num_threads(rank.threads)
    backend = "gloo"
    if rank.device == "cuda":
        torch.cuda.set_device(rank.rank)
        backend = "nccl"
    os.environ.update(RANK=str(rank.rank), WORLD_SIZE=str(rank.ranks), LOCAL_RANK=str(rank.rank))
    store: Store = HashStore() if scratch is None else FileStore(str(scratch / "rendezvous"), rank.ranks)
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
    finally:
        # DeepSpeed keeps groups of its own, which it lets go of only when it is told: else no other training could
        # follow in this process.
        comm = sys.modules.get("deepspeed.comm")
        (comm if comm is not None and comm.is_initialized() else distributed).destroy_process_group()


def _failure(scratch: Path, rank: int, exit_code: int) -> StiltsError:
    try:
        document = json.loads((scratch / f"error-{rank}.json").read_text(encoding="utf-8"))
        kind = getattr(errors, document["error"])
        error: StiltsError = kind(document["message"], hint=document["hint"])
    except (OSError, ValueError, AttributeError):
        ending = f"signal {-exit_code}" if exit_code < 0 else f"exit status {exit_code}"
        error = StiltsError(f"Rank {rank} ended with {ending}.", hint="Its log says more.")
    return error
