"""A table's Slurm jobs: what is missing, in the order of its dependencies, submitted by one script."""

import os
import subprocess
from pathlib import Path

import pytest

from analysis.outputs import run
from analysis.settings import TableSettings
from common import UserError
from configs import compose

SBATCH = '#!/bin/sh\necho "$@" >> asked\necho "$(wc -l < asked);cluster"\n'


def write(*options: str) -> None:
    run(compose(TableSettings, ["table=1", "scale=3b", "seeds=2", "methods=[base,grpo]", "slurm=true", *options]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sbatch").write_text(SBATCH)
    (tmp_path / "sbatch").chmod(0o755)
    return tmp_path


def test_jobs_wait_for_what_they_need(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("jobs=[gpus=4,partition=big]")
    assert "submit all jobs with: sh slurm/table1_3b/submit.sh" in capsys.readouterr().out
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(["bash", "slurm/table1_3b/submit.sh"], check=True, env=os.environ | {"PATH": path})
    asked = [line.replace("slurm/table1_3b/", "") for line in (folder / "asked").read_text().splitlines()]
    assert asked == [
        "--parsable base_seed0.eval.sbatch",
        "--parsable grpo_seed0.train.sbatch",
        "--parsable --dependency=afterok:2 grpo_seed0.eval.sbatch",
        "--parsable grpo_seed1.train.sbatch",
        "--parsable --dependency=afterok:4 grpo_seed1.eval.sbatch",
        "--parsable --dependency=afterok:1:3:5 table.sbatch",
    ]


def test_scripts_are_shell_with_the_commands_of_the_plan(folder: Path) -> None:
    write("jobs=[gpus=4,partition=big]")
    scripts = sorted((folder / "slurm" / "table1_3b").glob("*"))
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
    texts = {script.name: script.read_text() for script in scripts}
    training, evaluation, table = (
        texts[f"{name}.sbatch"] for name in ("grpo_seed1.train", "grpo_seed1.eval", "table")
    )
    assert "--nproc-per-node=4" in training and "-m train method=grpo scale=3b seed=1" in training
    assert "gpus=4" not in training.partition("-m train")[2]  # Slurm's, and no setting of the run
    assert "python -m eval model=qwen2_5_vl_3b run=runs/3b/grpo/seed1" in evaluation and "gpus=4" in evaluation
    assert "python -m analysis table=1 scale=3b seeds=2 folder=runs\n" in table and "--gpus-per-node" not in table
    assert all("--partition=big" in text for name, text in texts.items() if name != "submit.sh")


def test_what_is_finished_gets_no_job(folder: Path) -> None:
    scores = folder / "runs" / "3b" / "base" / "eval" / "papo_suite" / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("{}")
    with pytest.raises(UserError, match="papo_suite"):  # a folder without the settings that it was made with
        write()
    assert not (folder / "slurm").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["jobs=[gpus=0]"], "gpus=0 makes no job"),
        (["jobs=[partition=a b]"], "cannot stand in a Slurm header"),
        (["jobs=[gpu=4]"], "did you mean 'gpus'"),
    ],
)
def test_jobs_that_cannot_be_are_refused(folder: Path, options: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        write(*options)
