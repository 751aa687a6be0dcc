"""The check of GPUs, walked through without one: bands, page, limits, operations counted, and whole blocks."""

import json
import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.gpu_check import blocks
from bench.gpu_check.blocks import check_gpus, machine_of, run_block
from bench.gpu_check.model import build, shape_config
from bench.gpu_check.report import Block, Check, page
from bench.gpu_check.runs import PHASES, Machine, kill, phase_flops, phase_utilisation
from bench.gpu_check.settings import BLOCKS, GpuCheckSettings
from common import UserError, write_jsonl
from configs import compose
from models.assumed import ASSUMED
from models.loader import load
from models.shape import read_shape
from tests.conftest import tiny_settings
from train.settings import TrainSettings

BIG = ["scale=3b", "method=papo_g"]


def machine(out: Path, minutes: float = 1.0) -> Machine:
    found = Machine(out, Path("models/tiny/base"), 1, True, minutes)
    found.start_block()
    return found


@pytest.mark.parametrize(
    ("check", "passed", "expected"),
    [
        (Check("a", 0.5, 0.1, 0.6), True, "0.1 to 0.6"),
        (Check("a", 0.7, 0.1, 0.6), False, "0.1 to 0.6"),
        (Check("a", 0.7, high=0.7), True, "at most 0.7"),
        (Check("a", 0.0, low=1e-9), False, "at least 1e-09"),
        (Check("a", 1, 1, 1), True, "1"),
        (Check("a", 123.0), True, "reported"),
        (Check("a", math.nan, high=1), False, "at most 1"),
        (Check("a", math.nan), False, "reported"),
    ],
)
def test_a_number_lies_in_its_band_or_fails(check: Check, passed: bool, expected: str) -> None:
    assert (check.passed, check.expected) == (passed, expected)


def test_the_page_names_what_failed() -> None:
    good, bad = (
        Block("kernels", 3.2, [Check("gap", 0.01, high=0.05)]),
        Block("zero", 60, [], "took more than minutes=1"),
    )
    assert good.passed and not bad.passed
    text = page([good, bad], "one H100")
    assert "Failed: zero." in text and "| gap | 0.01 | at most 0.05 | ok |" in text and "took more than" in text
    assert "Every block passed." in page([good], "one H100")
    assert json.loads(json.dumps(bad.record()))["passed"] is False


def test_the_operations_of_a_step_are_those_of_its_passes() -> None:
    settings = compose(TrainSettings, BIG)
    shape, prompt, response = read_shape(settings.model), 1000, 400
    flops = phase_flops(settings, 8, prompt, response)
    tokens = 384 * (prompt + 5 * response)
    # Learning counts as four passes, with recomputation; old, reference and masked view as up to one each.
    linear = 2 * shape.language * tokens
    assert 4 * linear < flops["update_actor"] < 8 * linear and 2.5 * linear < flops["score"] < 5 * linear
    assert 0 < flops["gen"] < flops["update_actor"] and set(flops) == set(PHASES)
    double = phase_flops(settings, 8, prompt, 2 * response)
    assert flops["update_actor"] < double["update_actor"] < 2 * flops["update_actor"]


def test_the_share_of_the_peak_is_operations_over_time(tmp_path: Path) -> None:
    # 384 prompts of 1,000 tokens with five responses of 400 each.
    write_jsonl(tmp_path / "metrics.jsonl", [{"step": 1, "response_length/mean": 400.0}])
    seconds = {"timing_s/gen": 30.0, "timing_s/score": 20.0, "timing_s/update_actor": 40.0}
    write_jsonl(tmp_path / "timing.jsonl", [{"step": 1, "perf/total_num_tokens": 384 * 3000, **seconds}])
    found = phase_utilisation(BIG, 8, tmp_path)
    flops = phase_flops(compose(TrainSettings, BIG), 8, 1000, 400)
    for name, share in found.items():
        assert share == pytest.approx(flops[name] / (8 * 989e12 * seconds[f"timing_s/{name}"]))
    assert 0 < found["update_actor"] < 1 and ASSUMED.peak_flops["bfloat16"] == 989e12


def test_a_block_that_fails_says_where_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(where: Machine) -> list[Check]:
        raise UserError("ended with status 1: no kernel image; see log.txt")

    monkeypatch.setitem(blocks.WAYS, "kernels", broken)
    monkeypatch.setitem(blocks.WAYS, "zero", lambda where: [Check("steps", 2, 2, 2)])
    status = check_gpus(GpuCheckSettings(blocks=["kernels", "zero"], cpu=True, out=str(tmp_path)))
    report = json.loads((tmp_path / "report.json").read_text())
    assert status == 1 and [block["passed"] for block in report["blocks"]] == [False, True]
    assert "no kernel image" in (tmp_path / "report.md").read_text() and report["run"]["commit"]
    assert "kernels: FAILED" in capsys.readouterr().out
    assert check_gpus(GpuCheckSettings(blocks=["zero"], cpu=True, out=str(tmp_path))) == 0


