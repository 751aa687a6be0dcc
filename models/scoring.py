"""Log-probs of given responses under a prompt and its picture, on response positions only.

Two ways with equal results (tests/models/test_scoring.py): `plain` runs one row per response; `shared` runs a group's
prompt and picture once and lets all responses of the group look at it. Shapes: N responses, T longest response,
M = N and N more of each view; K all response tokens in a row, V vocabulary, D hidden width.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from common import UserError
from data.views import View
from models.divergence import CLEAN, Rows, Side
from models.head import State, compared, token_statistics, two_heads
from models.inputs import Passed, plain_inputs, run, shared_inputs
from models.parts import Group, ModelParts
from models.teacher import TeacherPass


@dataclass(frozen=True)
class AgainstScores:
    """The same responses behind other prompts, beside the rows of `Scores`."""

    logprobs_NT: Tensor
    entropy_NT: Tensor | None
    kl_NT: Tensor | None = None  # KL(clean || view) of next tokens over the whole vocabulary
    js_NT: Tensor | None = None  # Jensen-Shannon divergence of the same two distributions


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Padded on the right with zeros; rows in the order of the groups and of the responses in them."""

    logprobs_NT: Tensor
    entropy_NT: Tensor | None
    mask_NT: Tensor
    views: dict[str, AgainstScores] = field(default_factory=dict)
    focus_NT: Tensor | None = None
    prior_NT: Tensor | None = None
    divergences: dict[str, Tensor] = field(default_factory=dict)  # [N, T], those that `TeacherPass` names

    def of_rows(self, rows: Sequence[int]) -> "Scores":
        """Return the scores of these rows, in this order; of scores without views."""
        assert not self.views and not self.divergences
        every = {part.name: getattr(self, part.name) for part in fields(self)}
        index = torch.tensor(rows, dtype=torch.long, device=self.logprobs_NT.device)
        return replace(self, **{name: value[index] for name, value in every.items() if isinstance(value, Tensor)})


