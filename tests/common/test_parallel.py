"""Threads: results in order, one item ahead of its user and no more, errors in their place."""

import os
import threading
import time
from multiprocessing import get_context

import pytest

from common import parallel
from common.parallel import in_order, one_ahead, own_cores

LONG_S = 5.0


def test_results_keep_the_order_of_the_items_whatever_takes_long(monkeypatch):
    monkeypatch.setattr(parallel, "own_cores", lambda: 3)
    parallel._threads.cache_clear()
    met = threading.Barrier(3, timeout=LONG_S)  # passes only if three items are under way at once

    def work(number: int) -> tuple[int, str]:
        met.wait()
        time.sleep(0.02 * (2 - number))
        return number, threading.current_thread().name

    found = in_order(work, [0, 1, 2])
    parallel._threads.cache_clear()
    assert [number for number, _ in found] == [0, 1, 2] and len({name for _, name in found}) == 3
    assert in_order(lambda _: threading.current_thread(), [0]) == [threading.main_thread()]  # alone: no thread


def test_the_next_item_is_worked_on_while_this_one_is_used_and_no_later_one():
    begun = [threading.Event() for _ in range(4)]

    def work(number: int) -> int:
        begun[number].set()
        return 10 * number

    seen = []
    for number, result in one_ahead(work, range(4)):
        if number < 3:
            assert begun[number + 1].wait(LONG_S)
        assert not any(event.is_set() for event in begun[number + 2 :])
        seen.append((number, result))
    assert seen == [(0, 0), (1, 10), (2, 20), (3, 30)] and list(one_ahead(work, [])) == []


def test_an_error_comes_where_its_result_would_have_come():
    pairs = one_ahead(lambda number: 6 // number, [2, 1, 0, 3])
    assert next(pairs) == (2, 3) and next(pairs) == (1, 6)
    with pytest.raises(ZeroDivisionError):
        next(pairs)


def test_the_cores_are_shared_by_the_processes_that_a_launcher_started_here(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert own_cores() == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert own_cores() == 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "own_cores", lambda: 2)
    parallel._threads.cache_clear()
    met = threading.Barrier(2, timeout=LONG_S)
    in_order(lambda _: met.wait(), [1, 2])  # both threads are there, so the fork would start none
    with get_context("fork").Pool(1) as pool:
        assert pool.apply_async(in_order, (str, [1, 2])).get(timeout=10) == ["1", "2"]
    parallel._threads.cache_clear()
