"""NoisyRollout (arXiv 2504.13055): some of a problem's answers are sampled on a noisy picture, all learn on the clean.

One group of answers, one block: log-probs of all rows are those behind the clean picture, without correction for the
sampler's other picture, as in the authors' code. The view decides how the noise decays (kind vp_noise).
"""

import random
from dataclasses import dataclass
from typing import Literal

from configs import setting
from data import Sample
from train.plans.piece import Asking, Plan, on_two_pictures
from train.table.columns import CLEAN


@dataclass(frozen=True)
class Noisy(Plan):
    """A share of the answers is sampled behind a view and learns on the clean picture."""

    kind: Literal["noisy"] = "noisy"
    view: str = setting("noisy", "the noisy picture, a name under `views`")
    share: float = setting(
        0.5, "share of rollouts.group that is sampled behind it; NoisyRollout: 6 of 12", bounds="[0, 1]"
    )

    def views(self) -> set[str]:
        return {self.view}

    def asks(self, sample: Sample, group: int, progress: float, chance: random.Random) -> Asking:
        """Ask on both pictures in one stage."""
        yield on_two_pictures(group, self.share, self.view, CLEAN)
        return None
