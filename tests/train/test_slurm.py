"""The Slurm script: right numbers, everything quoted, and run for real with small stand-ins for srun and scontrol."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common import UserError
from configs import command, compose
from train.slurm import SlurmCommand, write_script

ROOT = Path(__file__).resolve().parents[2]
MANY = ["scale=7b", "method=papo_g", "nodes=2", "gpus=8", "parallel.backend=deepspeed"]
# Drops its own options, as the last of which torchrun begins.
SRUN = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
SCONTROL = '#!/bin/bash\necho "$@" >> "$SCONTROL_LOG"\necho localhost\n'


def write(*arguments: str) -> None:
    write_script(compose(SlurmCommand, list(arguments)), list(arguments))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on this machine; scontrol's calls go to a file."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "localhost", "SLURM_SUBMIT_DIR": str(ROOT)}
    return {**os.environ, **job, "PATH": path, "SCONTROL_LOG": str(tmp_path / "calls"), "DS_ACCELERATOR": "cpu"}


def test_script_holds_the_right_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(*MANY, "seed=3", "time=08:00:00", "partition=gpu", "grace_s=300")
    path = folder / "slurm" / "7b_papo_g.sbatch"
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    lines = path.read_text().splitlines()
    for line in (
        "#SBATCH --nodes=2",
        "#SBATCH --gpus-per-node=8",
        "#SBATCH --cpus-per-task=64",
        "#SBATCH --time=08:00:00",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@300",
        "#SBATCH --partition=gpu",
    ):
        assert line in lines
    text = path.read_text()
    assert "torchrun --nnodes=2 --nproc-per-node=8" in text
    assert "-m train scale=7b method=papo_g parallel.backend=deepspeed seed=3 " in text
    assert "account" not in text
    assert str(ROOT) not in text and str(folder) not in text
    assert (folder / "slurm" / "logs").is_dir()
    out = capsys.readouterr().out
    assert "sbatch slurm/7b_papo_g.sbatch" in out
    assert "deepspeed --hostfile hosts --num_nodes 2 --num_gpus 8 --no_local_rank --module train scale=7b" in out


def test_header_lines_come_before_the_first_command(folder: Path) -> None:
    """Slurm stops reading #SBATCH at the first line that is no comment."""
    write(*MANY)
    lines = (folder / "slurm" / "7b_papo_g.sbatch").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert all(i < first for i, line in enumerate(lines) if line.startswith("#SBATCH"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nodes=0"], "nodes=0 makes no job"),
        (["gpus=-1"], "gpus=-1 makes no job"),
        (["gpus=2"], "need parallel.backend=deepspeed"),
        (["gpus=5", "parallel.backend=deepspeed"], "which 5 processes cannot share equally"),
        (["nodes=1", "gpus=1", "rollouts.group=1"], "rollouts.group must be at least 2"),
        (["gpus=1", "partition=a b\n#SBATCH --nodes=9"], "cannot stand in a Slurm header"),
        (["gpus=1", "script=a b.sbatch"], "cannot stand in a Slurm header"),
    ],
)
def test_what_cannot_run_is_not_written(folder: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        write("scale=mini", "parallel.backend=torch", *arguments)
    assert not (folder / "slurm").exists()


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("grader=robst", "no grader 'robst'; did you mean 'robust'"),
        ("losses.constant=[reference]", "no loss term; did you mean 'reference_kl'"),
        ("data.split=trian", "no split 'trian'; use one of train, validation"),
    ],
)
def test_a_wrong_name_is_told_before_the_number_of_processes(folder: Path, argument: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        write(argument)  # 8 GPUs with the plain backend, which is refused as well


def test_a_method_written_as_in_its_paper_has_its_file_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SlurmCommand, print, ["method=PAPO_G"], prog="p", summary="") == 2
    assert "error: unknown method 'PAPO_G' on the command line; did you mean papo_g" in capsys.readouterr().err


def test_an_unknown_setting_is_the_usual_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(SlurmCommand, "builtins:exit", ["optimiser.learning_rat=1"], prog="p", summary="") == 2
    assert "did you mean 'optimiser.learning_rate'?" in capsys.readouterr().err


def test_overrides_are_quoted(folder: Path, slurm: dict[str, str]) -> None:
    """What a user gives reaches the run as one argument each and is never read by the shell."""
    evil = f"run=x'; touch {folder}/broken; $(touch {folder}/broken) `touch {folder}/broken`"
    write("scale=mini", "gpus=1", evil)
    (folder / "torchrun").write_text('#!/bin/bash\nprintf "%s\\n" "${@: -3}"\n')
    (folder / "torchrun").chmod(0o755)
    script = (folder / "slurm" / "mini_grpo.sbatch").read_text().replace("source .venv/bin/activate", ":")
    (folder / "script").write_text(script)
    environment = {**slurm, "SLURM_SUBMIT_DIR": str(folder)}
    done = subprocess.run(["bash", "script", "seed=1"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["scale=mini", evil, "seed=1"]
    assert not (folder / "broken").exists()


def test_the_deepspeed_command_is_one_shell_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("scale=mini", "gpus=1", "run=a b")
    line = capsys.readouterr().out.splitlines()[-1].partition("file hosts: ")[2]
    assert shlex.split(line)[-2:] == ["scale=mini", "run=a b"]


@pytest.mark.nightly  # make test runs the script with a stand-in for torchrun, and torchrun itself elsewhere
def test_two_processes_start_from_the_script(folder: Path, slurm: dict[str, str]) -> None:
    """torchrun, its rendezvous and `python -m train` for real; only srun and scontrol are stand-ins."""
    write("scale=mini", "method=papo_g", "gpus=2", "parallel.backend=deepspeed", f"run={folder}/my run")
    script = folder / "slurm" / "mini_papo_g.sbatch"
    done = subprocess.run(
        ["bash", script, "dry_run=true"], env=slurm, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("method: papo_g") == 2
    assert done.stdout.count(f"run: {folder}/my run") == 2
    assert done.stdout.count("a step on 2 GPUs") == 1  # the first process alone prints the estimate
    assert (folder / "calls").read_text().strip() == "show hostnames localhost"


@pytest.mark.parametrize(("restarts", "status", "asked"), [("0", 0, True), ("50", 1, False)])
def test_a_job_whose_time_is_over_requeues_itself(
    folder: Path, slurm: dict[str, str], restarts: str, status: int, asked: bool
) -> None:
    write("scale=mini", "gpus=1")
    (folder / "srun").write_text(f"#!/bin/bash\ntouch {folder}/started\nexec sleep 60\n")
    environment = {**slurm, "SLURM_RESTART_COUNT": restarts}
    with subprocess.Popen(["bash", "slurm/mini_grpo.sbatch"], env=environment, stdout=subprocess.DEVNULL) as job:
        while not (folder / "started").exists():
            time.sleep(0.05)
        time.sleep(0.2)  # until the script knows its step
        job.send_signal(signal.SIGUSR1)
        assert job.wait(timeout=20) == status
    assert (f"requeue {os.getpid()}" in (folder / "calls").read_text()) is asked
