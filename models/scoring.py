"""Log-probs of given responses under a prompt and its picture, on response positions only.

Two ways with equal results (tests/models/test_scoring.py): `plain` runs one row per response; `shared` runs a group's
prompt and picture once and lets all responses of the group look at it. Shapes: N responses, T longest response,
K all response tokens in a row, V vocabulary, D hidden width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from models.encode import Encoded, batch_vision
from models.packing import PackedRow, pack

if TYPE_CHECKING:
    from models.loader import VisionLanguageModel

CHUNK_TOKENS = 2048  # response tokens whose logits exist at the same time


@dataclass(frozen=True)
class Group:
    """Responses to one prompt."""

    prompt: Encoded
    responses: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Scores:
    """Padded on the right with zeros; rows in the order of the groups and of the responses in them."""

    logprobs_NT: Tensor
    entropy_NT: Tensor | None
    mask_NT: Tensor


def token_statistics(
    hidden_KD: Tensor, head: torch.nn.Module, targets_K: Tensor, temperature: float, entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-prob of each target and, on demand, the entropy over the whole vocabulary, without keeping the logits."""

    def one_chunk(hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logprobs_V = (head(hidden).float() / temperature).log_softmax(-1)
        chosen = logprobs_V.gather(-1, targets[:, None])[:, 0]
        spread = -(logprobs_V.exp() * logprobs_V).sum(-1) if entropy else torch.zeros_like(chosen)
        return chosen, spread

    parts = []
    for start in range(0, len(targets_K), CHUNK_TOKENS):
        piece = slice(start, start + CHUNK_TOKENS)
        if torch.is_grad_enabled() and len(targets_K) > CHUNK_TOKENS:
            parts.append(checkpoint(one_chunk, hidden_KD[piece], targets_K[piece], use_reentrant=False))
        else:
            parts.append(one_chunk(hidden_KD[piece], targets_K[piece]))
    chosen_K, entropy_K = (torch.cat(column) for column in zip(*parts, strict=True))
    return chosen_K, entropy_K if entropy else None


def unflatten(values_K: Tensor, lengths: Sequence[int]) -> Tensor:
    """Values of all response tokens in a row -> one padded row per response."""
    return torch.nn.utils.rnn.pad_sequence(list(values_K.split(list(lengths))), batch_first=True)


def plain_hidden(model: "VisionLanguageModel", groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
    """One row per response, each with its own copy of prompt and picture."""
    rows = [(group.prompt, list(ids)) for group in groups for ids in group.responses]
    length = max(len(prompt.ids) + len(ids) for prompt, ids in rows)
    ids_NL = torch.full((len(rows), length), model.pad_id, dtype=torch.long)
    mask_NL, kinds_NL = torch.zeros_like(ids_NL), torch.zeros_like(ids_NL)
    query_NL = torch.zeros(ids_NL.shape, dtype=torch.bool)
    for n, (prompt, ids) in enumerate(rows):
        start, end = len(prompt.ids), len(prompt.ids) + len(ids)
        ids_NL[n, :end] = torch.cat([prompt.ids, torch.tensor(ids)])
        mask_NL[n, :end], kinds_NL[n, :start] = 1, prompt.token_kinds
        query_NL[n, start - 1 : end - 1] = True
    inputs = {"input_ids": ids_NL, "attention_mask": mask_NL}
    if model.uses_token_kinds:
        inputs["mm_token_type_ids"] = kinds_NL
    inputs |= batch_vision([prompt for prompt, _ in rows])
    device = model.module.device
    inputs = {name: value.to(device) for name, value in inputs.items()}
    hidden_NLD = model.module.model(**inputs, use_cache=False).last_hidden_state
    targets_K = torch.cat([torch.tensor(ids) for _, ids in rows])
    return hidden_NLD[query_NL.to(device)], targets_K.to(device)


def shared_hidden(model: "VisionLanguageModel", groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
    """One row per group: the prompt once, its responses behind it, each blind to the others.

    A response's first token is predicted by the prompt's last position, the same for all responses of the group.
    """
    rows, positions = [], []
    for group in groups:
        last = int(group.prompt.ids[-1])
        # The prompt's last token is repeated in front of every response, so that each has its own query for it.
        rows.append(PackedRow(group.prompt.ids[:-1].tolist(), [[last, *ids] for ids in group.responses],
                              [1] * len(group.responses)))  # fmt: skip
        grid = group.prompt.vision.get("image_grid_thw")
        found, _ = model.module.model.get_rope_index(group.prompt.ids[None], group.prompt.token_kinds[None], grid)
        positions.append(found[:, 0, :-1])
    batch = pack(rows, positions, model.pad_id, model.module.dtype)
    device = model.module.device
    vision = {name: value.to(device) for name, value in batch_vision([group.prompt for group in groups]).items()}
    hidden_BLD = model.module.model(
        input_ids=batch.ids_BL.to(device), attention_mask=batch.visible_B1LL.to(device),
        position_ids=batch.positions_3BL.to(device), use_cache=False, **vision,
    ).last_hidden_state  # fmt: skip
    query_BL = batch.query_BL
    return hidden_BLD[query_BL.to(device)], batch.target_BL[query_BL].to(device)


@contextmanager
def recomputing(module: Any) -> Iterator[None]:
    """Layers recompute their activations only in training mode; of that mode (dropout) nothing else is wanted."""
    enabled = torch.is_grad_enabled()
    layers = [part for part in module.modules() if enabled and getattr(part, "gradient_checkpointing", False)]
    before = [layer.training for layer in layers]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer, training in zip(layers, before, strict=True):
            layer.training = training


def score_groups(
    model: "VisionLanguageModel",
    groups: Sequence[Group],
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    path: str = "shared",
    with_picture: bool = False,
) -> Scores:
    """Log-probs (and entropies) of every response token; gradients flow where they are enabled.

    `with_picture`: a batch without any picture takes a blank one along and drops its scores, so that the vision tower
    runs and gets its (zero) gradients, as it does in the other processes of a run.
    """
    hidden = shared_hidden if path == "shared" else plain_hidden
    lengths = [len(ids) for group in groups for ids in group.responses]
    alone = with_picture and not any(group.prompt.vision for group in groups)
    with recomputing(model.module):
        hidden_KD, targets_K = hidden(model, [*groups, Group(model.blank_prompt, [[0]])] if alone else groups)
    head = model.module.get_output_embeddings()
    chosen_K, entropy_K = token_statistics(hidden_KD, head, targets_K, temperature, entropy)
    if alone:
        chosen_K = chosen_K[:-1] + 0 * chosen_K[-1]
        entropy_K = entropy_K[:-1] if entropy_K is not None else None
    mask_NT = unflatten(torch.ones_like(chosen_K), lengths)
    spread = unflatten(entropy_K, lengths) if entropy_K is not None else None
    return Scores(unflatten(chosen_K, lengths), spread, mask_NT)


class Scorer(torch.nn.Module):
    """`score_groups` as a module whose only child is the model's, so that an engine (DeepSpeed) can wrap the call."""

    def __init__(self, model: "VisionLanguageModel") -> None:
        super().__init__()
        self.module = model.module
        self.model = model  # no torch module, so it is not a child

    def forward(self, groups: Sequence[Group], **options: Any) -> Scores:
        return score_groups(self.model, groups, **{"path": self.model.path, **options})
