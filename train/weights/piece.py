"""What a weight piece is: settings with the scores it needs and one pure function from the step's table to W.

W is detached, at least 0, [N, T] or [N, 1], and multiplies the loss term that `on` names. Several pieces on one term
are multiplied. The denominator (losses.denominator) decides what the weighted sum is divided by.

`turn` moves any W around its mean over the step's tokens, w = max(0, mean + turn (W - mean)): 1 leaves it alone, 0
gives every token the mean, -1 gives most to the tokens that the method gives least. So a weight has a control of its
own mass, and a sign that can be turned (bench/engages.py), without a line in any piece.
"""

from dataclasses import dataclass

from common.lazy import Tensor
from configs import setting
from data.parts import Finder
from train.table.step_table import Table


@dataclass(frozen=True)
class Weight:
    """The base of all weight pieces."""

    on: str = setting("ppo", "loss term that the weight multiplies")
    turn: float = setting(
        1.0, "1 = as the method weighs, 0 = its mean on every token, -1 = mirrored there, at least 0", bounds="[-1, 1]"
    )

    def needs(self) -> set[str]:
        """Return the scores that it reads, by the names of train/table/columns.py."""
        return set()

    def needs_accuracy(self) -> bool:
        return False

    def marks(self) -> set[str]:
        """Return the spans of tokens that it reads (train/marks.py): those that it finds itself, unless it says."""
        return set(self.finds())

    def finds(self) -> dict[str, Finder]:
        """Return how marks of its own are found in a response's text, by their names.

        A mark may belong to several weights if they give the same function, so one of the module and no lambda.
        """
        return {}

    def needs_token_ids(self) -> bool:
        """Return whether it reads the table's token ids."""
        return False

    def terms(self) -> set[str]:
        """Return the reward terms that it reads."""
        return set()

    def weigh(self, table: Table) -> Tensor:
        """Return W for every row of the step."""
        raise NotImplementedError
