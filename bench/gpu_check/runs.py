"""Commands of the lab in processes of their own, within a block's time, and what their folders say afterwards."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import UserError, read_jsonl
from configs import compose
from models.assumed import ASSUMED
from models.shape import read_shape
from train.estimate import sampling_pass, scoring_passes
from train.needs import needs_of
from train.settings import TrainSettings

PHASES = ("gen", "score", "update_actor")


@dataclass
class Machine:
    """Where the check runs, with the time that is left to a block."""

    out: Path
    model: Path
    gpus: int  # processes
    cpu: bool
    minutes: float
    end: float = 0.0
    trained: list[str] = field(default_factory=list)  # names of runs that came to their end

    def start_block(self) -> None:
        self.end = time.monotonic() + 60 * self.minutes

    @property
    def left_s(self) -> float:
        return self.end - time.monotonic()

    def training(self, *options: str) -> list[str]:
        """Return settings of a short run; the model answers at random, so only the mechanics are checked."""
        size = max(8, self.gpus)
        shared = ["method=papo_g", "data.source=mini", "keep.wandb=disabled", "keep.rollouts_every=0", *options]
        if self.cpu:
            small = ["rollouts.prompts=4", "optimiser.minibatch_prompts=2", "parallel.backend=deepspeed"]
            return ["scale=mini", *small, *shared]
        large = [f"rollouts.prompts={2 * size}", f"optimiser.minibatch_prompts={size}", "parallel.offload=optimizer"]
        own = ["model.prompt=question_only", f"model.path={self.model}", "rollouts.engine.memory_share=0.35"]
        return ["scale=3b", *large, *own, "rollouts.sampling.max_new_tokens=512", *shared]

    def module(self, module: str, arguments: Sequence[str], processes: int = 1) -> list[str]:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        return [sys.executable, *(launcher if processes > 1 else []), "-m", module, *arguments]

    def start(self, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {"PERCEPT_CPU": "1", "OMP_NUM_THREADS": "1"} if self.cpu else {}
        with log.open("wb") as file:
            return subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=os.environ | own, start_new_session=True
            )

    def finish(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Wait within the time that is left; refuse an end that is none."""
        try:
            status = process.wait(max(1.0, self.left_s))
        except subprocess.TimeoutExpired:
            raise UserError(f"took more than minutes={self.minutes:g}; see {log}, or give more") from None
        finally:
            kill(process)
        if status:
            last = next(iter(log.read_text(errors="replace").splitlines()[-1:]), "it said nothing")
            raise UserError(f"ended with status {status}: {last[:300]}; see {log}")

    def call(self, command: Sequence[str], log: Path) -> None:
        self.finish(self.start(command, log), log)

    def fresh(self, name: str) -> Path:
        """Return a folder of this check's own; what an earlier check left there goes."""
        shutil.rmtree(self.out / name, ignore_errors=True)
        return self.out / name

    def train(self, name: str, *options: str, resume: bool = False) -> Path:
        """Train to the end; returns the run folder."""
        run = self.out / name if resume else self.fresh(name)
        command = self.module("train", [*self.training(*options), f"run={run}"], self.gpus)
        self.call(command, self.out / "logs" / f"{name}.txt")
        self.trained.append(name)
        shutil.rmtree(run / "checkpoints")  # 53 GB each at 3B, and nothing reads them any more
        return run


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process, if it still runs, and everything that it started, as a machine that fails does."""
    import psutil

    if process.poll() is None:
        for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def rows(run: Path, name: str = "metrics") -> list[dict[str, Any]]:
    return read_jsonl(run / f"{name}.jsonl")


def phase_flops(settings: TrainSettings, gpus: int, prompt: int, response: int) -> dict[str, float]:
    """Return the floating-point operations of a step's phases, by our own count, for mean lengths in tokens."""
    shape = read_shape(settings.model)
    learnt = {"actor", "teacher in the update", *needs_of(settings).live_views()}
    passes = scoring_passes(shape, settings, gpus, prompt, response)
    return {
        "gen": sampling_pass(shape, settings, gpus, prompt, response)[0].flops,
        "score": sum(one.flops for one in passes if one.name not in learnt),
        "update_actor": sum(one.flops for one in passes if one.name in learnt),
    }


def phase_utilisation(options: Sequence[str], gpus: int, run: Path) -> dict[str, float]:
    """Return each phase's share of the GPUs' peak in a run's last step, which has compiled and warmed up."""
    settings, metrics, timing = compose(TrainSettings, list(options)), rows(run)[-1], rows(run, "timing")[-1]
    response, rollouts = metrics["response_length/mean"], settings.rollouts
    prompt = timing["perf/total_num_tokens"] / rollouts.prompts - rollouts.group * response
    flops = phase_flops(settings, gpus, round(prompt), round(response))
    peak = gpus * ASSUMED.peak_flops[settings.model.dtype]
    seconds = {name: timing[f"timing_s/{name}"] for name in PHASES}
    return {name: flops[name] / (seconds[name] * peak) if seconds[name] else 0.0 for name in PHASES}


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
