"""Work in a bounded number of threads: as it is finished, in order, or one item ahead of its user."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_THREADS = 8  # of a process, for work that lets go of Python's lock


def own_cores() -> int:
    """Return how many cores of this machine fall to this process, of those that a launcher started here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(MOST_THREADS, own_cores()), thread_name_prefix="in_order")


if hasattr(os, "register_at_fork"):  # a fork has none of its parent's threads, and would wait for them without end
    os.register_at_fork(after_in_child=_threads.cache_clear)


def in_order(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results of all items, worked out in as many threads as there are cores; `work` may not call this."""
    return list(_threads().map(work, items) if len(items) > 1 else map(work, items))


def one_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield pairs of item and result in order; a thread works on the next item while the caller uses this one.

    At most two results are there at a time. An error of the work is raised where its result would have come.
    """
    waiting: tuple[Item, Future[Result]] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="one_ahead") as thread:
        for item in items:
            before, waiting = waiting, (item, thread.submit(work, item))
            if before:
                yield before[0], before[1].result()
        if waiting:
            yield waiting[0], waiting[1].result()


def as_finished(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, stop: Callable[[], None] = lambda: None
) -> Iterator[tuple[Item, Result]]:
    """Yield pairs of item and result; an item is drawn, in the caller's thread, only when a worker is free for it.

    Where the work ends early (an error, the keyboard, a caller that had enough), `stop` is called to cut short what
    is still under way.
    """
    running: dict[Future[Result], Item] = {}
    complete = False
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            running[pool.submit(work, item)] = item
            while len(running) >= workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)
        complete = True
    finally:
        if not complete:
            stop()
        pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future[Result], Item]) -> Iterator[tuple[Item, Result]]:
    done = wait(running, return_when=FIRST_COMPLETED).done
    # Errors last: what was finished beside one is not lost.
    for future in sorted(done, key=lambda one: one.exception() is not None):
        yield running.pop(future), future.result()
