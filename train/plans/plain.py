"""One question, one group of answers. With a view other than clean this is blind training (SeePhys Pro's control)."""

import random
from dataclasses import dataclass
from typing import Literal

from configs import setting
from data import Sample
from train.asks.ask import Ask
from train.plans.piece import Asking, Plan
from train.table.columns import CLEAN


@dataclass(frozen=True)
class Plain(Plan):
    """Every problem is answered `rollouts.group` times."""

    kind: Literal["plain"] = "plain"
    view: str = setting(CLEAN, "what the policy sees while it samples and learns; a name under `views`, or clean")

    def views(self) -> set[str]:
        return {self.view} - {CLEAN}

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask once."""
        yield [Ask(count=group, view=self.view)]
        return None
