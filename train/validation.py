"""Accuracy on held-out problems while a run learns: before its first step and every few steps, with one set of draws.

All weights answer the same problems with the same random numbers, so successive values differ by what was learnt and
little else. Rows go to validation.jsonl (repeatable, as metrics.jsonl is); the weights of the best step lie in `best`.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import UserError, atomic_write_text, read_jsonl, write_jsonl
from data.sources import Samples
from data.views import View
from models.encode import Encoded
from models.engine import Engine
from models.loader import VisionLanguageModel
from models.weights import Gather
from train.distributed import Ranks
from train.settings import TrainSettings
from train.usable import usable_samples
from verify.samples import grade_sample

ROWS, BEST = "validation.jsonl", "best"


def mean_of(shares: Mapping[str, list[float]]) -> float:
    """Return the mean over all problems."""
    return sum(map(sum, shares.values())) / sum(map(len, shares.values()))


@dataclass
class Validation:
    """Asks the policy about held-out problems, and keeps the best weights."""

    run: Path
    settings: TrainSettings
    ranks: Ranks
    model: VisionLanguageModel
    engine: Engine
    gather: Gather | None
    told: Callable[[Mapping[str, float]], None] | None = None  # takes every new row; of the main rank

    def __post_init__(self) -> None:
        asked = self.settings.validate
        assert asked is not None
        self.every, self.k = asked.every, asked.k
        self.asked = usable_samples(self.model, Samples(asked.data, 0), asked.items)
        if len(self.asked) < self.ranks.size:
            raise UserError(
                f"validate has {len(self.asked)} problems that fit for {self.ranks.size} ranks; raise items"
            )

        self.corrupted = self.behind(self.settings.views[asked.view]) if asked.view else []

    def behind(self, view: View) -> list[Encoded]:
        """Return the problems' prompts behind a corrupted view, drawn once for all steps."""
        return [self.model.encoder.encode(sample, view, self.settings.seed) for sample, _ in self.asked]

    def from_step(self, step: int) -> None:
        """Drop what a stopped run measured after its checkpoint, and measure the start of a new one."""
        path = self.run / ROWS
        if self.ranks.main:
            rows = read_jsonl(path) if path.exists() and step else []
            write_jsonl(path, [row for row in rows if row["step"] <= step])
        self.ranks.wait()
        if step == 0:
            self.after(0)

    def after(self, step: int) -> None:
        """Measure and write, where this step is one of those."""
        if step % self.every:
            return
        right = self.shares([prompt for _, prompt in self.asked])
        accuracy = mean_of(right)
        row = {"step": step, "accuracy": accuracy, "items": len(self.asked), "k": self.k}
        row |= {f"accuracy/{column}": sum(shares) / len(shares) for column, shares in sorted(right.items())}
        if self.corrupted:
            row["accuracy_corrupted"] = mean_of(self.shares(self.corrupted))
        best = self.best_before(step)
        if self.ranks.main:
            with open(self.run / ROWS, "a") as file:
                file.write(json.dumps(row) + "\n")
            if self.told:
                self.told(row)
        self.ranks.wait()
        if best is None or accuracy > best:
            self.model.save(self.run / BEST, gather=self.gather, writes=self.ranks.main)
            if self.ranks.main:
                record = {"step": step, "accuracy": accuracy}
                atomic_write_text(self.run / BEST / "validation.json", json.dumps(record) + "\n")
            self.ranks.wait()

    def best_before(self, step: int) -> float | None:
        """Return the best accuracy of earlier steps; read before this step's row is written."""
        path = self.run / ROWS
        rows = [row["accuracy"] for row in read_jsonl(path) if row["step"] < step] if path.exists() else []
        found = max(rows, default=None)
        self.ranks.wait()
        return found

    def shares(self, asked: Sequence[Encoded]) -> dict[str, list[float]]:
        """Return the share of right answers to every problem's prompt, by column, equal on all ranks."""
        mine = self.ranks.mine(range(len(self.asked)))
        prompts = [asked[number] for number in mine]
        responses = self.engine.sample(prompts, self.k, self.settings.rollouts.sampling, self.settings.seed)
        found = []
        for place, number in enumerate(mine):
            sample = self.asked[number][0]
            texts = [one.text for one in responses[place * self.k : (place + 1) * self.k]]
            right = [grade_sample(sample, text, self.settings.grader).correct for text in texts]
            found.append((number, sample.tags.get("column", sample.source), sum(right) / self.k))
        by_column: dict[str, list[float]] = defaultdict(list)
        for _, column, share in sorted(self.ranks.gather(found)):
            by_column[column].append(share)
        return by_column
