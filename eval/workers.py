"""Sample with several processes, one per GPU: each answers a fixed share into files of its own, which are taken over.

A response is fixed by seed, item and number. Shares are whole batches of what is missing, dealt in turn, so that also
the batches are those of one process. Whatever is killed, the next start takes over what lies there and asks the rest.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from common import UserError, atomic_write_text
from data import Sample
from eval.checks import gpu_ids
from eval.settings import EvalSettings
from eval.store import ResponseStore
from eval.tasks import Missing, Task
from models.engine import Progress

POLL_S = 0.5


def shares(missing: Missing, batch: int, workers: int) -> list[list[tuple[Task, Sample, int]]]:
    """Deal whole batches of prompts in turn; no worker is left without one."""
    batches = [list(missing[start : start + batch]) for start in range(0, len(missing), batch)]
    return [[one for own in batches[first::workers] for one in own] for first in range(min(workers, len(batches)))]


@dataclass
class Worker:
    """One process with its folder: share.json is what it is asked, done.json says that it came to the end."""

    number: int
    folder: Path
    parts: list[Path]
    log: IO[str]
    process: subprocess.Popen[bytes]
    lines: int = 0
    read_bytes: dict[Path, int] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """Return how it ended before its work was done; nothing where it did not."""
        code = self.process.poll()
        if code is None or (code == 0 and (self.folder / "done.json").exists()):
            return ""
        return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"

    def answered(self) -> int:
        """Return how many responses lie in its files, of which only what is new is read."""
        for part in (part for part in self.parts if part.exists()):
            with part.open("rb") as file:
                file.seek(self.read_bytes.get(part, 0))
                new = file.read()
            self.lines += new.count(b"\n")
            self.read_bytes[part] = self.read_bytes.get(part, 0) + len(new)
        return self.lines


def take_over_parts(stores: dict[str, ResponseStore], out: Path) -> None:
    """Add what workers wrote, now or before they were killed."""
    for store in stores.values():
        for part in sorted((out / "workers").glob(f"*/{store.path.name}")):
            store.take_over(part)


def start_worker(number: int, share: Missing, stores: dict[str, ResponseStore], out: Path, gpus: list[str]) -> Worker:
    """Start one process; it ends when this one does, however that ends, because its standard input then closes."""
    folder = out / "workers" / str(number)
    asked: dict[str, list[str]] = {}
    for task, sample, _ in share:
        asked.setdefault(task.name, []).append(sample.id)
    files = {name: [str(stores[name].path), str(folder / stores[name].path.name)] for name in asked}
    (folder / "done.json").unlink(missing_ok=True)
    content = {"settings": str(out / "config.yaml"), "samples": asked, "files": files}
    atomic_write_text(folder / "share.json", json.dumps(content))
    own = {"CUDA_VISIBLE_DEVICES": gpus[number]} if gpus else {"OMP_NUM_THREADS": "1"}
    log = open(folder / "log.txt", "w", encoding="utf-8")  # noqa: SIM115 (the process writes there)
    process = subprocess.Popen(
        [sys.executable, "-m", "eval.worker", str(folder.resolve())],
        env=os.environ | own,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Worker(number, folder, [Path(part) for _, part in files.values()], log, process)


def watch(workers: Sequence[Worker], done: int, advance: Progress) -> list[Worker]:
    """Wait for all workers; return those that failed. The others go on, as what they answer is kept."""
    failed: list[Worker] = []
    running = list(workers)
    while running:
        time.sleep(POLL_S)
        for worker in [worker for worker in running if worker.process.poll() is not None]:
            running.remove(worker)
            if worker.failure:
                failed.append(worker)
                print(failure_text(worker, len(workers)), file=sys.stderr, flush=True)
        advance(done + sum(worker.answered() for worker in workers), f"{len(running)} of {len(workers)} workers")
    return failed


def failure_text(worker: Worker, count: int) -> str:
    lines = (worker.folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    last = f", its last line: {lines[-1][:300]}" if lines else ""
    return f"worker {worker.number} of {count} {worker.failure}; its log is {worker.folder / 'log.txt'}{last}"


def sample_by_workers(
    tasks: Sequence[Task],
    missing: Missing,
    stores: dict[str, ResponseStore],
    settings: EvalSettings,
    out: Path,
    advance: Progress,
) -> dict[str, list[str]]:
    """Fill the stores by `settings.gpus` processes; returns, per task, the samples whose prompt is too long."""
    gpus = gpu_ids()
    parts = shares(missing, max(1, settings.sampling.batch // settings.k), settings.gpus)
    total = sum(len(task.samples) for task in tasks) * settings.k
    workers: list[Worker] = []
    try:
        for number, share in enumerate(parts):
            workers.append(start_worker(number, share, stores, out, gpus))
        failed = watch(workers, total - sum(lack for *_, lack in missing), advance)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
            worker.log.close()
        take_over_parts(stores, out)
    if failed:
        raise UserError(
            f"{failure_text(failed[0], len(workers))}; start the same command again, what is answered is kept"
        )
    advance(total, "")
    too_long: dict[str, list[str]] = {task.name: [] for task in tasks}
    for worker in workers:
        for name, ids in json.loads((worker.folder / "done.json").read_text()).items():
            too_long[name] += ids
    return too_long
