"""The same work on many objects, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """``function`` of each item, in the order of the items, by at most ``workers`` threads.

    Raises:
        Exception: the first failure, in the order of the items; work that has not begun by then is dropped.
    """
    todo = list(items)
    if min(workers, len(todo)) <= 1:
        return [function(item) for item in todo]
    with ThreadPoolExecutor(min(workers, len(todo)), thread_name_prefix="storage") as pool:
        futures = [pool.submit(function, item) for item in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
