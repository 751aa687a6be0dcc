"""SRPO (role-aware; arXiv 2605.07274): weigh what a response sees by the picture, what it concludes by what it saw.

Only the abstract was at hand; what follows is our reading of it. For a response with a part that says what it sees,

    c_t = seen_t on tokens of that part       log p - log p behind a corrupted picture
          read_t on all others                log p - log p with that part left out of the response
    c   = c / std of c over the step, role by role (`scaled`)
    u_t = clip((c_t - mean_t c) / tau, -clip, clip),  w = exp(u) or 2 sigmoid(u), rescaled to mean 1 over the response

The mean over both roles is the paper's shared baseline: weights are positive, so no token's update changes its sign. A
response without the part has weights of 1. `reverse` takes -read_t, for a view that keeps what was seen and hides the
picture. The reading with another response's perception in its place is not built.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from data.parts import Part
from train.selection import FLAT, masked_mean
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Roles(Weight):
    """More on perception tokens that need the picture and on reasoning tokens that need the perception."""

    kind: Literal["roles"] = "roles"
    part: Part = setting("perception", "part of a response that says what it sees, see data/parts.py")
    seen: str = setting("k1@masked", "score of that part's tokens")
    read: str = setting("k1@unread", "score of the other tokens")
    reverse: bool = setting(False, "minus the score of the other tokens")
    scaled: bool = setting(True, "divide each role's scores by their standard deviation over the step")
    tau: float = setting(1.0, "temperature", bounds="(0, inf)")
    clip: float = setting(2.0, "bound on the exponent; 0 = weights of 1", bounds="[0, inf)")
    form: Literal["exp", "sigmoid"] = setting("exp", "from exponents to weights")

    def needs(self) -> set[str]:
        return {self.seen, self.read}

    def marks(self) -> set[str]:
        return {self.part}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T], mean 1 over each response."""
        valid_NT, seen_NT = table.mask_NT > 0, table.marks[self.part] > 0
        formed_N1 = (seen_NT & valid_NT).any(1, keepdim=True)
        read_NT = table.score(self.read) * (-1 if self.reverse else 1)
        score_NT = torch.where(seen_NT, table.score(self.seen), read_NT)
        if self.scaled:
            for role_NT in (seen_NT, ~seen_NT):
                own_NT = role_NT & valid_NT & formed_N1
                spread = score_NT[own_NT].std(correction=0) if own_NT.any() else score_NT.new_tensor(0.0)
                score_NT = torch.where(own_NT, score_NT / spread.clamp(min=FLAT), score_NT)
        gap_NT = score_NT - masked_mean(score_NT, table.mask_NT)[:, None]
        exponent_NT = (gap_NT / self.tau).clamp(-self.clip, self.clip)
        weight_NT = exponent_NT.exp() if self.form == "exp" else 2 * exponent_NT.sigmoid()
        weight_NT = weight_NT / masked_mean(weight_NT, table.mask_NT)[:, None].clamp(min=FLAT)
        return torch.where(formed_N1, weight_NT, 1.0)
