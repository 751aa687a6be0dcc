"""The blocks of the check: what each runs, and what is expected of the numbers."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from math import inf
from pathlib import Path

import pandas as pd

from bench.gpu_check.report import Block, Check, page
from bench.gpu_check.runs import Machine, kill, phase_utilisation, read_json, rows
from bench.gpu_check.settings import BLOCKS, GpuCheckSettings
from common import UserError, atomic_write_text, did_you_mean
from configs import Run
from models.assumed import ASSUMED
from models.parity import GAP_BOUNDS

HF = "rollouts.engine.kind=hf"
SHORT = ("rollouts.sampling.max_new_tokens=24", "rollouts.sampling.max_new_tokens=128")  # tiny model, GPU
# Where no other expectation is written down: a learning step far below this waits for something else than arithmetic.
LEARNING_UTILISATION = (0.15, 0.75)


def utilisation_checks(machine: Machine, options: list[str], run: Path) -> list[Check]:
    """Return each phase's share of the peak; without a GPU there is none to take a share of."""
    if machine.cpu:
        return []
    found = phase_utilisation(machine.training(*options), machine.gpus, run)
    bands = {"update_actor": LEARNING_UTILISATION}
    return [Check(f"share of the peak, {name}", value, *bands.get(name, ())) for name, value in found.items()]


def relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-12)


def kernels(machine: Machine) -> list[Check]:
    """Shared against plain scoring, the kernels that run, the share of the peak of a forward and backward pass."""
    out = machine.out / "kernels.json"
    where = "cpu" if machine.cpu else "gpu"
    command = machine.module("bench.gpu_check.kernels", [str(machine.model), where, str(out)])
    machine.call(command, machine.out / "logs" / "kernels.txt")
    found = read_json(out)
    checks = [
        Check("mean gap of shared and plain scoring", found["gap_mean"], high=1e-4 if machine.cpu else 0.05),
        *(Check(name, found[name]) for name in ("gap_max", "scoring_ms", "learning_ms", "head_ms", "draw_ms")),
    ]
    if machine.cpu:
        return checks
    share = found["learning_flops"] / (found["learning_ms"] / 1e3 * ASSUMED.peak_flops[found["dtype"]])
    return [
        *checks,
        Check("flash kernels ran", found["flash_kernels"], 1, 1),
        Check("peak GiB", found["peak_gib"], high=ASSUMED.gpu_gib),
        Check("share of the peak, forward and backward", share, *LEARNING_UTILISATION),
    ]


def zero(machine: Machine) -> list[Check]:
    """Two steps at ZeRO 2 and at ZeRO 3: the first step samples from the same weights, so it must be the same."""
    options = [HF, SHORT[not machine.cpu], "steps=2"]
    runs = [machine.train(f"zero{stage}", *options, f"parallel.zero_stage={stage}") for stage in (2, 3)]
    first = [rows(run)[0] for run in runs]
    bound = 1e-4 if machine.cpu else 0.05
    return [
        *(
            Check(f"first step, {name}: relative difference", relative(first[0][name], first[1][name]), high=bound)
            for name in ("actor/grad_norm", "response_length/mean")
        ),
        *utilisation_checks(machine, [*options, "parallel.zero_stage=2"], runs[0]),
    ]


def resume(machine: Machine) -> list[Check]:
    """`kill -9` after the first checkpoint and the same command again, against the run of block zero or its twin."""
    options = [HF, SHORT[not machine.cpu], "steps=2", "parallel.zero_stage=2"]
    straight = machine.out / "zero2"
    if "zero2" not in machine.trained:
        straight = machine.train("zero2", *options)
    options.append("keep.checkpoint_every=1")
    run, log = machine.fresh("resumed"), machine.out / "logs" / "killed.txt"
    process = machine.start(machine.module("train", [*machine.training(*options), f"run={run}"], machine.gpus), log)
    try:
        while not (run / "checkpoints" / "step_000001").is_dir():
            if process.poll() is not None or machine.left_s < 0:
                machine.finish(process, log)
                raise UserError(f"the run ended before it could be killed; see {log}")
            time.sleep(0.2)
    finally:
        kill(process)
    machine.train("resumed", *options, resume=True)
    one, other = rows(straight), rows(run)
    # On GPUs attention's backward pass adds in any order: the same distribution, not the same bits.
    bound = 0.0 if machine.cpu else 0.1
    checks = [Check("steps in the resumed run", len(other), 2, 2)]
    for name in ("actor/grad_norm", "response_length/mean"):
        checks.append(
            Check(f"last step, {name}: relative difference", relative(one[-1][name], other[-1][name]), high=bound)
        )
    return checks


def adapters(machine: Machine) -> list[Check]:
    """One step with low-rank adapters, and one with a vision tower that does not learn."""
    options = [HF, SHORT[not machine.cpu], "steps=1"]
    own = {"lora": ["model.lora.rank=8", "parallel.offload=none"], "frozen_tower": ["model.freeze_vision=true"]}
    checks = []
    for name, more in own.items():
        run = machine.train(name, *options, *more)
        checks.append(Check(f"{name}: gradient norm", rows(run)[0]["actor/grad_norm"], low=1e-9, high=1e6))
    return checks


