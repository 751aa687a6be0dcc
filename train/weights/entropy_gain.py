"""The perception mask of CPPO (arXiv 2601.00501): tokens whose entropy rises most when the picture loses information.

    dH = H(removing view) - H(clean);  among tokens with dH > 0, the highest half by dH / (H(removing) + 1e-6)
    W = 1 on them in responses of positive advantage, 0 elsewhere

`count`: of a response's n tokens AReaL's trainer keeps ceil(share n), ties in token order; the verl recipe keeps
max(1, floor(share n)), and every token that ties with the last of them.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class EntropyGain(Weight):
    """1 on tokens that grow unsure without the picture, in responses better than their group."""

    kind: Literal["entropy_gain"] = "entropy_gain"
    on: str = setting("contrast", "loss term that the weight multiplies")
    view: str = setting("remove", "view that takes information away")
    share: float = setting(0.5, "share of the tokens of rising entropy that are kept", bounds="(0, 1]")
    count: Literal["ceil", "floor"] = setting("ceil", "how the share is rounded")

    def needs(self) -> set[str]:
        return {"entropy", f"entropy@{self.view}"}

    def weigh(self, table: Table) -> Tensor:
        """Return the mask [N, T]."""
        gain_NT = table.score(f"entropy_gap@{self.view}")
        ratio_NT = gain_NT / (table.score(f"entropy@{self.view}") + 1e-6)
        good_NT = (table.mask_NT > 0) & (table.advantage_NT > 0)
        weight_NT = torch.zeros_like(table.advantage_NT)
        for n in range(len(weight_NT)):
            rising = ((gain_NT[n] > 0) & good_NT[n]).nonzero()[:, 0]
            size = self.share * len(rising)
            kept = ceil(size - 1e-6) if self.count == "ceil" else max(1, int(size + 1e-6))
            ranked, order = ratio_NT[n, rising].sort(descending=True, stable=True)
            if self.count == "floor" and len(rising):
                kept = int((ranked >= ranked[kept - 1]).sum())
            weight_NT[n, rising[order[:kept]]] = 1.0
        return weight_NT
