"""What a step of each method costs over the recipe it stands on: `python -m bench.cost`; writes bench/cost.json.

Mini scale, one thread, a learning rate of 0, so that every method samples with the same policy. The two recipes take
turns, step by step, in one process; what counts is the process's CPU time, which other work on the machine moves less
than the clock's. A recipe that samples otherwise (its own plan, more rollouts) pays for that as well. Methods and the
recipes they stand on are the rows of configs/tables/family.yaml; another method is measured against the one that its
file is based on, with the base as its teacher where it needs one. A method in the file already is not repeated.

Beside it stands `counted`, what the passes come to by arithmetic: how a step of the recipe divides into sampling,
scoring and update is measured; the last two grow with the FLOPs of the method's passes (train/estimate.py), sampling
stays. A cost above `counted` is a plan that samples more, or work outside the passes.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from analysis.experiments import read_table_file, rows_of
from common import UserError, atomic_write_text, did_you_mean
from common.progress import progress
from configs import Run, command, compose, setting
from configs.compose import ROOT
from configs.groups import read_yaml
from models.shape import read_shape
from train.checkpoint import Progress
from train.distributed import Ranks
from train.estimate import IN_UPDATE, scoring_passes
from train.loop import TrainState, make_state, one_step
from train.needs import needs_of
from train.settings import TrainSettings
from train.table.columns import TEACHER
from train.tracking import Tracker

TABLE, BASE = "family", "grpo"


@dataclass(frozen=True)
class CostSettings:
    """Which methods, and how often."""

    methods: list[str] = setting(factory=list, help="methods; empty = the rows of configs/tables/family.yaml")
    steps: int = setting(6, "pairs of steps that count", bounds="[1, inf)")
    warm: int = setting(2, "pairs of steps before them", bounds="[0, inf)")
    out: str = setting("bench/cost.json", "file of the numbers")


PARTS = ("gen", "score", "update_actor")  # of a step, as timing.jsonl names them
TOKENS = (45, 22)  # of a prompt and a response at mini scale


@dataclass
class Parts:
    """In the place of a tracker: keeps how long each part of the steps took."""

    found: list[dict[str, float]] = field(default_factory=list)

    def log(self, number: int, metrics: dict[str, float], timing: dict[str, float], tokens: int) -> None:
        self.found.append({name: timing[f"timing_s/{name}"] for name in PARTS})

    def keep_rollouts(self, step: object) -> None:
        pass

    def shares(self) -> dict[str, float]:
        """Return the median share of each part, the first step left out."""
        shares = [
            {name: value / sum(one.values()) for name, value in one.items()} for one in self.found[1:] or self.found
        ]
        return {name: statistics.median(one[name] for one in shares) for name in PARTS}


class Recipe:
    """A recipe that takes steps and says what each of them cost."""

    def __init__(self, overrides: list[str], folder: str) -> None:
        asked = [*overrides, "scale=mini", "optimiser.learning_rate=0", f"run={folder}"]
        self.state: TrainState = make_state(compose(TrainSettings, asked), Ranks())
        self.place, self.parts = Progress(0, 0, 0), Parts()

    def step(self) -> float:
        """Return the CPU seconds of a step, the preparation of the next one's prompts included."""
        start = time.process_time()
        self.place = one_step(self.state, self.place, cast(Tracker, self.parts))
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


def flops(overrides: list[str]) -> dict[str, float]:
    """Return the FLOPs of a step's passes, those before the updates and those in them."""
    settings = compose(TrainSettings, [*overrides, "scale=mini"])
    found = dict.fromkeys(PARTS[1:], 0.0)
    inside = {"actor", *needs_of(settings).live_views()}
    for one in scoring_passes(read_shape(settings.model), settings, 1, *TOKENS):
        found["update_actor" if one.name in inside or one.name.endswith(IN_UPDATE) else "score"] += one.flops
    return found


def counted(method: list[str], baseline: list[str], shares: Mapping[str, float]) -> float:
    """Return what a method's passes cost over its recipe's, by arithmetic."""
    own, base = flops(method), flops(baseline)
    return shares["gen"] + sum(shares[name] * own[name] / base[name] for name in own if base[name])


def shares_of(baseline: list[str], settings: CostSettings) -> dict[str, float]:
    """Return how a recipe's step divides into its parts."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(baseline, folder)
        for _ in range(settings.warm + settings.steps):
            recipe.step()
    return recipe.parts.shares()


def recipes(methods: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return settings by name, and of each method the recipe that it is measured against."""
    table = read_table_file(TABLE)
    sets = {row.id: list(row.set) for row in rows_of(table)}
    pairs = {
        name: over for name, over in table["baselines"].items() if sets[over] and (name in methods or not methods)
    }
    for name in [name for name in methods if name not in sets]:
        path = ROOT / "methods" / f"{name}.yaml"
        if not path.exists():
            raise UserError(
                f"no method {name!r}; {did_you_mean(name, [one.stem for one in path.parent.glob('*.yaml')])}"
            )
        over = read_yaml(path, path.name).get("based_on", BASE)
        sets |= {name: with_teacher(name), over: sets.get(over) or with_teacher(over)}
        pairs[name] = over
    return sets, pairs


def with_teacher(method: str) -> list[str]:
    """Return a method's settings, with the base as its teacher where it needs one."""
    needs = needs_of(compose(TrainSettings, [f"method={method}", "scale=mini", "teacher=tiny"]))
    return [f"method={method}", *(["teacher=tiny"] if needs.of(TEACHER) or needs.teacher_views() else [])]


def measure(settings: CostSettings) -> None:
    """Write the ratio of every method to the recipe it stands on."""
    import torch

    torch.set_num_threads(1)
    out = Path(settings.out)
    record, (sets, pairs) = Run.collect(settings, into=out), recipes(settings.methods)
    before = json.loads(out.read_text()) if out.exists() else {}
    found, shares = before.get("methods", {}), before.get("shares", {})
    wanted = [name for name in pairs if not {"ratio", "counted"} <= found.get(name, {}).keys()]
    with progress("cost of methods", len(wanted)) as advance:
        for number, name in enumerate(wanted, start=1):
            over = pairs[name]
            if over not in shares:
                shares[over] = shares_of(sets[over], settings)
            if "ratio" not in found.get(name, {}):
                found[name] = {"over": over, **ratio(sets[name], sets[over], settings)}
            found[name]["counted"] = round(counted(sets[name], sets[over], shares[over]), 3)
            result = {"steps": settings.steps, "shares": shares, "methods": found, "provenance": record.provenance()}
            atomic_write_text(out, json.dumps(result, indent=2) + "\n")
            advance(number, name)


if __name__ == "__main__":
    prog, summary = "python -m bench.cost", str(__doc__)
    sys.exit(command(CostSettings, measure, sys.argv[1:], prog=prog, summary=summary))