def unflatten(values_K: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return values of all response tokens in a row -> one padded row per response."""
    return torch.nn.utils.rnn.pad_sequence(list(values_K.split(list(lengths))), batch_first=True)


@contextmanager
def recomputing(module: Any) -> Iterator[None]:
    """Yield layers recompute their activations only in training mode; of that mode (dropout) nothing else is
    wanted.
    """
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


def by_prompt(groups: Sequence[Group]) -> tuple[list[Group], list[int]]:
    """Return responses to equal prompts behind one copy of it, and each response's place among them."""
    found: dict[tuple, list[tuple[int, Group, int]]] = {}
    row = 0
    for group in groups:
        for number in range(len(group.responses)):
            found.setdefault(group.prompt.key, []).append((row, group, number))
            row += 1
    places = {row: place for place, (row, _, _) in enumerate(one for own in found.values() for one in own)}
    merged = [Group(own[0][1].prompt, [group.responses[n] for _, group, n in own]) for own in found.values()]
    return merged, [places[row] for row in range(len(places))]


def distinct(groups: Sequence[Group]) -> tuple[list[Group], list[int]]:
    """Return the groups without repeated responses, equal beginnings side by side, and each response's place there."""
    found, places = [], list[int]()
    before = 0
    for group in groups:
        numbers = {ids: n for n, ids in enumerate(sorted(set(map(tuple, group.responses))))}
        places += [before + numbers[tuple(ids)] for ids in group.responses]
        found.append(Group(group.prompt, list(numbers)))
        before += len(numbers)
    return found, places


def place_tokens(rows: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Positions of all response tokens, where response n of these lengths stands as number rows[n] in a row."""
    moved = [0] * len(rows)
    for n, row in enumerate(rows):
        moved[row] = lengths[n]
    starts = [0, *accumulate(moved)]
    return torch.cat([torch.arange(starts[row], starts[row + 1]) for row in rows])


def hidden_together(
    model: ModelParts,
    groups: Sequence[Group],
    views: Sequence[Sequence[Group]],
    path: str,
    states: Collection[str],
    with_picture: bool,
) -> Passed:
    """Return what predicts all tokens of the groups and of every view, in this order, from one pass; `states` of the
    groups.

    Responses of a view that see the same bytes (equal draws, one prompt for all) share their prompt.
    """
    lengths = [len(ids) for group in groups for ids in group.responses]
    together, rows = list(groups), list(range(len(lengths)))
    for view in views:
        assert [len(ids) for group in view for ids in group.responses] == lengths, "views hold the same responses"
        merged, places = by_prompt(view)
        rows += [len(rows) + place for place in places]
        together += merged
    alone = with_picture and not any(group.prompt.vision for group in together)
    if alone:
        together.append(Group(model.blank_prompt, [[0]]))
    merge = not torch.is_grad_enabled()
    inputs = shared_inputs(model, together, bool(states), merge) if path == "shared" else plain_inputs(model, together)
    with recomputing(model.module):
        hidden_KD, targets_K, found = run(model, inputs, states)
    if alone:
        hidden_KD, targets_K = hidden_KD[:-1] + 0 * hidden_KD[-1], targets_K[:-1]
    if rows != sorted(rows):
        order_K = place_tokens(rows, lengths * (1 + len(views))).to(hidden_KD.device)
        hidden_KD, targets_K = hidden_KD.index_select(0, order_K), targets_K[order_K]
    return Passed(hidden_KD, targets_K, {name: value_K[: sum(lengths)] for name, value_K in found.items()})


def teacher_divergences(
    model: ModelParts, own: Mapping[str, Tensor], teacher: TeacherPass, lengths: Sequence[int], temperature: float
) -> dict[str, Tensor]:
    """Return every divergence at each token, padded; `own` holds the policy's states [K, D] by view.

    The teacher's states are made without gradient, each view of it once, and all divergences are taken in one go.
    """
    first, *others = teacher.groups.values()
    assert [len(ids) for group in first for ids in group.responses] == lengths, "the teacher sees the same"
    with torch.no_grad():
        passed = hidden_together(teacher.model, first, others, teacher.model.scoring_path, (), False)
    parts = passed.hidden_KD.split([sum(lengths)] * len(teacher.groups))
    hidden = {Side("policy", view): hidden_KD for view, hidden_KD in own.items()}
    hidden |= {Side("teacher", view): part_KD for view, part_KD in zip(teacher.groups, parts, strict=True)}
    heads = {"policy": model.module.get_output_embeddings(), "teacher": teacher.model.module.get_output_embeddings()}
    wanted = list(teacher.divergences.values())
    sides = sorted({side for one in wanted for side in one.sides})
    states = [State(hidden[side], heads[side.model], learns=side.model == "policy") for side in sides]
    ends = tuple(model.eos_ids)

    def every(rows: list[Tensor]) -> Tensor:
        by_side = dict(zip(sides, rows, strict=True))
        values = [one.value(Rows(tuple(by_side[side] for side in one.sides), ends)) for one in wanted]
        return torch.stack(values, dim=-1)

    value_KE = compared(states, every, temperature)
    return {name: unflatten(value_KE[:, n], lengths) for n, name in enumerate(teacher.divergences)}


def refuse_company(inside: Collection[View | None], company: bool) -> None:
    """Refuse views that act inside the model or on the response where they cannot be scored."""
    if company or any(view and view.leaves_out for view in inside):
        raise UserError(
            "a view that acts in the model's layers or leaves out words is scored alone, without gradient, and in "
            "training; use another view here"
        )


def score_groups(
    model: ModelParts,
    groups: Sequence[Group],
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    against: Mapping[str, Sequence[Group]] = MappingProxyType({}),
    compare: Collection[str] = (),
    states: Collection[str] = (),
    teacher: TeacherPass | None = None,
    path: str = "shared",
    with_picture: bool = False,
) -> Scores:
    """Return log-probs (and entropies) of every response token; gradients flow where they are enabled.

    `against`: by name, the same responses in the same order behind other prompts (views); all pass the model together
    and all carry gradients. `compare` ("kl", "js") adds, token by token, divergences of each view from the own whole
    distribution. `states` ("focus", "prior") adds how near each token's own state is to the picture's, without
    gradient; `teacher` another model's distributions, compared as it says with the own ones, views included.
    `with_picture`: a batch without any picture takes a blank one along and drops its scores, so that the vision tower
    runs and gets its (zero) gradients, as it does in the other ranks of a run. Where no gradient is wanted and the
    path is shared, responses of a group that are equal, or begin so, pass once as far as they are equal.
    """
    if inside := {group.prompt.inside for own in (groups, *against.values()) for group in own} - {None}:
        refuse_company(inside, bool(against) or torch.is_grad_enabled())
        path = "plain"
    places: list[int] | None = None
    if path == "shared" and not (torch.is_grad_enabled() or against or teacher):
        groups, places = distinct(groups)
    lengths = [len(ids) for group in groups for ids in group.responses]
    count, wanted = len(lengths), sum(lengths)
    every = lengths * (1 + len(against))
    views_groups = list(against.values())
    hidden_KD, targets_K, found = hidden_together(model, groups, views_groups, path, states, with_picture)
    head = model.module.get_output_embeddings()
    chosen_K, entropy_K = token_statistics(hidden_KD, head, targets_K, temperature, entropy)
    logprobs_MT = unflatten(chosen_K, every)
    entropy_MT = unflatten(entropy_K, every) if entropy_K is not None else None
    parts_KD = dict(zip((CLEAN, *against), hidden_KD.split([wanted] * (1 + len(against))), strict=True))
    views = {}
    for number, name in enumerate(against, 1):
        rows = slice(number * count, (number + 1) * count)
        divergences = {
            f"{what}_NT": unflatten(two_heads(parts_KD[CLEAN], head, parts_KD[name], head, what, temperature), lengths)
            for what in compare
        }
        entropy_NT = entropy_MT[rows] if entropy_MT is not None else None
        views[name] = AgainstScores(logprobs_MT[rows], entropy_NT, **divergences)
    scores = Scores(
        logprobs_NT=logprobs_MT[:count],
        entropy_NT=entropy_MT[:count] if entropy_MT is not None else None,
        mask_NT=unflatten(torch.ones_like(chosen_K[:wanted]), lengths),
        views=views,
        divergences=teacher_divergences(model, parts_KD, teacher, lengths, temperature) if teacher else {},
        **{f"{name}_NT": unflatten(value_K, lengths) for name, value_K in found.items()},
    )
    return scores if places is None else scores.of_rows(places)


class Scorer(torch.nn.Module):
    """`score_groups` as a module whose only child is the model's, so that an engine (DeepSpeed) can wrap the call."""

    def __init__(self, model: ModelParts) -> None:
        super().__init__()
        self.module = model.module
        self.model = model  # no torch module, so it is not a child

    def forward(self, groups: Sequence[Group], **options: Any) -> Scores:
        return score_groups(self.model, groups, **{"path": self.model.scoring_path, **options})
