"""Keep the tokens of highest score, drop the others: W = 1 on ceil(share T) tokens of a response, else 0.

VPPO (arXiv 2510.09285, section 4.2): the 40 % of tokens with the highest k3 between the real and the masked picture.
80/20 (arXiv 2506.01939): the 20 % of highest entropy over the batch (`over: step`). With `on: perception_kl` it is the
token mask of PAPO's released code. The dropped tokens stay in the denominator unless losses.denominator is `selected`.
Ties go to the earlier token; torch.sort in VPPO's released code leaves them open.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor
from configs import setting
from train.selection import top_overall, top_tokens
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Top(Weight):
    """1 on the share of tokens with the highest score, 0 elsewhere."""

    kind: Literal["top"] = "top"
    score: str = setting("k3@masked", "score that ranks tokens, see train/table/columns.py")
    share: float = setting(0.4, "share of tokens that are kept, at least one", bounds="(0, 1]")
    over: Literal["response", "step"] = setting("response", "rank within each response or over the whole step")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return 1 where a token is kept."""
        choose = top_tokens if self.over == "response" else top_overall
        return choose(table.score(self.score), table.mask_NT, self.share).to(table.advantage_NT.dtype)
