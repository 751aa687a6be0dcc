"""Fine-R1's intra-class augmentation (arXiv 2602.07605): answers on the picture and on another of the same class.

n1 answers to the sample's own picture and n2 to its positive make up one group: they share mean, std and the filter.
In the authors' code an answer learns behind the picture that it was sampled on (`train_on: own`), so a problem has two
blocks; the paper's text conditions the update on the anchor alone (`anchor`, as NoisyRollout does). The view shows the
positive: kind `unchanged` with source `column:positive`.
"""

import random
from dataclasses import dataclass
from typing import Literal

from configs import setting
from data import Sample
from train.plans.piece import Asking, Plan, on_two_pictures
from train.table.columns import CLEAN


@dataclass(frozen=True)
class Triplet(Plan):
    """A share of the answers is sampled on another picture with the same answer."""

    kind: Literal["triplet"] = "triplet"
    view: str = setting("positive", "the other picture, a name under `views`")
    share: float = setting(0.5, "share of rollouts.group that is sampled on it; Fine-R1: 5 of 10", bounds="[0, 1]")
    train_on: Literal["own", "anchor"] = setting("own", "learn behind the picture sampled on, or the sample's own")

    def views(self) -> set[str]:
        return {self.view}

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask on both pictures in one stage."""
        yield on_two_pictures(group, self.share, self.view, "own" if self.train_on == "own" else CLEAN)
        return None
