"""What a run leaves behind: metrics.jsonl (repeatable numbers), timing.jsonl (seconds), rollouts and W&B.

Metric names are those of the field's trainers, the same for every method. Numbers that depend on the clock live in a
file of their own, so that a resumed run's metrics.jsonl is identical to that of a run that was never stopped.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from configs import atomic_write_text, read_jsonl, to_dict, write_jsonl
from models.response import Response
from train.rollout import Experience
from train.settings import TrainSettings


def experience_metrics(experience: Experience) -> dict[str, float]:
    """Rewards, lengths and cut responses of one step."""
    rewards, responses = experience.reward_N, experience.responses
    lengths = torch.tensor([len(response.token_ids) for response in responses], dtype=torch.float32)
    cut = sum(response.finish_reason == "length" for response in responses)
    group_means = [rewards[experience.group_N == g] for g in experience.group_N.unique()]
    metrics = {
        "critic/rewards/mean": rewards.mean().item(),
        "critic/rewards/max": rewards.max().item(),
        "critic/rewards/min": rewards.min().item(),
        "critic/groups_without_signal": sum(bool(g.max() == g.min()) for g in group_means) / len(group_means),
        "response_length/mean": lengths.mean().item(),
        "response_length/clip_ratio": cut / len(responses),
        "prompt_length/left_out": float(experience.left_out),
    }
    return metrics | {f"reward/{name}": value.mean().item() for name, value in experience.reward_terms.items()}


def engine_gap(responses: list[Response], trainer_rows: list[torch.Tensor]) -> float:
    """Largest difference between the sampler's and the trainer's log-prob of the same token."""
    gaps = [
        (torch.tensor(r.logprobs) - row).abs().max().item() for r, row in zip(responses, trainer_rows, strict=True)
    ]
    return max(gaps)


class Tracker:
    """Writes metrics to files and to W&B; on resume it drops the rows after the checkpoint."""

    def __init__(self, run: Path, settings: TrainSettings, start: int):
        self.run, self.settings = run, settings
        for name in ("metrics.jsonl", "timing.jsonl"):
            rows = [row for row in read_jsonl(run / name) if row["step"] <= start] if (run / name).exists() else []
            write_jsonl(run / name, rows)
        self.wandb = self.start_wandb() if settings.keep.wandb != "disabled" else None

    def start_wandb(self) -> Any:
        """One W&B run per run folder, found again by its id after a stop."""
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.pop("WANDB_SERVICE", None)  # a parent's W&B service may still hold the run of a killed process
        import wandb

        identity = hashlib.sha256(str(self.run.resolve()).encode()).hexdigest()[:16]
        return wandb.init(
            project="percept", id=identity, resume="allow", mode=self.settings.keep.wandb, dir=str(self.run),
            name=f"{self.settings.scale}/{self.settings.method}/seed{self.settings.seed}",
            config=to_dict(self.settings), settings=wandb.Settings(console="off", x_disable_stats=True),
        )  # fmt: skip

    def log(self, step: int, metrics: dict[str, float], timing: dict[str, float]) -> None:
        """One row per step in each file."""
        for name, values in (("metrics.jsonl", metrics), ("timing.jsonl", timing)):
            with open(self.run / name, "a") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
        if self.wandb:
            self.wandb.log({**metrics, **timing}, step=step)

    def keep_rollouts(self, step: int, experience: Experience) -> None:
        every = self.settings.keep.rollouts_every
        if every and (step % every == 0 or step == 1):
            write_jsonl(self.run / "rollouts" / f"step_{step:06d}.jsonl", experience.rows())

    def finish(self, summary: dict[str, Any]) -> None:
        atomic_write_text(self.run / "finished.json", json.dumps(summary, indent=2) + "\n")
        if self.wandb:
            self.wandb.finish()
