"""One step's experience as plain data: problems, blocks of rows trained behind one prompt, rewards.

A row is one response that is trained on. Rows of one *block* share a trained prompt and pass the model behind it
together; rows of one *group* are compared with each other for the advantage; all blocks of one *prompt* (one problem
of the data) go through mini-batches, micro-batches and ranks together. Rows of a block are neighbours.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from data import Sample
from models.encode import Encoded
from models.response import Response
from train.asks.ask import ANSWER
from train.table.columns import CLEAN
from verify import Verdict

Rows = dict[int, Tensor]  # number of the row -> its values [T]
FixedScores = dict[str, Rows]  # by score name, this rank's rows


@dataclass(frozen=True, kw_only=True)
class Discarded:
    """A prompt that was sampled and is not learnt from."""

    sample_id: str
    accuracy: float
    why: str  # all_right, all_wrong, too_long, unusable, unjudged, gated or surplus


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that are trained behind one prompt."""

    sample: Sample  # question and pictures as trained on
    prompt: int  # number of the problem within the step
    rows: range
    prompt_tokens: int
    role: str = ANSWER
    view: str = CLEAN  # what the policy is scored behind
    responses: tuple[Response, ...] = ()

    @property
    def token_ids(self) -> list[list[int]]:
        return [response.token_ids for response in self.responses]

    @property
    def tokens(self) -> int:
        """Length of the block's packed row."""
        return self.prompt_tokens + sum(map(len, self.token_ids))


@dataclass(frozen=True, kw_only=True)
class Experience:
    """G problems, their blocks and N rows, the same on every rank."""

    samples: list[Sample]  # G problems
    blocks: list[Block]  # in the order of their rows
    verdicts: list[Verdict]  # N
    reward_terms: dict[str, Tensor]  # [N] each, 0 where a term does not act on a row's role
    reward_N: Tensor
    accuracy_N: Tensor
    group_N: Tensor
    role_coef: dict[str, float]  # coefficient of each role's branch of the loss
    discarded: list[Discarded]
    generated: int  # prompts sampled to fill the step
    rounds: int
    position: int  # where the next step's data begin
    extra_rows: list[dict[str, Any]] = field(default_factory=list)  # sampled and not trained on, for the record
    encoded: dict[str, Encoded] = field(
        default_factory=dict
    )  # clean prompts by sample id, as far as this rank has them

    @cached_property
    def responses(self) -> list[Response]:
        return [response for block in self.blocks for response in block.responses]

    @cached_property
    def prompt_N(self) -> Tensor:
        return torch.tensor([block.prompt for block in self.blocks for _ in block.rows])

    @cached_property
    def roles(self) -> list[str]:
        """Return the answer's role and the others that occur."""
        return sorted({ANSWER, *(block.role for block in self.blocks)}, key=lambda role: (role != ANSWER, role))

    @cached_property
    def role_N(self) -> Tensor:
        """Return each row's position in `roles`."""
        return torch.tensor([self.roles.index(block.role) for block in self.blocks for _ in block.rows])

    @cached_property
    def blocks_of_prompt(self) -> list[list[int]]:
        """Return the numbers of the blocks of each problem."""
        found: list[list[int]] = [[] for _ in self.samples]
        for number, block in enumerate(self.blocks):
            found[block.prompt].append(number)
        return found

    def rows_of_prompt(self, prompt: int) -> list[int]:
        return [row for number in self.blocks_of_prompt[prompt] for row in self.blocks[number].rows]

    def mean_of_prompts(self, values_N: Tensor) -> list[float]:
        """Return the mean over each problem's answer rows, for problems that have any."""
        answers_N = self.role_N == 0
        found = [values_N[answers_N & (self.prompt_N == g)] for g in range(len(self.samples))]
        return [own.mean().item() for own in found if len(own)]
