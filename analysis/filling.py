"""Train and evaluate what a table lacks, one run after another or several side by side."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from analysis.experiments import REPOSITORY, Experiment, remaining, shown
from common import UserError
from common.parallel import as_finished, own_cores
from eval.checks import gpu_ids


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one row lacks under one seed: commands to be run in this order."""

    name: str
    commands: Sequence[Sequence[str]]
    log: Path


def fill(experiments: Sequence[Experiment], parallel: int = 1) -> None:
    """Run what is missing in processes of their own, `parallel` rows at a time."""
    waves = jobs_of(experiments)
    with ending_at_once():
        if parallel > 1:
            places = shares_of_machine(parallel)
            for jobs in waves:
                side_by_side(jobs, places)
            return
        commands = [command for jobs in waves for job in jobs for command in job.commands]
        for number, command in enumerate(commands, start=1):
            print(f"[{number}/{len(commands)}] {shown(command)}", flush=True)
            run(command)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End, when this process is asked to, as the keyboard would end it: with what it has started."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def jobs_of(experiments: Sequence[Experiment]) -> list[list[Job]]:
    """Return the missing work in two waves: a row that uses the training or the policy of another waits for it."""
    waves: list[list[Job]] = [[], []]
    for experiment, commands in remaining(experiments):
        name, log = f"{experiment.row.id} seed {experiment.seed}", log_of(experiment.own_folder)
        if commands:
            waves[bool(experiment.twin or experiment.teacher)].append(Job(name=name, commands=commands, log=log))
    return waves


def log_of(folder: Path) -> Path:
    """Return the file beside a run's folder; ids of rows may hold dots, which are no suffix."""
    return folder.with_name(f"{folder.name}.log")


def shares_of_machine(parallel: int) -> list[dict[str, str]]:
    """Return the environment of each place in which a job can run: its GPUs, else its number of threads."""
    gpus = gpu_ids()
    if gpus and len(gpus) < parallel:
        raise UserError(f"parallel={parallel} needs as many GPUs, but this process sees {len(gpus)}")
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[first::parallel])} for first in range(parallel)]
    return [{"OMP_NUM_THREADS": str(max(1, own_cores() // parallel))}] * parallel


def side_by_side(jobs: Sequence[Job], places: Sequence[Mapping[str, str]]) -> None:
    """Run jobs, as many at a time as there are places; what each prints goes into its log.

    After a failure no further job is begun, and those under way come to their end, as their work is kept.
    """
    free = list(places)
    failed: list[str] = []
    running: set[subprocess.Popen[bytes]] = set()

    def work(job: Job) -> None:
        if failed:
            return
        place = free.pop()
        try:
            for command in job.commands:
                run(command, place, job.log, running)
        except UserError as error:
            failed.append(str(error))
        finally:
            free.append(place)

    def stop() -> None:
        failed.append("stopped")
        for process in list(running):
            process.terminate()

    for number, (job, _) in enumerate(as_finished(work, jobs, len(places), stop), start=1):
        print(f"[{number}/{len(jobs)}] {job.name}: {'stopped' if failed else 'done'}, log {job.log}", flush=True)
    if failed:
        raise UserError("; ".join(failed))


def run(
    command: Sequence[str],
    place: Mapping[str, str] | None = None,
    log: Path | None = None,
    running: set[subprocess.Popen[bytes]] | None = None,
) -> None:
    """Run one command of the project; a failure names it, and its log where it has one."""
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") if log else nullcontext() as file:
        status = wait_for(
            subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=REPOSITORY,
                env=os.environ | dict(place or {}),
                stdout=file,
                stderr=subprocess.STDOUT if file else None,
            ),
            running if running is not None else set(),
        )
    if status:
        where = f" (its output: {log})" if log else ""
        raise UserError(f"'{shown(command)}' ended with status {status}{where}; mend it and start again, it resumes")


def wait_for(process: subprocess.Popen[bytes], running: set[subprocess.Popen[bytes]]) -> int:
    """Return how a process ended; where this one ends first it takes the other along."""
    running.add(process)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        running.discard(process)
