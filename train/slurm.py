"""`python -m train.slurm scale=7b method=papo_g nodes=2 gpus=8`: write the Slurm script of a training run.

Every other `a.b=c` is a setting of `python -m train`; it is checked now and stands in the script as it was given. The
script starts one torchrun per node, requeues itself before its time is over, and may be submitted again after any
stop: the same command goes on from the last complete checkpoint. The equivalent `deepspeed` command is printed.
"""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from common import UserError, atomic_write_text
from configs import command, compose, setting
from data.sources import check_split
from train.checks import check, check_shares
from train.settings import TrainSettings


@dataclass(frozen=True)
class SlurmCommand(TrainSettings):
    """A run's settings and what Slurm is asked for."""

    nodes: int = setting(1, "machines")
    gpus: int = setting(8, "GPUs of each machine")
    cpus: int = setting(8, "CPU cores for each GPU")
    time: str = setting("24:00:00", "time limit; the job requeues itself before")
    partition: str = setting("", "Slurm partition; empty = the site's default")
    account: str = setting("", "Slurm account; empty = the site's default")
    grace_s: int = setting(120, "seconds before the time limit at which the job stops and requeues itself")
    requeues: int = setting(50, "requeues after which the job gives up")
    script: str = setting("", "file to write; empty = slurm/<scale>_<method>.sbatch")
    logs: str = setting("slurm/logs", "folder of the logs, from where the job is submitted")


OWN = {field.name for field in fields(SlurmCommand)} - {field.name for field in fields(TrainSettings)}
HEADER_VALUE = re.compile(r"[A-Za-z0-9_./:,+-]*")

SCRIPT = """\
#!/bin/bash
{header}

# Submit from the root of the repository: sbatch {script}
# NCCL (NCCL_SOCKET_IFNAME, NCCL_IB_HCA ...), GLOO_SOCKET_IFNAME (vLLM opens gloo groups too) and modules are the
# site's business: set them here or in your profile.
set -u
cd -- "${{SLURM_SUBMIT_DIR:-.}}"
if [ -f .venv/bin/activate ]; then source .venv/bin/activate; fi  # else the environment of the submission
export OMP_NUM_THREADS={cpus}

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000))  # jobs that share a machine must not meet

# Nothing has to be saved: a run goes on from its last complete checkpoint, however it was stopped.
step=
stop() {{ [ -n "$step" ] && kill -TERM "$step" 2>/dev/null && wait "$step"; }}
again() {{
  stop
  if [ "${{SLURM_RESTART_COUNT:-0}}" -ge {requeues} ]; then echo "requeued {requeues} times, giving up"; exit 1; fi
  echo "time is nearly over: requeued"
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
}}
trap again USR1
trap 'stop; exit 143' TERM

# Arguments of the script are more settings: sbatch {script} steps=300
srun --nodes={nodes} --ntasks-per-node=1 --cpus-per-task={all_cpus} --kill-on-bad-exit=1 \\
  torchrun --nnodes={nodes} --nproc-per-node={gpus} --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" \\
  --rdzv-endpoint="$first:$port" -m train {overrides} "$@" &
step=$!
wait "$step"
"""


def checked_header(name: str, value: str) -> str:
    """Return a value for an #SBATCH line, where no quoting helps."""
    if not HEADER_VALUE.fullmatch(value):
        raise UserError(f"{name}={value!r} cannot stand in a Slurm header; use letters, digits and _./:,+- only")
    return value


def header(settings: SlurmCommand) -> str:
    """Return the #SBATCH lines."""
    name = f"percept-{settings.scale}-{settings.method}".replace("/", "-")
    options = {
        "job-name": checked_header("job name", name),
        "nodes": settings.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": settings.gpus,
        "cpus-per-task": settings.cpus * settings.gpus,
        "time": checked_header("time", settings.time),
        "partition": checked_header("partition", settings.partition),
        "account": checked_header("account", settings.account),
        "output": f"{checked_header('logs', settings.logs)}/%x-%j.out",
        "open-mode": "append",
        "signal": f"B:USR1@{settings.grace_s}",
    }
    lines = [f"#SBATCH --{option}={value}" for option, value in options.items() if value != ""]
    return "\n".join([*lines, "#SBATCH --requeue"])


def script_path(settings: SlurmCommand) -> Path:
    name = f"{settings.scale}_{settings.method}".replace("/", "-")
    return Path(settings.script or f"slurm/{name}.sbatch")


def script_text(settings: SlurmCommand, overrides: Sequence[str]) -> str:
    """Return the whole script; everything a user gave is quoted."""
    return SCRIPT.format(
        header=header(settings),
        script=checked_header("script", script_path(settings).as_posix()),
        nodes=settings.nodes,
        gpus=settings.gpus,
        cpus=settings.cpus,
        all_cpus=settings.cpus * settings.gpus,
        requeues=settings.requeues,
        overrides=shlex.join(overrides),
    )


def deepspeed_command(settings: SlurmCommand, overrides: Sequence[str]) -> str:
    """Return the same run without Slurm; our settings would not know the --local_rank that DeepSpeed adds
    unless told.
    """
    start = f"deepspeed --hostfile hosts --num_nodes {settings.nodes} --num_gpus {settings.gpus}"
    return f"{start} --no_local_rank --module train {shlex.join(overrides)}"


def check_job(settings: SlurmCommand) -> None:
    """Refuse a job that could not start."""
    for name in ("nodes", "gpus", "cpus"):
        if getattr(settings, name) < 1:
            raise UserError(f"{name}={getattr(settings, name)} makes no job; give at least 1")
    if settings.grace_s < 1 or settings.requeues < 0:
        raise UserError("grace_s must be at least 1 and requeues at least 0")
    count, shown = settings.nodes * settings.gpus, f"{settings.nodes} x {settings.gpus} processes"
    if count > 1 and settings.parallel.backend == "torch":
        raise UserError(f"{shown} need parallel.backend=deepspeed; add it, or give nodes=1 gpus=1")
    check_shares(settings, count)


def write_script(settings: SlurmCommand, arguments: Sequence[str]) -> None:
    """Check job and run, write the script, say how to start it."""
    overrides = [argument for argument in arguments if argument.partition("=")[0] not in OWN]
    asked = compose(TrainSettings, overrides)
    check(asked)  # names first: a number of processes is no answer to a misspelt piece
    check_split(asked.data)
    check_job(settings)
    path = script_path(settings)
    atomic_write_text(path, script_text(settings, overrides))
    Path(settings.logs).mkdir(parents=True, exist_ok=True)  # Slurm drops the output of a job whose folder is missing
    print(f"wrote {path}; start it with: sbatch {path}")
    print(f"without Slurm, hosts and slots in the file hosts: {deepspeed_command(settings, overrides)}")


if __name__ == "__main__":
    given = sys.argv[1:]
    run = partial(write_script, arguments=given)
    sys.exit(command(SlurmCommand, run, given, prog="python -m train.slurm", summary=str(__doc__)))
