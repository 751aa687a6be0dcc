"""Whether a method acts on what it is meant to act on: `python -m bench.engages method=papo_g out=engages.json`.

A method's YAML says under `about.engages` which metric it moves, which way, and by which coefficient, or several. A
method that chooses tokens names the `turn` of its weights (train/weights/piece.py). Each seed trains three times: with
the coefficient, with 0 in its place (the base recipe, the metric measured all the same) and with its sign turned. The
method engages if, in every seed, the metric's mean over the last quarter of the steps lies on the meant side of the
base with the coefficient and on the other side with the sign turned.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from math import inf, isnan
from pathlib import Path
from statistics import fmean
from typing import Any

from common import UserError, atomic_write_text, read_jsonl
from configs import Run, command, setting
from configs.compose import ROOT
from configs.run import check_clean, in_results
from train.listing import about_of
from train.settings import TrainSettings

STEPS = 20
VERDICTS = "bench/engages"  # where `train method=list` finds them
FACTORS = {"with": 1.0, "without": 0.0, "turned": -1.0}  # what the coefficient is multiplied by
WAYS = {"up": 1.0, "down": -1.0}


@dataclass(frozen=True)
class EngagesCommand(TrainSettings):
    """A training run's settings; `seed` is the first of the seeds, `run` the folder of all runs."""

    steps: int = setting(STEPS, "steps of every run", bounds="[1, inf)")
    seeds: int = setting(4, "seeds, each trained three times", bounds="[1, inf)")
    out: str = setting("", "JSON file to write")


@dataclass(frozen=True)
class Claim:
    """What a method says that it moves."""

    metric: str
    way: str
    coef: str | list[str]  # one setting, or several that are turned together

    def paths(self) -> list[list[str]]:
        return [one.split(".") for one in ([self.coef] if isinstance(self.coef, str) else self.coef)]


def claim_of(method: str) -> Claim:
    """Return a method's claim, or refuse a method without one."""
    name = f"configs/methods/{method}.yaml"
    given = about_of(ROOT / "methods" / f"{method}.yaml").get("engages")
    if not given:
        raise UserError(f"{name} says not what it moves; add engages: {{metric, way: up or down, coef}} to its about")
    return Claim(**given)


def scaled(settings: Any, path: Sequence[str], factor: float) -> Any:
    """Return settings in which the number at a path is multiplied."""
    if not path:
        return settings * factor
    first, *rest = path
    if is_dataclass(settings) and not isinstance(settings, type):
        return replace(settings, **{first: scaled(getattr(settings, first), rest, factor)})
    return {**settings, first: scaled(settings[first], rest, factor)}


def arm(settings: EngagesCommand, claim: Claim, name: str, seed: int) -> TrainSettings:
    """Return the settings of one run."""
    plain = TrainSettings(**{one.name: getattr(settings, one.name) for one in fields(TrainSettings)})
    folder = Path(settings.run or f"runs/engages/{settings.method}") / f"{name}_seed{seed}"
    found = replace(plain, seed=seed, run=str(folder))
    for path in claim.paths():
        found = scaled(found, path, FACTORS[name])
    return found


def measured(run: Path, metric: str) -> float:
    """Return a metric's mean over the last quarter of a run's steps."""
    rows = [row[metric] for row in read_jsonl(run / "metrics.jsonl") if metric in row]
    if not rows:
        raise UserError(f"the run {run} logs no '{metric}'; mend about.engages.metric of its method")
    return fmean(rows[-max(1, len(rows) // 4) :])


def verdict(seeds: Sequence[Mapping[str, float]], way: str) -> dict[str, Any]:
    """Return the differences to the base over seeds, with intervals, and whether every seed goes as it should."""
    from eval.estimate import over_trainings

    sign, found = WAYS[way], dict[str, Any]()
    for name, wanted in (("with", sign), ("turned", -sign)):
        gaps = [seed[name] - seed["without"] for seed in seeds]
        record = asdict(over_trainings(gaps, (-inf, inf)))
        found[name] = {
            key: None if isinstance(value, float) and isnan(value) else value for key, value in record.items()
        }
        found[name]["right_way"] = sum(gap * wanted > 0 for gap in gaps)
    right = (found["with"]["right_way"], found["turned"]["right_way"])
    return found | {"engages": right == (len(seeds), len(seeds))}


def run(settings: EngagesCommand) -> None:
    """Train every seed three times and write what the metric did."""
    from train.loop import train

    if not settings.out:
        raise UserError(f"out= is empty; name the JSON file to write, {VERDICTS}/{settings.method}.json to be listed")
    if in_results(Path(settings.out)):
        check_clean()
    claim, seeds = claim_of(settings.method), []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        found: dict[str, float] = {}
        for name in FACTORS:
            one = arm(settings, claim, name, seed)
            train(one)
            found[name] = measured(Path(one.run), claim.metric)
        seeds.append({"seed": seed, **found})
    record = {"method": settings.method, **asdict(claim), "steps": settings.steps, "seeds": seeds}
    record |= verdict(seeds, claim.way) | {"provenance": Run.load(Path(one.run) / "run.json").provenance()}
    atomic_write_text(Path(settings.out), json.dumps(record, indent=2) + "\n")
    print(json.dumps({name: record[name] for name in ("method", "metric", "with", "turned", "engages")}, indent=2))


def main() -> int:
    given = sys.argv[1:]
    if "--help" not in given and "-h" not in given:
        given = [f"steps={STEPS}", *given]  # in front of a scale's own, behind the user's
    return command(EngagesCommand, run, given, prog="python -m bench.engages", summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main())
