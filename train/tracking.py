"""Write what a run leaves behind: metrics.jsonl (repeatable numbers), timing.jsonl (seconds), rollouts and W&B.

Metric names are those of the field's trainers, the same for every method. Numbers that depend on the clock live in a
file of their own, so that a resumed run's metrics.jsonl is identical to that of a run that was never stopped.
"""

import json
import math
import resource
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from common import atomic_write_text, read_jsonl, write_jsonl
from configs.layout import rollouts_file
from models.judged import judged_frame, write_judged
from models.response import Response
from train.board import Board
from train.collapse import signals
from train.distributed import Ranks
from train.experience import Experience, Rows
from train.scoring.step import Step
from train.settings import TrainSettings
from train.table.columns import POLICY

METRICS = "metrics.jsonl"
JUDGED = ("all_right", "all_wrong", "surplus")  # reasons to discard a problem whose answers were judged
DISCARDED = (*JUDGED, "too_long", "unusable", "unjudged", "gated")


def experience_metrics(experience: Experience) -> dict[str, float]:
    """Return rewards, lengths and cut responses of one step, and what was discarded and why."""
    rewards, responses = experience.reward_N, experience.responses
    lengths = torch.tensor([len(response.token_ids) for response in responses], dtype=torch.float32)
    cut = sum(response.finish_reason == "length" for response in responses)
    groups = [rewards[experience.group_N == g] for g in experience.group_N.unique()]
    why = Counter(discarded.why for discarded in experience.discarded)
    judged = [t.accuracy for t in experience.discarded if t.why in JUDGED]
    kept = experience.mean_of_prompts(experience.accuracy_N)
    metrics = {
        "critic/rewards/mean": rewards.mean().item(),
        "critic/rewards/max": rewards.max().item(),
        "critic/rewards/min": rewards.min().item(),
        "critic/groups_without_signal": sum(bool(g.max() == g.min()) for g in groups) / len(groups),
        "response_length/mean": lengths.mean().item(),
        "response_length/max": lengths.max().item(),
        "response_length/min": lengths.min().item(),
        "response_length/clip_ratio": cut / len(responses),
        "filter/generated": float(experience.generated),
        "filter/rounds": float(experience.rounds),
        "filter/accuracy_all": sum(judged + kept) / len(judged + kept),
        **{f"filter/{name}": float(why[name]) for name in DISCARDED},
    }
    return metrics | reward_metrics(experience)


def reward_metrics(experience: Experience) -> dict[str, float]:
    """Return the mean of every reward term, and by data source where there are several."""
    terms = experience.reward_terms
    found = {f"reward/{name}": value.mean().item() for name, value in terms.items()}
    sources = [block.sample.source for block in experience.blocks for _ in block.rows]
    for source in sorted(set(sources)) if len(set(sources)) > 1 else ():
        own_N = torch.tensor([one == source for one in sources])
        found |= {f"reward/{name}/{source}": value[own_N].mean().item() for name, value in terms.items()}
    return found


def engine_gap(responses: list[Response], old: Rows, ranks: Ranks) -> dict[str, float]:
    """Difference per token between the sampler's and the trainer's log-prob: mean and largest."""
    gaps = [(torch.tensor(responses[n].logprobs) - row).abs() for n, row in old.items()]
    found = ranks.gather([(sum(g.sum().item() for g in gaps), sum(map(len, gaps)), max(g.max().item() for g in gaps))])
    total, count, largest = sum(f[0] for f in found), sum(f[1] for f in found), max(f[2] for f in found)
    return {"rollout/engine_gap": largest, "rollout/engine_gap_mean": total / count}


