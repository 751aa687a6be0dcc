"""Scoring the runs of a report: one after another, or side by side in processes where that saves time.

A tiny model leaves a second core idle whatever its number of threads, as most of its time is spent between tensors; so
without a GPU, and with enough to do, every run gets a process of its own while the other numbers are computed.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import torch

from analysis.report.scores import Scored, score_run
from analysis.runs import RunView
from configs.progress import progress
from data import Sample
from models.engine import forward

SIDE_BY_SIDE_FROM = 500  # responses of a run; a process takes longer to start than fewer take to score
TITLE = "report: scoring tokens"


@dataclass(frozen=True)
class Work:
    """What is scored of every run."""

    ids: Sequence[str]
    samples: Mapping[str, Sample]
    mapped: Sequence[str]
    patch_grid: int

    def of(self, view: RunView, advance: Callable[[int, str], None] = lambda done, note: None) -> Scored:
        return score_run(view, self.ids, self.samples, self.mapped, self.patch_grid, advance)


def processes_for(runs: int, responses: int) -> int:
    if runs < 2 or responses < SIDE_BY_SIDE_FROM or torch.cuda.is_available():
        return 1
    return min(runs, os.cpu_count() or 1)


def one_after_another(views: Sequence[RunView], work: Work) -> dict[str, Scored]:
    count, found = len(work.ids), {}
    with progress(TITLE, len(views) * count) as advance:
        for number, view in enumerate(views):
            found[view.name] = work.of(view, partial(forward, advance, number * count))
    return found


def side_by_side(views: Sequence[RunView], work: Work, pool: ProcessPoolExecutor) -> Callable[[], dict[str, Scored]]:
    """Begin, and give back what waits for the results."""
    futures = {pool.submit(work.of, view): view.name for view in views}

    def wait() -> dict[str, Scored]:
        found = {}
        with progress(TITLE, len(views) * len(work.ids)) as advance:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                advance(len(found) * len(work.ids), "")
        return found

    return wait


@contextmanager
def started(views: Sequence[RunView], work: Work) -> Iterator[Callable[[], dict[str, Scored]]]:
    """Inside, the runs may be scored already while other things are done; calling what is yielded gives the scores."""
    processes = processes_for(len(views), len(work.ids))
    if processes == 1:
        yield partial(one_after_another, views, work)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield side_by_side(views, work, pool)
