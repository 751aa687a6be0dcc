"""`python -m bench.engines`: rollouts per second of both engines on the shipped tiny model, same prompts, one process.

Writes bench/engines.json. Both are warm when the clock starts; runs of the two alternate, so that other work on the
machine slows both.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from configs import Run, compose
from data.mini.world import sample
from models.engines import make_engine
from models.loader import load
from models.settings import EngineSettings, ModelSettings, SamplingSettings
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
PROMPTS, GROUP, RUNS = 24, 8, 9
SAMPLING = SamplingSettings(max_new_tokens=48, batch=PROMPTS * GROUP)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main(note: str) -> None:
    folder = ROOT / "models" / "tiny" / "base"
    model = load(
        ModelSettings(
            path=str(folder), prompt="question_only", min_pixels=128**2, max_pixels=256**2, max_prompt_tokens=256
        )
    )
    prompts = model.encode([sample("train", "counting", index) for index in range(PROMPTS)])
    record = Run.collect(compose(TrainSettings, ["scale=mini"]), into=ROOT / "bench")
    engines, start_s, first_s = {}, {}, {}
    for kind in ("hf", "vllm"):
        start_s[kind], engines[kind] = seconds(lambda kind=kind: make_engine(model, EngineSettings(kind), SAMPLING))
        first_s[kind], _ = seconds(lambda kind=kind: engines[kind].sample(prompts, GROUP, SAMPLING, seed=0))
    times: dict[str, list[float]] = {kind: [] for kind in engines}
    equal = 0
    for seed in range(1, RUNS + 1):
        found = {}
        for kind, engine in engines.items():
            spent, found[kind] = seconds(lambda e=engine, s=seed: e.sample(prompts, GROUP, SAMPLING, s))
            times[kind].append(spent)
        equal += sum(a.token_ids == b.token_ids for a, b in zip(found["hf"], found["vllm"], strict=True))
    rollouts = PROMPTS * GROUP
    rate = {kind: round(rollouts / statistics.median(spent), 1) for kind, spent in times.items()}
    result = {
        "what": "rollouts per second, median of runs",
        "command": "python -m bench.engines",
        "note": note,
        "provenance": record.provenance(),
        "threads": torch.get_num_threads(),
        "prompts": PROMPTS,
        "group": GROUP,
        "max_new_tokens": SAMPLING.max_new_tokens,
        "runs": RUNS,
        "rollouts_per_s": rate,
        "ratio_vllm_over_hf": round(rate["vllm"] / rate["hf"], 3),
        "seconds": {kind: [round(one, 3) for one in spent] for kind, spent in times.items()},
        "start_s": {kind: round(one, 1) for kind, one in start_s.items()},
        "first_batch_s": {kind: round(one, 2) for kind, one in first_s.items()},
        "equal_responses": f"{equal} of {rollouts * RUNS}",
    }
    (ROOT / "bench" / "engines.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("rollouts_per_s", "ratio_vllm_over_hf", "equal_responses")}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("note", nargs="*", help="words about the machine, kept with the numbers")
    main(" ".join(parser.parse_args().note))
