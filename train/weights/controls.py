"""Controls that a token-weighting method must beat: the same amount of weight in other places.

    random     1 on a random ceil(share T) tokens of each response, 0 elsewhere
    uniform    one number everywhere
    position   grows linearly along a response, from `first` at its first token to `last` at its last
    shuffled   a score's values moved among the tokens of each response, then the top share of them

Each draw depends on the run's seed, the step and the row's place in the step alone.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import top_tokens
from train.table.step_table import Table
from train.weights.piece import Weight


def drawn(table: Table) -> Tensor:
    """Return uniform random numbers [N, T] of the step."""
    generator = torch.Generator().manual_seed(table.seed)
    return torch.rand(table.mask_NT.shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class Random(Weight):
    """1 on a random share of each response's tokens, 0 elsewhere."""

    kind: Literal["random"] = "random"
    share: float = setting(0.4, "share of tokens that are kept, at least one", bounds="(0, 1]")

    def weigh(self, table: Table) -> Tensor:
        """Return 1 where a token is kept."""
        return top_tokens(drawn(table), table.mask_NT, self.share).to(table.advantage_NT.dtype)


@dataclass(frozen=True)
class Uniform(Weight):
    """One weight for every token: the mean weight of the method that it controls for."""

    kind: Literal["uniform"] = "uniform"
    weight: float = setting(0.4, "the weight", bounds="[0, inf)")

    def weigh(self, table: Table) -> Tensor:
        """Return the weight everywhere."""
        return torch.full_like(table.advantage_NT, self.weight)


@dataclass(frozen=True)
class Position(Weight):
    """A weight that depends on a token's place in its response alone."""

    kind: Literal["position"] = "position"
    first: float = setting(1.5, "weight of a response's first token", bounds="[0, inf)")
    last: float = setting(0.5, "weight of its last token", bounds="[0, inf)")

    def weigh(self, table: Table) -> Tensor:
        """Return the line from `first` to `last`."""
        place_NT = torch.arange(table.mask_NT.shape[1]) / (table.length_N[:, None] - 1).clamp(min=1)
        return (self.first + (self.last - self.first) * place_NT).clamp(min=0).to(table.advantage_NT.dtype)


@dataclass(frozen=True)
class Shuffled(Weight):
    """The top share of a score whose values were moved among the tokens of each response."""

    kind: Literal["shuffled"] = "shuffled"
    score: str = setting("k3@masked", "score whose values are moved")
    share: float = setting(0.4, "share of tokens that are kept, at least one", bounds="(0, 1]")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return 1 where a token got one of the highest values."""
        value_NT, order_NT = table.score(self.score), drawn(table).masked_fill(table.mask_NT <= 0, 2.0).argsort(1)
        moved_NT = torch.gather(value_NT, 1, order_NT)
        return top_tokens(moved_NT, table.mask_NT, self.share).to(table.advantage_NT.dtype)
