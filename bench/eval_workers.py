"""Seconds of an evaluation by two worker processes against one: `python -m bench.eval_workers`.

The shipped tiny model answers the mini world, one thread a process, each run a command of its own with its start and
scoring; one and two workers take turns, and their predictions must be equal byte for byte. Nothing else should run:
the load of the machine before the first run is written beside the numbers. Writes bench/eval_workers.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from configs import Run, compose
from eval.settings import EvalSettings

OUT = Path(__file__).with_suffix(".json")
OPTIONS = ["model=tiny", "bench=mini", "items=80", "k=8", "page=0"]
ROUNDS, WORKERS = 3, (1, 2)


def seconds(out: Path, gpus: int) -> float:
    """Return what one whole evaluation takes."""
    command = [sys.executable, "-m", "eval", *OPTIONS, f"gpus={gpus}", f"out={out}"]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    load_before = os.getloadavg()[0]
    record = Run.collect(compose(EvalSettings, [*OPTIONS, "out=unused"]), into=OUT)
    times: dict[int, list[float]] = {gpus: [] for gpus in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            outs = {gpus: Path(folder) / f"{number}-{gpus}" for gpus in WORKERS}
            for gpus, out in outs.items():
                times[gpus].append(round(seconds(out, gpus), 2))
            assert len({(out / "predictions.parquet").read_bytes() for out in outs.values()}) == 1
            print(json.dumps({str(gpus): values[-1] for gpus, values in times.items()}), flush=True)
    result = {
        "responses": 9 * 80 * 8,
        "seconds": {str(gpus): values for gpus, values in times.items()},
        "one_over_two": round(statistics.median(one / two for one, two in zip(times[1], times[2], strict=True)), 3),
        "load_average_1_min_before": load_before,
        "provenance": record.provenance(),
    }
    OUT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
