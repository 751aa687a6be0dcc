"""Scoring the runs of a report: one after another, or side by side in processes where that saves time.

A tiny model leaves a second core idle whatever its number of threads, as most of its time is spent between tensors; so
without a GPU, and with enough to do, every run gets a process of its own while the other numbers are computed.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from analysis.report.scores import Scored, score_run
from analysis.runs import OpenedRun
from common import UserError
from common.progress import progress
from data import Sample
from models.engine import forward

# A fork has torch already, which takes seconds to import; it gets one thread, as no others survive in it, nor do the
# libraries of other systems than Linux. Fewer responses of a run are scored before a process has started.
START, SIDE_BY_SIDE_FROM = ("fork", 50) if sys.platform == "linux" else ("spawn", 500)
TINY_BYTES = 1 << 30  # larger weights keep all cores busy by themselves, and may not fit in memory twice
TITLE = "report: scoring tokens"


@dataclass(frozen=True)
class Work:
    """What is scored of every run."""

    ids: Sequence[str]
    samples: Mapping[str, Sample]
    mapped: Sequence[str]
    patch_grid: int

    def of(self, view: OpenedRun, advance: Callable[[int, str], None] = lambda done, note: None) -> Scored:
        return score_run(view, self.ids, self.samples, self.mapped, self.patch_grid, advance)


def is_tiny(view: OpenedRun) -> bool:
    """Return whether a run's weights lie here and are few."""
    try:
        files = list(Path(view.settings.model.path).glob("*.safetensors"))
    except UserError:  # nothing of the run will be scored, so nothing is gained by a process
        return False
    return bool(files) and sum(file.stat().st_size for file in files) < TINY_BYTES


def processes_for(views: Sequence[OpenedRun], responses: int) -> int:
    if len(views) < 2 or responses < SIDE_BY_SIDE_FROM or torch.cuda.is_available() or not all(map(is_tiny, views)):
        return 1
    return min(len(views), os.cpu_count() or 1)


def one_after_another(views: Sequence[OpenedRun], work: Work) -> dict[str, Scored]:
    count, found = len(work.ids), {}
    with progress(TITLE, len(views) * count) as advance:
        for number, view in enumerate(views):
            found[view.name] = work.of(view, partial(forward, advance, number * count))
    return found


def side_by_side(views: Sequence[OpenedRun], work: Work, pool: ProcessPoolExecutor) -> Callable[[], dict[str, Scored]]:
    """Begin, and give back what waits for the results."""
    futures = {view.name: pool.submit(work.of, view) for view in views}

    def wait() -> dict[str, Scored]:
        with progress(TITLE, len(views) * len(work.ids)) as advance:
            for count, _ in enumerate(as_completed(futures.values()), 1):
                advance(count * len(work.ids), "")
        return {name: future.result() for name, future in futures.items()}  # tables list runs in this order

    return wait


@contextmanager
def started(views: Sequence[OpenedRun], work: Work) -> Iterator[Callable[[], dict[str, Scored]]]:
    """Inside, the runs may be scored already while other things are done; calling what is yielded gives the scores."""
    processes = processes_for(views, len(work.ids))
    if processes == 1:
        yield partial(one_after_another, views, work)
        return
    # Unfrozen, the first garbage collection would copy all memory of a fork.
    gc.freeze()
    try:
        with ProcessPoolExecutor(processes, get_context(START), torch.set_num_threads, (1,)) as pool:
            yield side_by_side(views, work, pool)
    finally:
        gc.unfreeze()
