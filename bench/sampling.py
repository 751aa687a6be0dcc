"""What sharing prompts saves while sampling: `python -m bench.sampling`; writes bench/sampling.json.

One process, the shipped tiny model, both ways in turns on the same prompts with the same chance:

    plain    transformers' `generate`: each response behind its own padded prompt, until the last one of its batch ends
    shared   a prompt passes once for its responses, and responses that ended leave

`batches` are batches of prompts as a step of training samples them; `evaluation` is all that an evaluation does until
its responses are stored, prompts encoded included. Responses of both ways are compared: tokens, and the largest
difference between log-probs.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from configs import Run, compose
from data.sources import Samples
from eval.sampling import make_sampler, open_stores, sample_tasks
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from models.loader import load
from models.response import Response
from models.sampling import sample_plain
from models.shared_sampling import sample_shared
from train.settings import TrainSettings

OUT = Path(__file__).with_suffix(".json")
WAYS = {"plain": sample_plain, "shared": sample_shared}
BATCHES = ((24, 8), (192, 1), (48, 4), (12, 16), (6, 32))  # prompts and responses to each
RUNS, EVALUATION_RUNS, ITEMS = 9, 3, 80


def compared(found: Mapping[str, Sequence[Response]]) -> dict[str, Any]:
    """Return how much responses of both ways differ."""
    pairs = list(zip(found["plain"], found["shared"], strict=True))
    same = [one.token_ids == other.token_ids for one, other in pairs]
    gaps = [
        abs(a - b)
        for (one, other), equal in zip(pairs, same, strict=True)
        for a, b in zip(one.logprobs, other.logprobs, strict=equal)
        if equal
    ]
    return {
        "responses": len(pairs),
        "tokens": sum(len(one.token_ids) for one, _ in pairs),
        "other_tokens": same.count(False),
        "largest_logprob_gap": max(gaps),
    }


def in_turns(work: dict[str, Callable[[int], Sequence[Response]]], runs: int) -> dict[str, Any]:
    """Return median seconds of each way and of their ratios; a first run of each warms up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    found: dict[str, list[Response]] = {name: [] for name in work}
    for run in range(runs + 1):
        for name, one in work.items():
            start = time.perf_counter()
            responses = one(run)
            if run:
                times[name].append(time.perf_counter() - start)
                found[name] += responses
    ratios = [plain / shared for plain, shared in zip(times["plain"], times["shared"], strict=True)]
    return {
        "seconds": {name: round(statistics.median(values), 4) for name, values in times.items()},
        "plain_over_shared": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        **compared(found),
    }


def batch(settings: TrainSettings, prompts: int, count: int) -> dict[str, Any]:
    """Return one shape of a batch, other problems in every run."""
    model, data = load(settings.model), Samples(settings.data, settings.seed)
    encoded = [model.encode(data.take(run * prompts, prompts)) for run in range(RUNS + 1)]

    def sampled(way: str) -> Callable[[int], list[Response]]:
        return lambda run: WAYS[way](model, encoded[run], range(count), settings.rollouts.sampling, run, "clean")

    row = {"prompts": prompts, "group": count, **in_turns({way: sampled(way) for way in WAYS}, RUNS)}
    print(json.dumps(row), flush=True)
    return row


def evaluation(settings: EvalSettings) -> dict[str, Any]:
    """Return an evaluation of the mini world, from its problems to stored responses."""
    tasks, sampler = tasks_of(settings), make_sampler(settings)

    def sampled(way: str) -> Callable[[int], list[Response]]:
        def one(run: int) -> list[Response]:
            sampler.model.scoring_path = way
            with tempfile.TemporaryDirectory() as folder:
                stores = open_stores(tasks, settings, f"run {run}", Path(folder))
                sample_tasks(sampler, tasks, stores, settings, lambda done, note: None)
                found = [store.responses[key] for store in stores.values() for key in sorted(store.responses)]
                for store in stores.values():
                    store.close()
            return found

        return one

    row = in_turns({way: sampled(way) for way in WAYS}, EVALUATION_RUNS)
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = compose(TrainSettings, ["method=grpo", "scale=mini"])
    record = Run.collect(settings, into=OUT)
    result = {
        "batches": [batch(settings, prompts, count) for prompts, count in BATCHES],
        "evaluation": evaluation(compose(EvalSettings, ["model=tiny", f"items={ITEMS}", "k=8", "out=unused"])),
        "threads": torch.get_num_threads(),
        "provenance": record.provenance(),
    }
    OUT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
