"""What a step of each method costs over the recipe it stands on: `python -m bench.cost`; writes bench/cost.json.

Mini scale, one thread, a learning rate of 0, so that every method samples with the same policy. The two recipes take
turns, step by step, in one process; what counts is the process's CPU time, which other work on the machine moves less
than the clock's. A recipe that samples otherwise (its own plan, more rollouts) pays for that as well. Methods and the
recipes they stand on are the rows of configs/tables/family.yaml. A method that is in the file already is not repeated.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.experiments import read_table_file, rows_of
from common import atomic_write_text
from common.progress import progress
from configs import Run, command, compose, setting
from train.checkpoint import Progress
from train.distributed import Ranks
from train.loop import TrainState, make_state, one_step
from train.settings import TrainSettings

TABLE = "family"


@dataclass(frozen=True)
class CostSettings:
    """Which methods, and how often."""

    methods: list[str] = setting(factory=list, help="rows of configs/tables/family.yaml; empty = all")
    steps: int = setting(6, "pairs of steps that count", bounds="[1, inf)")
    warm: int = setting(2, "pairs of steps before them", bounds="[0, inf)")
    out: str = setting("bench/cost.json", "file of the numbers")


class Recipe:
    """A recipe that takes steps and says what each of them cost."""

    def __init__(self, overrides: list[str], folder: str) -> None:
        asked = [*overrides, "scale=mini", "optimiser.learning_rate=0", f"run={folder}"]
        self.state: TrainState = make_state(compose(TrainSettings, asked), Ranks())
        self.place = Progress(0, 0, 0)

    def step(self) -> float:
        """Return the CPU seconds of a step, the preparation of the next one's prompts included."""
        start = time.process_time()
        self.place = one_step(self.state, self.place, None)
        if self.state.begun:
            self.state.begun.result()
        return time.process_time() - start


def ratio(method: list[str], baseline: list[str], settings: CostSettings) -> dict[str, Any]:
    """Return the median of the ratios of neighbouring steps, with the smallest and the largest."""
    with tempfile.TemporaryDirectory() as folder:
        recipes = [Recipe(baseline, f"{folder}/baseline"), Recipe(method, f"{folder}/method")]
        seconds = [[recipe.step() for recipe in recipes] for _ in range(settings.warm + settings.steps)]
    ratios = [own / base for base, own in seconds[settings.warm :]]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "from": round(min(ratios), 3),
        "to": round(max(ratios), 3),
        "cpu_seconds": [round(statistics.median(column), 3) for column in zip(*seconds[settings.warm :], strict=True)],
    }


def measure(settings: CostSettings) -> None:
    """Write the ratio of every method to the recipe it stands on."""
    import torch

    torch.set_num_threads(1)
    out, table = Path(settings.out), read_table_file(TABLE)
    record = Run.collect(settings, into=out)
    rows_of(table, settings.methods)  # refuses a name that the table does not have
    sets = {row.id: list(row.set) for row in rows_of(table)}
    pairs = {name: table["baselines"].get(name, "") for name in settings.methods or sets}
    found = json.loads(out.read_text())["methods"] if out.exists() else {}
    wanted = [name for name, over in pairs.items() if sets.get(over) and name not in found]
    with progress("cost of methods", len(wanted)) as advance:
        for number, name in enumerate(wanted, start=1):
            found[name] = {"over": pairs[name], **ratio(sets[name], sets[pairs[name]], settings)}
            result = {"steps": settings.steps, "methods": found, "provenance": record.provenance()}
            atomic_write_text(out, json.dumps(result, indent=2) + "\n")
            advance(number, name)


if __name__ == "__main__":
    prog, summary = "python -m bench.cost", str(__doc__)
    sys.exit(command(CostSettings, measure, sys.argv[1:], prog=prog, summary=summary))
