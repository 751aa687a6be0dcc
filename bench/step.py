"""What the fast path saves in a step's scoring and learning: `python bench/step.py`; writes bench/step.json.

One process, the shipped tiny model, the same prompts, responses and weights for every variant, in turns:

    plain        one row per response, and every row's picture through the vision tower
    vision once  one row per response; each distinct picture passes the tower once per call
    shared       a group's prompt and picture once, its responses behind it

A step is what a policy-side step of training does: old, reference and (PAPO) masked log-probs, then forward and
backward of the update. Prompts have 64 image tokens and about 40 of text, responses 32; groups of 8 unless said.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from configs import compose
from data.mini.world import sample
from models.loader import VisionLanguageModel, load
from models.response import Response
from train.backend import TorchBackend
from train.rollout import Experience
from train.scores import Reference, fixed_scores
from train.settings import TrainSettings
from train.update import Updater
from train.world import World

OUT = Path(__file__).with_suffix(".json")
RUNS, PROMPTS, RESPONSE = 5, 6, 32
VARIANTS = {"plain": ("plain", False), "vision once": ("plain", True), "shared": ("shared", True)}


def settings_of(method: str, group: int) -> TrainSettings:
    """Two updates a step, so that old log-probs are scored; all groups of an update in one micro-batch."""
    return compose(TrainSettings, [
        f"method={method}", "scale=mini", f"rollouts.prompts={PROMPTS}", f"rollouts.group={group}",
        f"optimiser.minibatch_prompts={PROMPTS // 2}", "model.min_pixels=65536", "model.max_pixels=65536",
        "optimiser.micro_tokens=65536", "optimiser.learning_rate=0",
    ])  # fmt: skip


def experience_of(model: VisionLanguageModel, group: int, response: int) -> Experience:
    """Random responses of equal length to real prompts."""
    samples = [sample("train", "counting", n) for n in range(PROMPTS)]
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(20, 400, (PROMPTS * group, response), generator=draw).tolist()
    responses = [
        Response(samples[n // group].id, n % group, "clean", "", row, [-1.0] * response) for n, row in enumerate(ids)
    ]
    reward_N = torch.rand(len(responses), generator=draw)
    return Experience(
        samples, responses, [], [len(prompt.ids) for prompt in model.encode(samples)], {}, reward_N, reward_N.round(),
        torch.arange(PROMPTS).repeat_interleave(group), [], PROMPTS, 1, PROMPTS,
    )  # fmt: skip


def step_of(method: str, group: int, response: int) -> dict[str, Callable[[], None]]:
    """One policy-side step by each variant, on equal work."""
    settings = settings_of(method, group)
    model, reference = load(settings.model), load(settings.model)
    updater = Updater(model, TorchBackend(model, settings), settings, World())
    experience = experience_of(model, group, response)

    def step(variant: str) -> None:
        path, once = VARIANTS[variant]
        for one in (model, reference):
            one.path = path
            one.module.model.visual.forward = one.pictures.forward if once else one.pictures.run
        fixed = fixed_scores(model, Reference(reference), experience, settings, 1, World())
        updater.step(experience, fixed, 1)

    return {variant: lambda variant=variant: step(variant) for variant in VARIANTS}


def medians(work: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median seconds of each; the variants take turns, so that other work on the machine slows all."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for run in range(RUNS + 1):
        for name, one in work.items():
            start = time.perf_counter()
            one()
            if run:  # the first one warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def predicted(group: int, prompt: int, response: int) -> float:
    """How many times fewer tokens pass the language model when a group's prompt passes once."""
    return group * (prompt + response) / (prompt + group * (response + 1))


def main() -> None:
    rows = []
    for method, group, response in (
        ("grpo", 8, 32), ("papo_g", 8, 32), ("papo_g", 2, 32), ("papo_g", 16, 32),
    ):  # fmt: skip
        work = step_of(method, group, response)
        seconds = medians(work)
        tokens = predicted(group, 104, response)
        rows.append({
            "method": method, "group": group, "response": response,
            "seconds": {name: round(value, 4) for name, value in seconds.items()},
            "speedup": {name: round(seconds["plain"] / value, 2) for name, value in seconds.items()},
            "predicted_by_tokens": round(tokens, 2),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    packages = {name: version(name) for name in ("torch", "transformers")}
    machine = {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "versions": packages}
    OUT.write_text(json.dumps({"command": "python bench/step.py", "machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
