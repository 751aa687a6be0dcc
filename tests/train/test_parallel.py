"""The same run by plain torch, by DeepSpeed alone and by two processes: equal losses, equal weights, no hang."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from common import UserError, read_jsonl, write_jsonl
from configs import compose
from data.mini.world import sample
from train.distributed import start_ranks
from train.loop import train
from train.settings import TrainSettings

STEPS = 6
DEEPSPEED = "parallel.backend=deepspeed"
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
TWO = [*LAUNCH, "train"]
CHUNKED = [*LAUNCH, "tests.train.chunked_run"]


def mixed_data(folder: Path) -> Path:
    """Prompts with one picture, with two and with none, so that processes meet micro-batches of different kinds."""
    rows = []
    for n in range(12):
        problem = sample("train", "counting", n)
        pictures = [0, 1, 2][n % 3]
        paths = []
        for p in range(pictures):
            path = folder / f"{n}_{p}.png"
            sample("train", "counting", n + 100 * p).images[0].open().save(path)
            paths.append(path.name)
        rows.append(
            {
                "id": f"row{n}",
                "problem": "<image>" * pictures + "How many red circles are there ?",
                "answer": problem.answer,
                "images": paths,
            }
        )
    write_jsonl(folder / "mixed.jsonl", rows)
    return folder / "mixed.jsonl"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    data = mixed_data(tmp_path_factory.mktemp("mixed"))
    return [
        "scale=mini",
        "method=papo_g",
        "rollouts.prompts=8",
        "rollouts.group=2",
        "optimiser.minibatch_prompts=4",
        "optimiser.micro_tokens=120",
        "rollouts.sampling.max_new_tokens=12",
        "keep.wandb=disabled",
        f"steps={STEPS}",
        f"keep.checkpoint_every={STEPS}",
        "keep.rollouts_every=0",
        "optimiser.learning_rate=1e-5",
        f"data.source={data}",
        "model.max_prompt_tokens=400",
    ]


def run(launcher: list[str] | None, options: list[str], folder: Path) -> tuple[list[dict], dict]:
    """Return metrics and final weights of one run, in this process where there is no launcher."""
    options = [*options, f"run={folder}"]
    if launcher is None:
        train(compose(TrainSettings, options))
    else:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, *launcher, *options]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr[-3000:]
    return list(read_jsonl(folder / "metrics.jsonl")), load_file(folder / "final" / "model.safetensors")


@pytest.fixture(scope="module")
def straight(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], dict]:
    return run(None, options, tmp_path_factory.mktemp("torch") / "run")


# Two ranks at stage 3 without vLLM, and one process after them, are in test_resume.py.
ALIKE = {
    "one row per response": (None, ["model.scoring=plain"]),
    "one process": (["-m", "train"], [DEEPSPEED, "parallel.zero_stage=2"]),
    "two, stage 0": (TWO, [DEEPSPEED, "parallel.zero_stage=0"]),
    "two, stage 2, offload": (TWO, [DEEPSPEED, "parallel.zero_stage=2", "parallel.offload=optimizer"]),
    "two, stage 3": (CHUNKED, [DEEPSPEED, "parallel.zero_stage=3"]),
    "two, stage 3, vllm": (CHUNKED, [DEEPSPEED, "parallel.zero_stage=3", "rollouts.engine.kind=vllm"]),
}
NIGHTLY = ("one process", "two, stage 0", "two, stage 2, offload", "two, stage 3")


def is_the_same_run(found: tuple[list[dict], dict], expected: tuple[list[dict], dict]) -> None:
    (metrics, weights), (expected_metrics, expected_weights) = found, expected
    assert [row["step"] for row in metrics] == list(range(1, len(expected_metrics) + 1))
    for row, other in zip(metrics, expected_metrics, strict=True):
        assert row.keys() == other.keys()
        loss, wanted = (sum(v for name, v in r.items() if name.startswith("loss/")) for r in (row, other))
        assert loss == pytest.approx(wanted, rel=1e-5, abs=1e-6), row["step"]
        assert row["actor/grad_norm"] == pytest.approx(other["actor/grad_norm"], rel=1e-3), row["step"]
        assert row["critic/rewards/mean"] == pytest.approx(other["critic/rewards/mean"], rel=1e-6)
        assert row["dependency/k3_mean"] == pytest.approx(other["dependency/k3_mean"], rel=1e-3, abs=1e-6), row["step"]
    for name, value in expected_weights.items():
        assert (weights[name] - value).abs().max() < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.nightly if kind in NIGHTLY else ()) for kind in ALIKE]
)
def test_losses_and_weights_do_not_depend_on_scoring_stage_or_number_of_processes(straight, options, kind, tmp_path):
    launcher, more = ALIKE[kind]
    is_the_same_run(run(launcher, [*options, *more], tmp_path / "run"), straight)


@pytest.mark.nightly
def test_a_long_run_at_stage_3_stays_the_same_and_leaks_nothing(options, tmp_path):
    longer = [*options, "steps=20", "keep.checkpoint_every=20"]
    launcher, more = ALIKE["two, stage 3"]
    found = run(launcher, [*longer, *more], tmp_path / "run")
    is_the_same_run(found, run(None, longer, tmp_path / "straight"))
    memory = [row["perf/max_memory_gb"] for row in read_jsonl(tmp_path / "run" / "timing.jsonl")]
    assert memory[19] < 1.05 * memory[4]


@pytest.mark.nightly
def test_bfloat16_at_stage_3_stays_near_float32(straight, options, tmp_path):
    more = [
        DEEPSPEED,
        "parallel.zero_stage=3",
        "parallel.offload=all",
        "model.dtype=bfloat16",
        "model.gradient_checkpointing=true",
        "steps=1",
    ]
    metrics, _ = run(TWO, [*options, *more], tmp_path / "run")
    assert metrics[0]["actor/entropy_loss"] == pytest.approx(straight[0][0]["actor/entropy_loss"], rel=0.1)
    assert metrics[0]["actor/grad_norm"] > 0


def test_two_processes_without_deepspeed_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"set parallel\.backend=deepspeed"):
        start_ranks("torch")


@pytest.mark.nightly
def test_two_processes_without_deepspeed_leave_nothing(options, tmp_path):
    done = subprocess.run(
        [sys.executable, *TWO, *options, f"run={tmp_path}/run"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0 and "set parallel.backend=deepspeed" in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
