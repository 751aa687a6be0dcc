"""Seconds of an evaluation by two worker processes against one: `python -m bench.eval_workers`.

The shipped tiny model answers the mini world, one thread a process, each run a command of its own with its start and
scoring; one and two workers take turns, and their predictions must be equal byte for byte. Nothing else should run:
the load of the machine before the first run is written beside the numbers. `width=512` asks random weights of eight
layers of that width instead, whose sampling takes nearly all of the time, as that of real models does.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from common import UserError, atomic_write_text
from configs import Run, command, setting

WORKERS = (1, 2)
LAYERS, HEAD = 8, 32


@dataclass(frozen=True)
class EvalWorkersSettings:
    """How much is asked, and how often."""

    items: int = setting(80, "items per column of the mini world, a multiple of 5", bounds="[5, inf)")
    k: int = setting(8, "responses per item", bounds="[1, inf)")
    rounds: int = setting(3, "evaluations by each number of workers, in turns", bounds="[1, inf)")
    width: int = setting(
        0, "hidden size of random weights, a multiple of 32; 0 = the shipped model", bounds="[0, inf)"
    )
    out: str = setting("bench/eval_workers.json", "file of the numbers")


def wide_model(width: int, folder: Path) -> Path:
    """Write random weights that make sampling the work: wide enough for arithmetic, and ending almost never."""
    from models.tiny.build import build_config, build_model, build_processor, build_tokenizer

    tokenizer = build_tokenizer()
    config = build_config(tokenizer)
    text = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": LAYERS}
    heads = {"num_attention_heads": width // HEAD, "num_key_value_heads": width // HEAD}
    for name, value in (text | heads).items():
        setattr(config.text_config, name, value)
    config.vision_config.out_hidden_size = width
    build_model(config, seed=0).save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    return folder


def seconds(settings: EvalWorkersSettings, out: Path, gpus: int, weights: Path | None = None) -> float:
    """Return what one whole evaluation takes."""
    asked = ["model=tiny", "bench=mini", f"items={settings.items}", f"k={settings.k}", "page=0"]
    asked += [f"model.path={weights}"] if weights else []
    line = [sys.executable, "-m", "eval", *asked, f"gpus={gpus}", f"out={out}"]
    start = time.perf_counter()
    status = subprocess.run(line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL).returncode
    if status:
        raise UserError(f"'{' '.join(line[1:])}' ended with status {status}; mend it and start again")
    return time.perf_counter() - start


def measure(settings: EvalWorkersSettings) -> None:
    """Write the seconds of every round and the ratio of one worker to two."""
    load_before, out = os.getloadavg()[0], Path(settings.out)
    record = Run.collect(settings, into=out)
    times: dict[int, list[float]] = {gpus: [] for gpus in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        weights = wide_model(settings.width, Path(folder) / "weights") if settings.width else None
        for number in range(settings.rounds):
            outs = {gpus: Path(folder) / f"{number}-{gpus}" for gpus in WORKERS}
            for gpus, one in outs.items():
                times[gpus].append(round(seconds(settings, one, gpus, weights), 2))
            if len({(one / "predictions.parquet").read_bytes() for one in outs.values()}) > 1:
                raise UserError("one worker and two gave different predictions, so their times compare nothing")
            print(json.dumps({str(gpus): values[-1] for gpus, values in times.items()}), flush=True)
    result = {
        "width": settings.width,
        "responses": 9 * settings.items * settings.k,
        "seconds": {str(gpus): values for gpus, values in times.items()},
        "one_over_two": round(statistics.median(one / two for one, two in zip(*times.values(), strict=True)), 3),
        "load_average_1_min_before": load_before,
        "provenance": record.provenance(),
    }
    atomic_write_text(out, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    prog, summary = "python -m bench.eval_workers", str(__doc__)
    sys.exit(command(EvalWorkersSettings, measure, sys.argv[1:], prog=prog, summary=summary))
