"""The kernels of one GPU: `python -m bench.gpu_check.kernels <model folder> <cpu or gpu> <out.json>`."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from common import atomic_write_text
from configs import compose
from data.mini.world import sample
from models.head import token_statistics
from models.loader import VisionLanguageModel, load
from models.parts import Group
from models.sampling import draw_tokens
from models.shape import read_shape
from train.estimate import walk
from train.settings import TrainSettings

PROMPTS, RESPONSES, HEAD_TOKENS, REPEATS = 4, 5, 8192, 5


def settings_of(folder: str, cpu: bool) -> TrainSettings:
    if cpu:
        return compose(TrainSettings, ["scale=mini", f"model.path={folder}"])
    return compose(TrainSettings, ["scale=3b", f"model.path={folder}", "model.prompt=question_only"])


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def milliseconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the mean time of a call, after one that warms up."""
    call()
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    wait()
    return (time.perf_counter() - start) / repeats * 1e3


def groups_of(model: VisionLanguageModel, longest: int) -> list[Group]:
    """Return groups of responses of several lengths, of random tokens."""
    generator = torch.Generator().manual_seed(0)
    prompts = model.encode([sample("train", "counting", number) for number in range(PROMPTS)])
    lengths = [longest // 2 + longest // 2 * k // (RESPONSES - 1) for k in range(RESPONSES)]
    return [Group(p, [torch.randint(100, 700, (n,), generator=generator).tolist() for n in lengths]) for p in prompts]


def learning_flops(settings: TrainSettings, groups: Sequence[Group]) -> float:
    """Return the operations of a forward and a backward pass, recomputation included."""
    shape = read_shape(settings.model)
    response = sum(len(ids) for group in groups for ids in group.responses) // (PROMPTS * RESPONSES)
    prompt = sum(len(group.prompt.ids) for group in groups) // PROMPTS
    patches = sum(int(group.prompt.vision["image_grid_thw"].prod(-1).sum()) for group in groups)
    times = 3 + settings.model.gradient_checkpointing
    return times * (walk(shape, PROMPTS, prompt, RESPONSES, response)[0] + 2 * shape.vision * patches)


def kernel_names(call: Callable[[], object]) -> str:
    """Return the names of everything that ran on the GPU."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    with torch.profiler.profile(activities=activities) as profile:
        call()
        wait()
    return " ".join(event.key for event in profile.key_averages())


def measure(folder: str, cpu: bool) -> dict[str, Any]:
    """Return gaps, times and what ran."""
    settings = settings_of(folder, cpu)
    model = load(settings.model)
    model.module.train()
    groups = groups_of(model, 32 if cpu else 760)

    def learn() -> None:
        model.module.zero_grad()
        model.score(groups).logprobs_NT.sum().backward()

    with torch.no_grad():
        shared = model.scorer(groups, path="shared").logprobs_NT
        plain = model.scorer(groups[:1], path="plain").logprobs_NT
        gap_NT = (shared[:RESPONSES, : plain.shape[1]] - plain).abs()
        scoring = milliseconds(lambda: model.score(groups))
    learning = milliseconds(learn, 3)
    head, device = model.module.get_output_embeddings(), model.module.device
    hidden = torch.randn(HEAD_TOKENS // (16 if cpu else 1), head.in_features, device=device, dtype=head.weight.dtype)
    targets = torch.randint(0, head.out_features, (len(hidden),), device=device)
    logits = torch.randn(256, head.out_features, device=device) * 3
    numbers = torch.rand(256, 1, device=device, dtype=torch.float64)
    names = kernel_names(learn)
    return {
        "gap_mean": gap_NT.mean().item(),
        "gap_max": gap_NT.max().item(),
        "scoring_ms": scoring,
        "learning_ms": learning,
        "learning_flops": learning_flops(settings, groups),
        "head_ms": milliseconds(lambda: token_statistics(hidden.requires_grad_(), head, targets, 1.0, False)[0].sum()),
        "draw_ms": milliseconds(lambda: draw_tokens(logits, numbers, settings.rollouts.sampling, [0])),
        "flash_kernels": float("flash" in names.lower()),
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0,
        "dtype": settings.model.dtype,
    }


if __name__ == "__main__":
    atomic_write_text(Path(sys.argv[3]), json.dumps(measure(sys.argv[1], sys.argv[2] == "cpu"), indent=2) + "\n")
