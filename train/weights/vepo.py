"""Keep tokens that both the picture and uncertainty single out (VEPO, arXiv 2606.03937, formula D of its code).

    j, h, d = min-max within the response of: Jensen-Shannon divergence between the clean and the noisy view, entropy,
              abs(entropy on the noisy view - entropy);   s = (1 - (1 - j)^a (1 - d)^(1 - a)) h
    W = 1 on the ceil(share T) tokens of highest s;  losses.denominator=selected averages over them

The noisy view adds Gaussian noise to the picture's features. In the released code the noise of the G responses of a
prompt adds up in one shared dictionary; here each draw is its own. Of its eight scores this is the default.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor
from configs import setting
from train.selection import min_max, top_tokens
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Vepo(Weight):
    """1 on the tokens of highest visual and entropy score, 0 elsewhere."""

    kind: Literal["vepo"] = "vepo"
    view: str = setting("noisy", "view with noise on the picture's features")
    share: float = setting(0.2, "share of a response's tokens that are kept, at least one", bounds="(0, 1]")
    mix: float = setting(0.7, "a: exponent of the divergence against that of the entropy's change", bounds="[0, 1]")

    def needs(self) -> set[str]:
        return {f"js@{self.view}", "entropy", f"entropy@{self.view}"}

    def weigh(self, table: Table) -> Tensor:
        """Return the kept tokens [N, T]."""
        change_NT = table.score(f"entropy_gap@{self.view}").abs()
        scores = (table.score(f"js@{self.view}"), table.score("entropy"), change_NT)
        divergence, entropy, change = (min_max(score, table.mask_NT) for score in scores)
        visual_NT = 1 - (1 - divergence) ** self.mix * (1 - change) ** (1 - self.mix)
        return top_tokens(visual_NT * entropy, table.mask_NT, self.share).to(table.advantage_NT.dtype)
