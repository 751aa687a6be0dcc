"""Slurm scripts for what a table lacks: a job per training, its evaluations after it, the table after all of them.

`sh <folder>/submit.sh`, from the root of the repository, submits them with their dependencies. A training is the
script of `python -m train.slurm`, which requeues itself; a job that fails leaves those that wait for it undone, and
the same command writes what is still missing then.
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.experiments import Experiment, remaining
from common import atomic_write_text
from configs import compose
from train.slurm import OWN, SlurmCommand, check_job, header, script_text

SIMPLE = """\
#!/bin/bash
{header}

set -eu
cd -- "${{SLURM_SUBMIT_DIR:-.}}"
if [ -f .venv/bin/activate ]; then . .venv/bin/activate; fi
{commands}
"""
SUBMIT = """\
#!/bin/sh
# Submits all jobs of a table; run it once, from the root of the repository.
set -eu
job() {{ sbatch --parsable "$@" | cut -d ';' -f 1; }}
{lines}
"""


def write_jobs(experiments: Sequence[Experiment], last: Sequence[str], folder: Path, options: Sequence[str]) -> Path:
    """Write the scripts and return the one that submits them.

    `options` are further settings of train.slurm for every job, `last` the arguments of `python -m analysis`.
    """
    suite = experiments[0].suite
    lines, waited, trains = [], [], dict[Path, str]()
    for number, (experiment, commands) in enumerate(remaining(experiments)):
        stem = folder / f"{experiment.row.id}_seed{experiment.seed}"
        teacher = trains.get(experiment.teacher.folder) if experiment.teacher else None
        after = f"--dependency=afterok:${teacher} " if teacher else ""
        for room in ("train", "eval"):
            wanted = [one for one in commands if one[0] == room]
            if not wanted:
                continue
            path = stem.with_name(f"{stem.name}.{room}.sbatch")
            if room == "train":
                write_training(wanted[0][1:], path, options)
                trains[experiment.folder] = f"{room}{number}"
            else:
                write_simple(wanted, path, [f"scale={suite.scale}", *options])
            lines.append(f"{room}{number}=$(job {after}{path.as_posix()})")
            after = f"--dependency=afterok:${room}{number} "
        if after:
            waited.append(after.split(":")[1].strip())
    path = folder / "table.sbatch"
    write_simple([["analysis", *last]], path, [f"scale={suite.scale}", *options])
    after = f"--dependency=afterok:{':'.join(waited)} " if waited else ""
    lines.append(f"job {after}{path.as_posix()}")
    atomic_write_text(folder / "submit.sh", SUBMIT.format(lines="\n".join(lines)))
    return folder / "submit.sh"


def write_training(arguments: Sequence[str], path: Path, options: Sequence[str]) -> None:
    """Write the script of a training; options that are settings of the run stand in its command as well."""
    asked = compose(SlurmCommand, [*arguments, *options, f"script={path.as_posix()}"])
    check_job(asked)
    further = [one for one in options if one.partition("=")[0] not in OWN]
    atomic_write_text(path, script_text(asked, [*arguments, *further]))
    Path(asked.logs).mkdir(parents=True, exist_ok=True)  # Slurm drops the output of a job whose folder is missing


def write_simple(commands: Sequence[Sequence[str]], path: Path, options: Sequence[str]) -> None:
    """Write a script of one process: evaluations on the GPUs of one machine, or a table on none."""
    asked = replace(compose(SlurmCommand, list(options)), nodes=1, method=path.name.split(".")[0])
    on_gpus = commands[0][0] == "eval"
    gpus = [f"gpus={asked.gpus}"] if on_gpus and asked.gpus > 1 else []
    dropped = ("--signal", "--requeue") if on_gpus else ("--signal", "--requeue", "--gpus-per-node")
    lines = [one for one in header(asked).splitlines() if not any(word in one for word in dropped)]
    text = "\n".join(shlex.join(["python", "-m", *command, *gpus]) for command in commands)
    atomic_write_text(path, SIMPLE.format(header="\n".join(lines), commands=text))
