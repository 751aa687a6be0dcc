"""What the fast path saves in a step's scoring and learning: `python -m bench.step`; writes bench/step.{json,png}.

One process, the shipped tiny model, the same prompts, responses and weights for every variant, in turns:

    plain             one row per response, every row's picture through the vision tower, whole logits kept
    vision once       each distinct picture passes the tower once per call
    shared            a group's prompt and picture once, its responses behind it
    shared + chunked  and the logits never exist: what training does

A step is what a policy-side step of training does: old, reference and (PAPO) masked log-probs, then forward and
backward of two updates. Prompts have 64 image tokens and about 40 of text, responses 32; groups of 8 unless said.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib.pyplot as plt
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

import models.scoring
from configs import Run, compose
from data.mini.world import sample
from models.head import token_statistics
from models.loader import VisionLanguageModel, load
from models.response import Response
from train.asks.ask import ANSWER
from train.backends import TorchBackend
from train.checkpoint import Progress
from train.distributed import Ranks
from train.experience import Block, Experience
from train.loop import make_state, one_step
from train.scoring.scores import FrozenModel
from train.scoring.step import make_step
from train.settings import TrainSettings
from train.table.columns import POLICY, REFERENCE
from train.update import Updater

OUT = Path(__file__).with_suffix(".json")
RUNS, PROMPTS = 7, 6
# How a variant scores, whether pictures pass once, and whether logits are kept.
VARIANTS = {
    "plain": ("plain", False, True),
    "vision once": ("plain", True, True),
    "shared": ("shared", True, True),
    "shared + chunked": ("shared", True, False),
}
FAST = "shared + chunked"


def settings_of(method: str, group: int) -> TrainSettings:
    """Return two updates a step, so that old log-probs are scored; all groups of an update in one micro-batch."""
    return compose(
        TrainSettings,
        [
            f"method={method}",
            "scale=mini",
            f"rollouts.prompts={PROMPTS}",
            f"rollouts.group={group}",
            f"optimiser.minibatch_prompts={PROMPTS // 2}",
            "model.min_pixels=65536",
            "model.max_pixels=65536",
            "optimiser.micro_tokens=65536",
            "optimiser.learning_rate=0",
        ],
    )


def experience_of(model: VisionLanguageModel, group: int, response: int) -> Experience:
    """Random responses of equal length to real prompts."""
    samples = [sample("train", "counting", n) for n in range(PROMPTS)]
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(20, 400, (PROMPTS * group, response), generator=draw).tolist()
    responses = [
        Response(samples[n // group].id, n % group, "clean", "", row, [-1.0] * response) for n, row in enumerate(ids)
    ]
    reward_N = torch.rand(len(responses), generator=draw)
    prompts = {prompt.sample_id: prompt for prompt in model.encode(samples)}
    blocks = [
        Block(
            sample=one,
            prompt=g,
            rows=range(g * group, (g + 1) * group),
            prompt_tokens=len(prompts[one.id].ids),
            responses=tuple(responses[g * group : (g + 1) * group]),
        )
        for g, one in enumerate(samples)
    ]
    return Experience(
        samples=samples,
        blocks=blocks,
        verdicts=[],
        reward_terms={},
        reward_N=reward_N,
        accuracy_N=reward_N.round(),
        group_N=torch.arange(PROMPTS).repeat_interleave(group),
        role_coef={ANSWER: 1.0},
        discarded=[],
        generated=PROMPTS,
        rounds=1,
        position=PROMPTS,
        encoded=prompts,
    )


def whole_statistics(hidden_KD: Any, head: Any, targets_K: Any, temperature: float, entropy: bool) -> tuple:
    """Return the output layer's plain twin: all logits, and whatever their log-softmax keeps."""
    logprobs_KV = (head(hidden_KD).float() / temperature).log_softmax(-1)
    spread = -(logprobs_KV.exp() * logprobs_KV).sum(-1) if entropy else None
    return logprobs_KV.gather(-1, targets_K[:, None])[:, 0], spread


def step_of(method: str, group: int, response: int, variant: str) -> Callable[[], None]:
    """Return one policy-side step of a variant."""
    path, once, whole = VARIANTS[variant]
    settings = settings_of(method, group)
    settings = replace(settings, model=replace(settings.model, scoring="auto" if once else "plain"))
    model, reference = load(settings.model), load(settings.model)
    model.scoring_path = reference.scoring_path = path
    reference.module.requires_grad_(False)
    updater = Updater(model, TorchBackend(model, settings), settings, Ranks())
    experience = experience_of(model, group, response)
    models_by_name = {POLICY: FrozenModel(model), REFERENCE: FrozenModel(reference)}

    def step() -> None:
        models.scoring.token_statistics = whole_statistics if whole else token_statistics
        updater.step(make_step(models_by_name, experience, settings, Ranks(), 1))

    return step