@pytest.mark.parametrize(
    ("settings", "there", "sentence"),
    [
        (GpuCheckSettings(), 0, "torch sees no GPU here; run this on one .*or walk through it with cpu=true"),
        (GpuCheckSettings(blocks=["kernel"]), 1, "no block 'kernel'; did you mean 'kernels'"),
        (GpuCheckSettings(gpus=4), 2, "gpus=4, but torch sees 2; give gpus=2"),
        (GpuCheckSettings(shape="qwen2_5_vl_3"), 1, "did you mean 'qwen2_5_vl_3b'"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: GpuCheckSettings, there: int, sentence: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    with pytest.raises(UserError, match=sentence):
        machine_of(settings)


def test_every_block_has_a_way_and_gpus_get_a_launcher(tmp_path: Path) -> None:
    assert tuple(blocks.WAYS) == BLOCKS
    gpu = Machine(tmp_path, tmp_path / "weights", 8, False, 1.0)
    options = gpu.training("steps=1")
    settings = compose(TrainSettings, options)
    assert settings.optimiser.minibatch_prompts % 8 == 0 and settings.model.path == str(tmp_path / "weights")
    assert gpu.module("train", options, 8)[1:5] == [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=8",
    ]
    assert gpu.module("eval", [], 1) == [sys.executable, "-m", "eval"]
    assert compose(TrainSettings, machine(tmp_path).training("steps=1")).parallel.backend == "deepspeed"


def test_random_weights_are_a_folder_that_loads(tmp_path: Path) -> None:
    config = shape_config("qwen2_5_vl_3b")
    text, vision = config.text_config, config.vision_config
    text.num_hidden_layers, text.hidden_size, text.intermediate_size, text.vocab_size = 1, 64, 64, 1024
    text.num_attention_heads, text.num_key_value_heads = 2, 1
    text.rope_parameters = {**text.rope_parameters, "mrope_section": [4, 6, 6]}
    text.layer_types = ["full_attention"]
    vision.depth, vision.hidden_size, vision.num_heads, vision.out_hidden_size = 1, 32, 2, 64
    vision.intermediate_size = 32
    folder = build(config, tmp_path / "weights", "cpu")
    model = load(tiny_settings(folder))
    assert model.family == "qwen2_5_vl" and model.scoring_path == "shared"
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert build(config, folder, "cpu") == folder and (folder / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_command_has_the_time_of_its_block_and_leaves_nothing_running(tmp_path: Path) -> None:
    where, log = machine(tmp_path, minutes=0.01), tmp_path / "logs" / "log.txt"
    start = time.monotonic()
    with pytest.raises(UserError, match=r"took more than minutes=0\.01; see .*log\.txt"):
        where.call([sys.executable, "-c", "import time; time.sleep(60)"], log)
    assert time.monotonic() - start < 30
    with pytest.raises(UserError, match="ended with status 3: out of luck; see"):
        machine(tmp_path).call([sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"], log)
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    process = where.start([sys.executable, "-c", nested], log)
    import psutil

    parent = psutil.Process(process.pid)
    while not parent.children():
        time.sleep(0.02)
    children = parent.children()
    kill(process)
    assert psutil.wait_procs(children, timeout=10)[1] == []


@pytest.mark.slow
def test_kernels_walk_through_without_a_gpu(tmp_path: Path) -> None:
    block = run_block("kernels", machine(tmp_path, minutes=5.0))
    assert block.passed, block
    found = SimpleNamespace(**json.loads((tmp_path / "kernels.json").read_text()))
    assert 0 < found.gap_max < 1e-4 and found.learning_flops > 1e8 and found.learning_ms > found.scoring_ms


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["zero", "resume", "adapters", "vllm", "evaluation"])
def test_the_other_blocks_walk_through_without_a_gpu(tmp_path: Path, name: str) -> None:
    two = 2 if name == "evaluation" else 1
    block = run_block(name, Machine(tmp_path, Path("models/tiny/base"), two, True, 9.0))
    assert block.passed and len(block.checks) >= 2, block
    assert all(check.value == 1.0 for check in block.checks if "texts that are equal" in check.name)