def rollout_frame(experience: Experience, step: int, advantage_NT: torch.Tensor) -> pd.DataFrame:
    """Return the record of a step's responses with rewards and advantages (docs/record.md), a row per response."""
    lengths = [len(response.token_ids) for response in experience.responses]
    means = [
        row[:length].mean().item() if length else math.nan for row, length in zip(advantage_NT, lengths, strict=True)
    ]
    return judged_frame(
        [block.sample for block in experience.blocks],
        experience.responses,
        experience.verdicts,
        step=step,
        reward=experience.reward_N.tolist(),
        **{f"reward_{name}": value_N.tolist() for name, value_N in experience.reward_terms.items()},
        advantage=means,
        logprobs=[response.logprobs for response in experience.responses],
    )


def write_rollouts(run: Path, experience: Experience, step: int, advantage_NT: torch.Tensor) -> None:
    """Write a step's record, and beside it what was asked and judged but is not trained on (checklists, readings)."""
    path = rollouts_file(run, step)
    write_judged(rollout_frame(experience, step, advantage_NT), path)
    if experience.extra_rows:
        write_jsonl(path.with_suffix(".extra.jsonl"), experience.extra_rows)


class Tracker:
    """Writes metrics to files and to W&B; on resume it drops the rows after the checkpoint."""

    def __init__(self, run: Path, settings: TrainSettings, start: int):
        self.run, self.settings = run, settings
        for name in ("timing.jsonl", "filtered.jsonl"):
            self.cut(name, start)
        self.rows = self.cut(METRICS, start)
        self.board = Board(run, settings) if settings.keep.wandb != "disabled" else None

    def cut(self, name: str, last: int) -> list[dict]:
        """Drop a file's rows after a step; what is left."""
        path = self.run / name
        rows = [row for row in read_jsonl(path) if row["step"] <= last] if path.exists() else []
        write_jsonl(path, rows)
        return rows

    def log(self, step: int, metrics: dict[str, float], timing: dict[str, float], tokens: int) -> None:
        """Append one row per step to each file."""
        metrics |= signals([*self.rows, metrics])
        seconds = timing["timing_s/step"]
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        timing |= {
            "perf/total_num_tokens": tokens,
            "perf/throughput": tokens / seconds,
            "perf/time_per_step": seconds,
            "perf/max_memory_gb": peak_kib / 2**20,
        }
        if torch.cuda.is_available():
            timing["perf/max_gpu_memory_gb"] = torch.cuda.max_memory_allocated() / 2**30
        self.rows.append({"step": step, **metrics})
        self.append(METRICS, [self.rows[-1]])
        self.append("timing.jsonl", [{"step": step, **timing}])
        if self.board:
            self.board.log(step, {**metrics, **timing})

    def append(self, name: str, rows: list[dict]) -> None:
        with open(self.run / name, "a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def keep_rollouts(self, step: Step) -> None:
        """Write what the filter discarded, every step; the responses and their pictures now and then."""
        number, experience = step.number, step.experience
        self.append("filtered.jsonl", [{"step": number, **vars(discarded)} for discarded in experience.discarded])
        every = self.settings.keep.rollouts_every
        if every and (number % every == 0 or number == 1):
            write_rollouts(self.run, experience, number, step.weighed.table.advantage_NT)
            if self.board:
                self.board.show(number, experience, step.prompts[POLICY])

    def validated(self, row: Mapping[str, float]) -> None:
        """Send a row of validation.jsonl to W&B."""
        if self.board:
            values = {f"validation/{name}": value for name, value in row.items() if name.startswith("accuracy")}
            self.board.log(int(row["step"]), values)

    def collapsed(self) -> bool:
        """Return whether the last step was the first of a collapse; W&B sends an alert then."""
        last = self.rows[-1]
        begun = [row["step"] for row in self.rows if row.get("collapse/onset")]
        new = begun[:1] == [last["step"]]
        if new and self.board:
            self.board.alert(last["step"], last["critic/rewards/mean"])
        return new

    def finish(self, summary: dict[str, Any]) -> None:
        atomic_write_text(self.run / "finished.json", json.dumps(summary, indent=2) + "\n")
        if self.board:
            self.board.finish(summary)
