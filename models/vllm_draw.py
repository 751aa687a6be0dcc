"""The draw of `models.sampling` inside vLLM, so that both engines pick the same token from the same logits.

vLLM's own random numbers depend on the platform, its log-probs at other temperatures come after top-p, and a generator
per request costs a kernel launch per row. Here vLLM is left with one token per row and its greedy choice.
Only `models.vllm_engine` imports this module, once vLLM's environment is set.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates

from models.sampling import chance, draw_tokens
from models.settings import SamplingSettings

KEY = "percept_row"  # where a request's sampling parameters say which row of the sheet it is


@dataclass
class SamplingPlan:
    """What one call of `sample` asks for, and the log-probs found so far."""

    settings: SamplingSettings = field(default_factory=SamplingSettings)
    seed: int = 0
    forbidden_ids: list[int] = field(default_factory=list)
    names: list[tuple[str, int]] = field(default_factory=list)  # sample id and k of every row so far
    found: list[tuple[list[int], list[int], Tensor]] = field(default_factory=list)  # rows, steps, log-probs
    known: dict[int, dict[int, float]] = field(default_factory=dict)  # row -> step -> log-prob

    def take(self, row: int) -> dict[int, float]:
        """Return a row's log-prob at each step, once it has ended.

        Where a step was drawn twice (a prompt in pieces, a preempted request) the last one counts.
        """
        for rows, steps, logprobs in self.found:
            for one, step, logprob in zip(rows, steps, logprobs.tolist(), strict=True):
                self.known.setdefault(one, {})[step] = logprob
        self.found.clear()
        return self.known.pop(row)


@dataclass(frozen=True)
class Drawing:
    """A request in vLLM's batch; vLLM itself appends to `tokens`."""

    row: int
    numbers_T: np.ndarray
    tokens: list[int]


class SamplingPlanDraw(LogitsProcessor):
    """Draws for all requests of a step at once; `sheet` is set by the subclass of each engine."""

    sheet: SamplingPlan

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self.active: dict[int, Drawing] = {}  # by place in the batch

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        process_dict_updates(self.active, batch_update, self.begin)

    def begin(self, params: Any, prompt_ids: list[int] | None, tokens: list[int]) -> Drawing:
        row = params.extra_args[KEY]
        sample_id, k = self.sheet.names[row]
        return Drawing(row, chance(self.sheet.seed, sample_id, k, self.sheet.settings.max_new_tokens), tokens)

    def apply(self, logits: Tensor) -> Tensor:
        drawings = [self.active[place] for place in range(len(logits))]
        steps = [len(drawing.tokens) for drawing in drawings]
        numbers = [drawing.numbers_T[step] for drawing, step in zip(drawings, steps, strict=True)]
        numbers_N1 = torch.tensor(np.array(numbers), device=logits.device)[:, None]
        chosen_N1, logprobs_N = draw_tokens(logits, numbers_N1, self.sheet.settings, self.sheet.forbidden_ids)
        self.sheet.found.append(([drawing.row for drawing in drawings], steps, logprobs_N))
        return logits.fill_(-torch.inf).scatter_(-1, chosen_N1, 0.0)


def processor_for(sheet_owner: Any) -> type[SamplingPlanDraw]:
    """Return a processor class that reads the sheet its engine has at the moment."""
    return type("EngineDraw", (SamplingPlanDraw,), {"sheet": property(lambda self: sheet_owner.sheet)})