def medians(work: dict[str, Callable[[], Any]], runs: int = RUNS) -> dict[str, float]:
    """Median seconds of each; the variants take turns, so that other work on the machine slows all."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for run in range(runs + 1):
        for name, one in work.items():
            start = time.perf_counter()
            one()
            if run:  # the first one warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def attention_flops(query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> int:
    return sdpa_flop_count(query, key, value)


def attention_flops_back(gradient: Any, query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


def flops(one: Callable[[], None]) -> int:
    """Of all matrix products; torch's counter does not know its own CPU attention."""
    ops = torch.ops.aten
    known = {
        ops._scaled_dot_product_flash_attention_for_cpu: attention_flops,
        ops._scaled_dot_product_flash_attention_for_cpu_backward: attention_flops_back,
    }
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        one()
    return counter.get_total_flops()


def variants_row(method: str, group: int, response: int, variants: Iterable[str], counted: bool) -> dict[str, Any]:
    """Seconds of each variant, how many times faster than plain, and what the products alone would give."""
    work = {variant: step_of(method, group, response, variant) for variant in variants}
    seconds = medians(work)
    row: dict[str, Any] = {
        "method": method,
        "group": group,
        "response": response,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "speedup": {name: round(seconds["plain"] / value, 2) for name, value in seconds.items()},
    }
    if counted:
        products = {name: flops(one) for name, one in work.items()}
        row["gigaflops"] = {name: round(value / 1e9, 1) for name, value in products.items()}
        row["predicted"] = {name: round(products["plain"] / value, 2) for name, value in products.items()}
    print(json.dumps(row), flush=True)
    return row


class NoTracker:
    """Stands where a run writes its metrics."""

    def __init__(self) -> None:
        self.parts: list[dict[str, float]] = []

    def log(self, step: int, metrics: dict, timing: dict[str, float], tokens: int) -> None:
        self.parts.append(timing)

    def keep_rollouts(self, *_: Any) -> None:
        """Keep nothing."""


def whole_steps() -> dict[str, Any]:
    """Return steps with their rollouts, GRPO and PAPO_G in turns on the same prompts and samples (the rate is 0)."""
    states, places, trackers = {}, {}, {}
    for method in ("grpo", "papo_g"):
        states[method] = make_state(
            compose(TrainSettings, [f"method={method}", "scale=mini", "optimiser.learning_rate=0"]), Ranks()
        )
        places[method], trackers[method] = Progress(0, 0, 0), NoTracker()
    for _ in range(2 * RUNS + 1):
        for method, state in states.items():
            places[method] = one_step(state, places[method], trackers[method])
    steps = {method: tracker.parts[1:] for method, tracker in trackers.items()}
    ratios = [
        papo["timing_s/step"] / grpo["timing_s/step"]
        for grpo, papo in zip(steps["grpo"], steps["papo_g"], strict=True)
    ]
    seconds = {
        method: {name: round(statistics.median(part[name] for part in parts), 4) for name in parts[0] if "_s/" in name}
        for method, parts in steps.items()
    }
    return {"seconds": seconds, "papo_over_grpo": round(statistics.median(ratios), 4), "steps": len(ratios)}


def draw(rows: list[dict[str, Any]]) -> None:
    """Step time against group size and response length."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, name, fixed in zip(axes, ("group", "response"), (("response", 32), ("group", 8)), strict=True):
        chosen = sorted((row for row in rows if row[fixed[0]] == fixed[1]), key=lambda row: row[name])
        for variant in ("plain", FAST):
            axis.plot([r[name] for r in chosen], [r["seconds"][variant] for r in chosen], marker="o", label=variant)
        axis.set_xlabel({"group": "responses per prompt", "response": "tokens per response"}[name])
        axis.set_ylabel("seconds per step (PAPO_G)")
        axis.set_ylim(bottom=0)
        axis.legend(frameon=False)
    figure.savefig(OUT.with_suffix(".png"), dpi=150)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    record = Run.collect(settings_of("papo_g", 8), into=OUT)
    table = [variants_row(method, 8, 32, VARIANTS, counted=True) for method in ("grpo", "papo_g")]
    points = [(1, 32), (2, 32), (4, 32), (8, 32), (16, 32), (8, 8), (8, 64), (8, 128)]
    sweep = [variants_row("papo_g", group, response, ("plain", FAST), counted=False) for group, response in points]
    by_group = {row["group"]: row["seconds"][FAST] for row in sweep if row["response"] == 32}
    result = {
        "table": table,
        "sweep": sweep,
        "group_16_over_8": round(by_group[16] / by_group[8], 2),
        "whole_step": whole_steps(),
        "threads": torch.get_num_threads(),
        "provenance": record.provenance(),
    }
    draw(sweep)
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("group_16_over_8", "whole_step")}, indent=2))


if __name__ == "__main__":
    main()
