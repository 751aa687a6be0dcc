"""What a training sends to W&B: metrics, pictures, an alert at a collapse, a summary, artifacts with their lineage.

The record of a run is its files; nothing here is read again by a training.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from common import UserError, read_jsonl
from configs import Run, to_dict
from configs.wandb_run import WandbRun, group_of
from train.experience import Experience
from train.prompts import Prompts
from train.settings import TrainSettings

PICTURES = 4  # shown of a step
COMMIT = 7  # characters of a commit that tags and columns show
# What W&B keeps of a curve in place of its last value.
SUMMARIES = {
    "collapse/onset": "max",
    "collapse/signals": "max",
    "rollout/engine_gap": "max",
    "timing_s/step": "mean",
}
VALIDATION = "validation.jsonl"
RECORDS = ("config.yaml", "run.json", "metrics.jsonl", "timing.jsonl", VALIDATION)


def side_by_side(original: Image.Image, corrupted: Image.Image) -> Image.Image:
    """Return two pictures of one height, a small gap between them."""
    both = Image.new("RGB", (original.width + 8 + corrupted.width, original.height), "white")
    both.paste(original, (0, 0))
    both.paste(corrupted, (original.width + 8, 0))
    return both


def on_one_size(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Return pictures on white sheets of one size: W&B lays all of a step out by the size of the first."""
    width, height = (max((picture.size[axis] for picture in pictures), default=0) for axis in (0, 1))
    sheets = [Image.new("RGB", (width, height), "white") for _ in pictures]
    for sheet, picture in zip(sheets, pictures, strict=True):
        sheet.paste(picture, (0, 0))
    return sheets


def wandb_run_of(run: Path, settings: TrainSettings) -> WandbRun:
    """Return where a training is on W&B; its id is made when it is opened."""
    keep, group = settings.keep, group_of(run, settings.scale, settings.method)
    return WandbRun("", keep.wandb, keep.entity, keep.project, group, f"{group}/seed{settings.seed}")


class Board:
    """One W&B run, found again by its stored id after a stop."""

    def __init__(self, run: Path, settings: TrainSettings):
        self.run, self.settings = run, settings
        record = Run.load(run / "run.json")
        commit = record.commit[:COMMIT] if " " not in record.commit else ""
        tags = [settings.scale, settings.model.name, settings.method, commit]
        config = to_dict(settings) | {"commit": commit, "dirty": record.dirty, "revisions": record.revisions}
        # The tiny model's host says nothing; where there is a GPU, its load and memory do.
        self.wandb = wandb_run_of(run, settings).open(run, "train", tags, config, system=torch.cuda.is_available())
        for metric, kind in SUMMARIES.items():
            self.wandb.define_metric(metric, summary=kind)
        if settings.keep.wandb == "online":  # W&B takes what a run uses from its server alone
            self.wandb.use_artifact(self.artifact("data", "dataset", Path(settings.data.source)))

    def artifact(self, name: str, kind: str, path: Path) -> Any:
        """Return an artifact that knows a file or folder by its checksums and leaves it where it is."""
        import wandb

        found = wandb.Artifact(f"{name}-{self.wandb.id}", kind, metadata={"source": str(path)})
        if path.exists():
            found.add_reference(path.resolve().as_uri())
        return found

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        self.wandb.log(dict(values), step=step)

    def show(self, step: int, experience: Experience, prompts: Prompts) -> None:
        """Log the pictures of a step; one that cannot be drawn is said and stops no run."""
        try:
            self.log(step, {"rollouts": self.pictures(experience, prompts)})
        except UserError as error:
            print(f"step {step} has no pictures on W&B: {error}", file=sys.stderr)

    def pictures(self, experience: Experience, prompts: Prompts) -> list[Any]:
        """Return the first prompts as the model saw them, original and corrupted side by side, with a response."""
        import wandb

        shown = []
        for b in [b for b, block in enumerate(experience.blocks) if block.sample.images][:PICTURES]:
            block = experience.blocks[b]
            original = prompts.clean(block).images[0]
            for groups in prompts.groups([(name, b) for name in self.settings.views]):
                if groups[0].prompt.images:
                    original = side_by_side(original, groups[0].prompt.images[0])
            caption = f"{block.sample.question}\n{block.responses[0].text}"
            reward = experience.reward_N[block.rows.start]
            shown.append((original, f"{caption}\nreward {reward:.2f}"))
        sheets = on_one_size([picture for picture, _ in shown])
        return [wandb.Image(sheet, caption=caption) for sheet, (_, caption) in zip(sheets, shown, strict=True)]

    def alert(self, step: int, reward: float) -> None:
        """Tell who watches the project that the run collapses."""
        text = f"{self.run} collapses at step {step} (reward {reward:.3f}): look at collapse/*, lower a coefficient."
        self.wandb.alert(title="collapse", text=text, level="WARN")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Log the best step, and the run's records and weights as artifacts."""
        import wandb

        self.wandb.summary.update(dict(summary))
        if (self.run / VALIDATION).exists():
            best = max(read_jsonl(self.run / VALIDATION), key=lambda row: row["accuracy"])  # of equal ones the first
            self.wandb.summary.update({"best_step": best["step"], "best_accuracy": best["accuracy"]})
        records = wandb.Artifact(f"run-{self.wandb.id}", "run")
        for path in [self.run / name for name in RECORDS if (self.run / name).exists()]:
            records.add_file(str(path), policy="immutable")  # no copy outside the run folder
        self.wandb.log_artifact(records)
        self.wandb.log_artifact(self.artifact("weights", "model", self.run / "final"))
        self.wandb.finish()
