"""Whether a collapse is told while it happens, over all finished trainings: `python -m bench.collapse`.

A run tells with `collapse/onset`, which sees only the steps so far. The truth is read off the whole curve afterwards:
a collapse begins at the first step from which `LASTS` rewards in a row lie below `KEPT` times the best mean of `BEST`
successive rewards before. It is told in time if the run says so at most `DELAY` steps later; a run that speaks without
such a step, or before it, gives a false alarm.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from common import UserError, atomic_write_text, read_jsonl
from configs import Run, command, setting
from train.collapse import REWARD

ONSET = "collapse/onset"
LASTS, KEPT, BEST, DELAY = 5, 0.75, 5, 5


@dataclass(frozen=True)
class CollapseSettings:
    """Which trainings are looked at."""

    runs: list[str] = setting(factory=lambda: ["runs/mini"], help="folders below which finished trainings lie")
    out: str = setting("bench/collapse.json", "file of the counts")


def true_onset(steps: Sequence[int], rewards: Sequence[float]) -> int | None:
    """Return the step at which a collapse begins, which needs the whole curve; None where none does."""
    for place in range(BEST, len(rewards) - LASTS + 1):
        best = max(fmean(rewards[end - BEST : end]) for end in range(BEST, place + 1))
        if all(reward < KEPT * best for reward in rewards[place : place + LASTS]):
            return steps[place]
    return None


def kind_of(true: int | None, said: int | None) -> str:
    """Return what a run's word is worth."""
    if true is None:
        return "healthy" if said is None else "false alarm"
    if said is None:
        return "missed"
    if said < true:
        return "false alarm"
    return "in time" if said - true <= DELAY else "late"


def judged(run: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the true and the said onset of one training, and what that makes it."""
    true = true_onset([row["step"] for row in rows], [row[REWARD] for row in rows])
    said = next((row["step"] for row in rows if row.get(ONSET)), None)
    return {"run": run.as_posix(), "steps": len(rows), "true": true, "said": said, "kind": kind_of(true, said)}


def trainings(folders: Sequence[str]) -> dict[Path, list[dict[str, Any]]]:
    """Return the steps with a reward of every finished training that logs one, by its folder."""
    found = sorted({path.parent for folder in folders for path in Path(folder).rglob("finished.json")})
    rows = {run: [row for row in read_jsonl(run / "metrics.jsonl") if REWARD in row] for run in found}
    kept = {run: own for run, own in rows.items() if own}
    if not kept:
        raise UserError(f"no finished training lies below {', '.join(folders)}; name folders of runs with runs=[...]")
    return kept


def measure(settings: CollapseSettings) -> None:
    """Judge every training and write the counts, and every run that is not healthy."""
    record = Run.collect(settings, into=Path(settings.out))
    found = [judged(run, rows) for run, rows in trainings(settings.runs).items()]
    counts: Mapping[str, int] = Counter(one["kind"] for one in found)
    result = {
        "rule": {"lasts": LASTS, "kept": KEPT, "best": BEST, "delay": DELAY},
        "runs": settings.runs,
        "trainings": len(found),
        "steps": sum(one["steps"] for one in found),
        "counts": {kind: counts[kind] for kind in ("healthy", "in time", "late", "missed", "false alarm")},
        "delays": sorted(one["said"] - one["true"] for one in found if one["kind"] in ("in time", "late")),
        "not_healthy": [one for one in found if one["kind"] != "healthy"],
        "provenance": record.provenance(),
    }
    atomic_write_text(Path(settings.out), json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("trainings", "counts", "delays")}, indent=2))


if __name__ == "__main__":
    prog, summary = "python -m bench.collapse", str(__doc__)
    sys.exit(command(CollapseSettings, measure, sys.argv[1:], prog=prog, summary=summary))
