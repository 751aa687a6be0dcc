"""What filling a table takes: its commands and the cells they fill, and what this machine lacks for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.experiments import Experiment, Suite, shown
from configs import compose
from eval.tasks import BENCHMARKS, names_of
from train.settings import TrainSettings


def plan_lines(
    title: str,
    table: dict[str, Any],
    experiments: Sequence[Experiment],
    train_options: Sequence[str],
    eval_options: Sequence[str],
) -> list[str]:
    """Return the plan: for each row and seed the commands that are left, and the cells that they fill."""
    suite = experiments[0].suite
    columns = [column.get(suite.bench, column["id"]) for column in table["columns"]]
    lines = [
        f"{title} at {suite.scale} scale: model={suite.model}, bench={suite.bench}, preset={suite.preset}",
        f"columns: {', '.join(columns)}",
    ]
    for experiment in experiments:
        seed = f", seed {experiment.seed}" if experiment.is_trained else ""
        todo = experiment.commands(train_options, eval_options)
        lines += ["", f"{experiment.row.name}{seed}: {len(columns)} cells and their averages"]
        lines += [f"  {shown(command)}" for command in todo] or [f"  done: {experiment.evaluation}"]
    return lines


def lacking(suite: Suite) -> list[str]:
    """Return what this machine lacks to train and evaluate at a scale: GPU, weights, data; each with the remedy."""
    settings = compose(TrainSettings, [f"scale={suite.scale}"])
    hub = [] if Path(settings.model.path).is_dir() else [("model", settings.model.path)]
    if settings.data.source.count("/") == 1 and not Path(settings.data.source).exists():
        hub.append(("dataset", settings.data.source))
    hub += [("dataset", BENCHMARKS[name].hub) for name in names_of(suite.bench) if BENCHMARKS[name].hub]
    if not hub:
        return []  # weights and problems come with the repository, and the tiny model needs no GPU
    import torch
    from huggingface_hub.constants import HF_HUB_CACHE

    found = [] if torch.cuda.is_available() else ["a CUDA GPU"]
    for kind, name in dict.fromkeys(hub):
        if not (Path(HF_HUB_CACHE) / f"{kind}s--{name.replace('/', '--')}").is_dir():
            found.append(f"the {kind} {name} (hf download {name}{' --repo-type dataset' * (kind == 'dataset')})")
    return found
