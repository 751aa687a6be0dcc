"""The output layer with a vocabulary of 151,936: memory and time, whole logits against chunks: `python -m bench.head`.

4,096 response tokens, hidden widths 128 (the tiny model) and 512, float32, log-prob and entropy, forward and backward.
Each case runs in a process of its own, as a process's peak memory never falls; the cases of a round take turns.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from configs import Run, compose
from models.head import token_statistics
from train.settings import TrainSettings

OUT = Path(__file__).with_suffix(".json")
VOCABULARY, TOKENS, ROUNDS = 151_936, 4096, 3
Way = Callable[[torch.Tensor, torch.nn.Linear, torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor | None]]


def whole(hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor, entropy: bool) -> tuple:
    logprobs = head(hidden).log_softmax(-1)
    spread = -(logprobs.exp() * logprobs).sum(-1) if entropy else None
    return logprobs.gather(-1, targets[:, None])[:, 0], spread


def chunked(hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor, entropy: bool) -> tuple:
    return token_statistics(hidden, head, targets, 1.0, entropy)


WAYS: dict[str, Way] = {"whole": whole, "chunked": chunked}


def measure(way: str, width: int, entropy: bool) -> dict[str, Any]:
    """Memory beyond what stands before, seconds, and a checksum of values and gradients."""
    torch.manual_seed(0)
    head = torch.nn.Linear(width, VOCABULARY, bias=False)
    hidden = torch.randn(TOKENS, width, requires_grad=True)
    targets = torch.randint(0, VOCABULARY, (TOKENS,))
    head.weight.grad, hidden.grad = torch.zeros_like(head.weight), torch.zeros_like(hidden)
    warm = torch.nn.functional.linear(hidden[:8], head.weight[:8])  # threads and libraries are there before it counts
    del warm
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    chosen, spread = WAYS[way](hidden, head, targets, entropy)
    (chosen.mean() + (0.01 * spread.mean() if spread is not None else 0)).backward()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "extra_gib": (peak - before) / 2**20,
        "value": chosen.mean().item(),
        "gradient": hidden.grad.norm().item(),
    }


def case(width: int, entropy: bool) -> dict[str, Any]:
    """Return both ways in turns; ratios of medians."""
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, rows in found.items():
            command = [
                sys.executable,
                __file__,
                "--way",
                way,
                "--width",
                str(width),
                *(["--entropy"] if entropy else []),
            ]
            rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    middle = {
        way: {name: statistics.median(row[name] for row in rows) for name in rows[0]} for way, rows in found.items()
    }
    row = {
        "width": width,
        "entropy": entropy,
        **{way: {k: round(v, 6) for k, v in m.items()} for way, m in middle.items()},
        "memory_ratio": round(middle["chunked"]["extra_gib"] / middle["whole"]["extra_gib"], 4),
        "time_ratio": round(middle["chunked"]["seconds"] / middle["whole"]["seconds"], 3),
    }
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process and print it")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--entropy", action="store_true")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.width, options.entropy)))
        return
    record = Run.collect(compose(TrainSettings, ["scale=mini"]), into=OUT)
    rows = [case(width, entropy) for width, entropy in ((128, False), (128, True), (512, False))]
    result = {
        "vocabulary": VOCABULARY,
        "tokens": TOKENS,
        "rounds": ROUNDS,
        "rows": rows,
        "provenance": record.provenance(),
    }
    OUT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
