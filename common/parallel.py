"""Work in a bounded number of threads, each result handed over as it is finished."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
