"""Seconds and size of a report of two runs on 2,000 samples: `python -m bench.report`; writes bench/report.json.

Both runs are the shipped tiny model, asked twice with different seeds (k=2), so that no trained run is needed; that
takes about a minute and is not counted. Then `python -m analysis report runs=a,b` runs as a person would run it, in a
process of its own with its imports: once as it comes (200 samples in the browser) and once with all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pandas as pd

from configs import Run
from eval.settings import EvalSettings

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(__file__).with_suffix(".json")
ITEMS, K = 250, 2  # per column, of which there are eight
CASES = {"200 in the browser": [], "all in the browser": ["samples=0"]}


def command(*arguments: str) -> float:
    """Run one and take its time."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)
    return time.perf_counter() - start


def measure(runs: list[Path], options: list[str], out: Path) -> dict[str, Any]:
    seconds = command("analysis", "report", f"runs={','.join(map(str, runs))}", f"out={out}", *options)
    return {"seconds": round(seconds, 1), "megabytes": round((out / "report.html").stat().st_size / 1e6, 2)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    load_before, own = os.getloadavg()[0], Run.collect(EvalSettings(), into=OUT)
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / name for name in ("base", "again")]
        for seed, run in enumerate(runs):
            command(
                "eval", "model=tiny", "bench=mini", f"items={ITEMS}", f"k={K}", "page=0", f"seed={seed}", f"out={run}"
            )
        samples = pd.read_parquet(runs[0] / "predictions.parquet", columns=["sample_id"]).sample_id.nunique()
        results = {name: measure(runs, options, Path(folder) / "report") for name, options in CASES.items()}
    record: dict[str, Any] = {
        "runs": len(runs),
        "samples": samples,
        "responses_per_sample": K,
        "load_average_1_min_before": load_before,
        "results": results,
        "provenance": own.provenance(),
    }
    OUT.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
