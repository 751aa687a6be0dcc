"""One progress bar for long work: a live line with an estimate on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_LINE_EVERY_S = 20.0


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """Yields `advance(done, note)`; the estimate counts from where this process began."""
    start, first, last_line = time.monotonic(), done, 0.0

    def estimate(now_done: int) -> str:
        spent = time.monotonic() - start
        rate = spent / max(1, now_done - first)
        left = rate * (total - now_done)
        return f"{left // 60:.0f} min {left % 60:02.0f} s left"

    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            "{task.description}",
            BarColumn(),
            "{task.completed}/{task.total}",
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=total, completed=done, note="")

            def live(now: int, note: str = "") -> None:
                bar.update(task, completed=now, note=note)

            yield live
        return

    def plain(now: int, note: str = "") -> None:
        nonlocal last_line
        if time.monotonic() - last_line > PLAIN_LINE_EVERY_S or now == total:
            last_line = time.monotonic()
            print(f"{title}: {now}/{total}, {estimate(now)} {note}", file=sys.stderr, flush=True)

    yield plain
