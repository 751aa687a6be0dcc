"""Rollouts and updates per second, and memory, of whole runs by sampler and backend: `python -m bench.train_step`.

Each row is one real run of the tiny model (20 steps of 24 prompts x 8 responses, two updates each) in a process of its
own, one after the other; medians over steps 6 to 20. Writes bench/train_step.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import read_jsonl
from configs import Run
from configs.run import check_clean

OUT = Path(__file__).with_suffix(".json")
STEPS, ROLLOUTS, UPDATES = 20, 24 * 8, 2
KINDS = {
    "hf, torch": [],
    "hf, deepspeed stage 2": ["parallel.backend=deepspeed"],
    "vllm, torch": ["rollouts.engine.kind=vllm"],
}


def measure(options: list[str], folder: Path) -> dict[str, float]:
    """Return one run's medians."""
    command = ["-m", "train", "method=papo_g", "scale=mini", f"steps={STEPS}", "keep.wandb=disabled", f"run={folder}"]
    subprocess.run([sys.executable, *command, "keep.rollouts_every=0", *options], check=True)
    rows = list(read_jsonl(folder / "timing.jsonl"))

    def median(name: str) -> float:
        return statistics.median(row[f"timing_s/{name}"] for row in rows[5:])

    growth = rows[-1]["perf/max_memory_gb"] / rows[4]["perf/max_memory_gb"] - 1
    return {
        "rollouts_per_s": ROLLOUTS / median("gen"),
        "updates_per_s": UPDATES / median("update_actor"),
        "seconds_per_step": median("step"),
        "seconds_sync": median("sync"),
        "seconds_score": median("score"),
        "first_step_s": rows[0]["timing_s/step"],
        "peak_memory_gb": rows[-1]["perf/max_memory_gb"],
        "memory_growth_step_5_to_20": growth,
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    check_clean()
    results = {}
    for name, options in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = {k: round(v, 4) for k, v in measure(options, Path(folder) / "run").items()}
            record = Run.load(Path(folder) / "run" / "run.json")
    provenance = record.provenance()
    OUT.write_text(json.dumps({"results": results, "provenance": provenance}, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