def vllm(machine: Machine) -> list[Check]:
    """Four steps with vLLM, which sleeps, wakes and takes new weights; a high rate would show stale ones."""
    options = ["rollouts.engine.kind=vllm", "optimiser.learning_rate=1e-5", "steps=4"]
    run = machine.train("vllm", *options)
    gaps = [row["rollout/engine_gap_mean"] for row in rows(run)]
    bound = GAP_BOUNDS["float32" if machine.cpu else "bfloat16"]
    timing = rows(run, "timing")[-1]
    return [
        *(Check(f"gap of sampler and trainer, step {n}", gap, high=bound) for n, gap in enumerate(gaps, start=1)),
        Check(
            "gap of the last step over that of the first",
            gaps[-1] / max(gaps[0], 1e-9),
            high=inf if machine.cpu else 3,
        ),
        *(Check(f"seconds, {name}", timing[f"timing_s/{name}"]) for name in ("gen", "sync", "score", "update_actor")),
        *utilisation_checks(machine, options, run),
    ]


def evaluation(machine: Machine) -> list[Check]:
    """The mini world by one worker and, where there are two GPUs, by all: the same texts, and how fast."""
    own = ["model=tiny"] if machine.cpu else ["model=qwen2_5_vl_3b", f"model.path={machine.model}", "preset=neutral"]
    asked = [*own, "data=mini", "bench=mini", "items=10", "k=4", "page=0", f"engine={'hf' if machine.cpu else 'vllm'}"]
    asked += [] if machine.cpu else ["prompt=question_only", "sampling.max_new_tokens=256"]
    found, checks = [], []
    for gpus in sorted({1, machine.gpus}):
        out, start = machine.fresh(f"evaluation_{gpus}"), time.monotonic()
        command = machine.module("eval", [*asked, f"gpus={gpus}", f"out={out}"])
        machine.call(command, machine.out / "logs" / f"evaluation_{gpus}.txt")
        found.append(pd.read_parquet(out / "predictions.parquet"))
        tokens = found[-1].token_ids.map(len).sum()
        checks.append(
            Check(f"tokens a second with {gpus} worker(s), start included", tokens / (time.monotonic() - start))
        )
    if len(found) > 1:
        equal = float((found[0].text == found[1].text).mean())
        checks.append(Check("share of texts that are equal", equal, low=1.0 if machine.cpu else 0.8))
    return checks


WAYS: dict[str, Callable[[Machine], list[Check]]] = dict(
    zip(BLOCKS, (kernels, zero, resume, adapters, vllm, evaluation), strict=True)
)


def run_block(name: str, machine: Machine) -> Block:
    """Run one block; its failure does not stop the others."""
    block, start = Block(name), time.monotonic()
    machine.start_block()
    try:
        block.checks = WAYS[name](machine)
    except UserError as error:
        block.problem = str(error)
    block.seconds = round(time.monotonic() - start, 1)
    print(f"{name}: {'passed' if block.passed else 'FAILED'}, {block.seconds:.0f} s {block.problem}", flush=True)
    return block


def machine_of(settings: GpuCheckSettings) -> Machine:
    """Return where to run, with weights made; refuse what is not there."""
    import torch

    from bench.gpu_check.model import build, shape_config

    unknown = [name for name in settings.blocks if name not in BLOCKS]
    if unknown:
        raise UserError(f"no block '{unknown[0]}'; {did_you_mean(unknown[0], BLOCKS)}")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not there and not settings.cpu:
        raise UserError(
            "torch sees no GPU here; run this on one (make install GPU=1), or walk through it with cpu=true"
        )
    if settings.cpu:
        model = Path("models/tiny/base")
        return Machine(Path(settings.out), model, settings.gpus or 1, True, settings.minutes)
    if settings.gpus > there:
        raise UserError(f"gpus={settings.gpus}, but torch sees {there}; give gpus={there}")
    model = build(shape_config(settings.shape), Path(settings.out) / settings.shape, "cuda")
    torch.cuda.empty_cache()
    return Machine(Path(settings.out), model, settings.gpus or there, False, settings.minutes)


def check_gpus(settings: GpuCheckSettings) -> int:
    """Run the blocks, write the report, and return 1 where a number lies outside its band."""
    machine = machine_of(settings)
    record = Run.collect(settings)
    blocks = [run_block(name, machine) for name in settings.blocks]
    hardware = record.hardware
    said = (
        f"{hardware['gpus'] or 'no GPU, ' + hardware['cpu']}, {machine.gpus} process(es), commit {record.commit[:7]}"
    )
    text = page(blocks, said)
    atomic_write_text(machine.out / "report.md", text)
    content = {"blocks": [block.record() for block in blocks], "run": asdict(record)}
    atomic_write_text(machine.out / "report.json", json.dumps(content, indent=2) + "\n")
    print(f"{text}\nreport: {machine.out / 'report.md'}")
    return 0 if all(block.passed for block in blocks) else 1
