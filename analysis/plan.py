"""What filling a table takes: its commands and the cells they fill, and what this machine lacks for them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from analysis.experiments import Experiment, Left, shown
from analysis.fetch import KINDS, FetchSettings, is_here, repos_of
from analysis.reuse import is_finished
from common import read_jsonl
from train.estimate import estimate


def plan_lines(title: str, table: dict[str, Any], left: Left) -> list[str]:
    """Return the plan: for each row and seed the commands that are left, and the cells that they fill."""
    experiments = [experiment for experiment, _ in left]
    suite = experiments[0].suite
    columns = [column.get(suite.bench, column["id"]) for column in table["columns"]]
    evaluated = f", bench={suite.bench}, preset={suite.preset}\ncolumns: {', '.join(columns)}"
    panels = "".join(f"\npanel: {one['metric']}" for one in table.get("curves", []))
    needs = f"{len(columns)} cells and their averages" if not panels else "its curves"
    lines = [f"{title} at {suite.scale} scale: model={suite.model}{panels or evaluated}", *cost_lines(experiments)]
    for experiment, todo in left:
        seed = f", seed {experiment.seed}" if experiment.is_trained else ""
        lines += ["", f"{experiment.row.name}{seed}: {needs}"]
        if experiment.twin:
            lines.append(f"  its settings are those of a row above, whose training is used: {experiment.twin}")
        elif experiment.folder != experiment.own_folder:
            lines.append(f"  its settings are those of a finished training, which is used: {experiment.folder}")
        done = experiment.evaluation if experiment.is_evaluated else experiment.folder
        state = "with the row above" if experiment.twin else "done"
        lines += [f"  {shown(command)}" for command in todo] or [f"  {state}: {done}"]
    return lines


def cost_lines(experiments: Sequence[Experiment]) -> list[str]:
    """Return how many trainings are left and what they take: measured here where that is known, else estimated."""
    left = [one for one in experiments if one.is_trained and not one.twin and not is_finished(one.folder)]
    if not left:
        return ["trainings left: none"]
    scale, runs = left[0].suite.scale, left[0].runs
    settings = [one.training for one in left]
    timed = [path.parent for path in (runs / scale).glob("*/seed*/timing.jsonl")]
    if per_step := [seconds for folder in timed if (seconds := step_seconds(folder)) is not None]:
        steps = sum(one.steps for one in settings)
        hours, spread = fmean(per_step) * steps / 3600, f"{min(per_step):.1f} to {max(per_step):.1f} s"
        return [f"trainings left: {len(left)}, {hours:.1f} h one after another ({spread} a step in finished runs)"]
    if Path(settings[0].model.path).is_dir():
        counts = sorted({one.steps for one in settings})
        shown_steps = f"{counts[0]}{f' to {counts[-1]}' * (len(counts) > 1)} steps"
        return [f"trainings left: {len(left)}, of {shown_steps}; none is finished that would tell the time"]
    gpus = 8
    hours = sum(estimate(one, gpus).hours for one in settings)
    return [
        f"trainings left: {len(left)}, at least {gpus * hours:.0f} GPU hours on {gpus} GPUs ({hours:.0f} h by the "
        "clock), by the arithmetic of dry_run=true; evaluations come on top"
    ]


def step_seconds(folder: Path) -> float | None:
    """Return the median seconds of a finished training's steps; None where it is not finished."""
    path = folder / "timing.jsonl"
    if not is_finished(folder):
        return None
    return median(row["timing_s/step"] for row in read_jsonl(path))


def lacking(table: str, scale: str) -> list[str]:
    """Return what this machine lacks to train and evaluate at a scale: GPU, weights, data; each with the remedy."""
    asked = [FetchSettings(what=what, scale=scale, table=table) for what in KINDS]
    repos = {one.what: repos_of(one) for one in asked}
    if not any(repos.values()):
        return []  # weights and problems come with the repository, and the tiny model needs no GPU
    import torch

    found = [] if torch.cuda.is_available() else ["a CUDA GPU"]
    for what, wanted in repos.items():
        gone = [f"the {repo.kind} {repo.name} (make {what} SCALE={scale})" for repo in wanted if not is_here(repo)]
        found += gone
    return found
