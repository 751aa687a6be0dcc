"""Sampling with transformers' own `generate`; the log-prob of every sampled token is recorded on the way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from models.encode import Encoded, batch_vision
from models.response import Response
from models.settings import SamplingSettings

if TYPE_CHECKING:
    from models.loader import VisionLanguageModel


class LogprobRecorder(LogitsProcessor):
    """Keeps the log-prob of each token once it is known, one step late; never holds more than one step of logits."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature or 1.0  # transformers divides by it after custom processors have run
        self.columns: list[Tensor] = []
        self.pending_NV: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.collect(input_ids)
        self.pending_NV = (scores.float() / self.temperature).log_softmax(-1)
        return scores

    def collect(self, ids_NL: Tensor) -> None:
        if self.pending_NV is not None:
            self.columns.append(self.pending_NV.gather(-1, ids_NL[:, -1:])[:, 0])


def left_padded(prompts: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """Prompts of different lengths as one batch that ends flush on the right."""
    length = max(len(prompt.ids) for prompt in prompts)
    ids_BL = torch.full((len(prompts), length), pad_id, dtype=torch.long)
    mask_BL, kinds_BL = torch.zeros_like(ids_BL), torch.zeros_like(ids_BL)
    for b, prompt in enumerate(prompts):
        start = length - len(prompt.ids)
        ids_BL[b, start:], mask_BL[b, start:], kinds_BL[b, start:] = prompt.ids, 1, prompt.token_kinds
    return {"input_ids": ids_BL, "attention_mask": mask_BL, "mm_token_type_ids": kinds_BL}


def generation_config(settings: SamplingSettings, model: "VisionLanguageModel", count: int) -> GenerationConfig:
    """Every setting that changes the distribution is written out."""
    greedy = settings.temperature == 0
    return GenerationConfig(
        do_sample=not greedy, temperature=None if greedy else settings.temperature,
        top_p=None if greedy else settings.top_p, top_k=None if greedy else settings.top_k, min_p=None,
        typical_p=None, repetition_penalty=1.0, max_new_tokens=settings.max_new_tokens,
        eos_token_id=model.eos_ids, pad_token_id=model.pad_id, suppress_tokens=model.forbidden_ids, use_cache=True,
        num_return_sequences=count,
    )  # fmt: skip


@torch.no_grad()
def sample_batch(
    model: "VisionLanguageModel",
    prompts: Sequence[Encoded],
    count: int,
    settings: SamplingSettings,
    seed: int,
    view: str,
    first_k: int = 0,
) -> list[Response]:
    """`count` responses to each prompt of one batch, prompt by prompt."""
    torch.manual_seed(seed)
    module, tokenizer = model.module, model.tokenizer
    inputs = left_padded(prompts, model.pad_id)
    if not model.uses_token_kinds:
        inputs.pop("mm_token_type_ids")
    inputs |= batch_vision(prompts)
    inputs = {name: value.to(module.device) for name, value in inputs.items()}
    recorder = LogprobRecorder(settings.temperature)
    was_training = module.training
    module.eval()
    ids_NL = module.generate(
        **inputs, generation_config=generation_config(settings, model, count),
        logits_processor=LogitsProcessorList([recorder]),
    )  # fmt: skip
    module.train(was_training)
    recorder.collect(ids_NL)
    new_NT = ids_NL[:, inputs["input_ids"].shape[1] :].cpu()
    logprobs_NT = torch.stack(recorder.columns, dim=1).cpu()
    responses = []
    for n, (row, logprobs) in enumerate(zip(new_NT.tolist(), logprobs_NT.tolist(), strict=True)):
        end = next((i + 1 for i, token in enumerate(row) if token in model.eos_ids), len(row))
        stopped = row[end - 1] in model.eos_ids
        responses.append(
            Response(
                prompts[n // count].sample_id, first_k + n % count, view,
                tokenizer.decode(row[:end], skip_special_tokens=True), row[:end], logprobs[:end],
                "stop" if stopped else "length",
            )
        )  # fmt: skip
    return responses
