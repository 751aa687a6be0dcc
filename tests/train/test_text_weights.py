"""Weights that read what tokens say: spans of the text that a piece finds itself, and token ids."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file, save_file

from common import UserError
from common.lazy import Tensor
from configs import compose
from data.parts import Finder
from tests.train.digits import Digits, digit_spans
from tests.train.test_objective_command import fixed_tensors
from tests.train.test_worked_numbers import rows
from tests.train.test_worked_numbers import step as tensors_of_a_step
from train.distributed import Ranks
from train.first_step import write_first_step
from train.loop import make_state
from train.needs import check_pieces, needs_of
from train.objective_command import ObjectiveCommand
from train.objective_tensors import objective, wanted_tensors
from train.scoring.step import make_step
from train.settings import TrainSettings
from train.table.step_table import Table
from train.tensor_file import read_tensors
from train.weights.piece import Weight


@dataclass(frozen=True)
class Rare(Weight):
    """One over the number of times that the step's responses say the token."""

    kind: Literal["rare"] = "rare"

    def needs_token_ids(self) -> bool:
        return True

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]."""
        ids_NT, valid_NT = table.ids(), table.mask_NT > 0
        return 1 / ((ids_NT[:, :, None] == ids_NT[valid_NT]).sum(-1)).clamp(min=1)


@dataclass(frozen=True)
class Again(Digits):
    """Another meaning of the same mark."""

    def finds(self) -> dict[str, Finder]:
        return {"digits": lambda text: []}


@dataclass(frozen=True)
class Misnamed(Digits):
    """A mark that the trainer finds."""

    def finds(self) -> dict[str, Finder]:
        return {"fact": digit_spans}


@dataclass(frozen=True)
class Unfound(Digits):
    """A mark that nothing finds."""

    def marks(self) -> set[str]:
        return {"digit"}


def with_weights(schema, options: list[str], **weights: Weight):
    return replace(compose(schema, options), weights=weights)


SMALL = ["scale=mini", "rollouts.prompts=2", "rollouts.group=3", "optimiser.minibatch_prompts=2"]


@pytest.fixture(scope="module")
def sampled():
    """Return a policy's state and what it sampled for one step."""
    state = make_state(compose(TrainSettings, SMALL), Ranks())
    return state, state.collector.collect(0, 1)


def test_what_no_weight_reads_is_not_made(sampled):
    state, experience = sampled
    table = make_step(state.models, experience, compose(TrainSettings, SMALL), Ranks(), 1).weighed.table
    assert table.marks == {} and table.token_ids_NT is None


def test_weights_read_the_texts_and_ids_of_a_sampled_step(sampled):
    state, experience = sampled
    settings = with_weights(TrainSettings, SMALL, digits=Digits(), rare=Rare())
    step = make_step(state.models, experience, settings, Ranks(), 1)
    count = Counter(token for response in experience.responses for token in response.token_ids)
    told_apart = set()
    for row, response in enumerate(experience.responses):
        texts, length = state.model.token_texts(response.token_ids), len(response.token_ids)
        wanted = [2.0 if re.search(r"\d", text) else 1.0 for text in texts]
        told_apart |= set(wanted)
        by_piece = {name: weight_NT[row, :length].tolist() for name, weight_NT in step.weighed.by_piece.items()}
        assert by_piece["digits"] == wanted
        assert by_piece["rare"] == pytest.approx([1 / count[token] for token in response.token_ids])
        assert step.weighed.table.ids()[row, :length].tolist() == response.token_ids
    assert told_apart == {1.0, 2.0} and len(set(count.values())) > 1


def test_the_outside_check_gives_the_weights_of_the_first_step_that_a_run_leaves(sampled, tmp_path):
    state, experience = sampled
    weights = {"digits": Digits(), "rare": Rare()}
    step = make_step(state.models, experience, with_weights(TrainSettings, SMALL, **weights), Ranks(), 1)
    old = {row: torch.tensor(response.logprobs) for row, response in enumerate(experience.responses)}
    write_first_step(tmp_path, step, old, Ranks())
    left = load_file(tmp_path / "first_step.safetensors")
    names = ("token_ids", "mask", "reward", "accuracy", "group", "prompt", "role")
    renamed = {"logp": "score/logp", "old_logp": "score/logp", "mark_digits": "mark/digits"}
    file = {name: left[name] for name in names} | {name: left[other].clone() for name, other in renamed.items()}
    save_file(file, tmp_path / "in.safetensors")
    settings = with_weights(ObjectiveCommand, [*SMALL, "method=grpo", "losses.reference_kl=null"], **weights)
    given = read_tensors(tmp_path / "in.safetensors", wanted_tensors(settings, needs_of(settings)), "mine")
    out = objective(settings, given)
    for name in weights:
        assert torch.equal(out[f"weights/{name}"], left[f"weights/{name}"])
    torch.testing.assert_close(out["advantage_tokens"], left["advantage/0"])


def test_the_outside_check_takes_marks_and_ids_from_a_file():
    """Worked by hand: ratios are exp(0.05), exp(-0.05), exp(0.1) and 1, advantages +-0.70711, 15 tokens."""
    given = tensors_of_a_step() | {"mark_digits": rows("0 1 0 0; 0 0 0 0; 0 0 0 0; 0 0 0")}
    given["token_ids"] = torch.tensor([[7, 7, 7, 7], [1, 2, 3, 4], [5, 6, 8, 9], [7, 10, 11, 7]])
    options = ["method=grpo", "losses.reference_kl=null"]

    def loss(**weights: Weight) -> dict[str, Tensor]:
        return objective(with_weights(ObjectiveCommand, options, **weights), given)

    base, digits = loss(), loss(digits=Digits())
    gain = 0.5 / 0.5**0.5  # of the first response
    extra = -gain * torch.tensor(-0.05).exp().item() / 15
    assert digits["loss"].item() - base["loss"].item() == pytest.approx(extra, abs=2e-6)
    torch.testing.assert_close(digits["grad_logp"][0, 1], 2 * base["grad_logp"][0, 1])
    plain = loss(digits=Digits(size=1.0))
    assert torch.equal(plain["loss"], base["loss"]) and torch.equal(plain["grad_logp"], base["grad_logp"])
    fifth = 1 / 5  # the id 7 comes five times; padding, which may hold it too, does not count
    wanted = [[fifth] * 4, [1.0] * 4, [1.0] * 4, [fifth, 1, 1, 0]]
    torch.testing.assert_close(loss(rare=Rare())["weights/rare"], torch.tensor(wanted), check_dtype=False)


def test_what_a_weight_reads_is_asked_for_by_name_and_by_no_other_method():
    def wanted(**weights: Weight) -> list[str]:
        settings = with_weights(ObjectiveCommand, ["method=grpo"], **weights)
        return wanted_tensors(settings, needs_of(settings))

    base = wanted()
    assert wanted(digits=Digits()) == [*base, "mark_digits"] and wanted(rare=Rare()) == [*base, "token_ids"]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (torch.ones(4, 5), "token_ids .* torch.float32; give int64"),
        (torch.ones(4, 4, dtype=torch.long), r"token_ids .* \[4, 4\]"),
        (torch.full((4, 5), -1), "token_ids .* below 0 in row 0"),
    ],
)
def test_ids_that_would_be_misread_are_refused(tmp_path, ids, said):
    path = tmp_path / "in.safetensors"
    save_file(fixed_tensors() | {"token_ids": ids}, path)
    with pytest.raises(UserError, match=said):
        read_tensors(path, ["token_ids"], "mine")


def test_ids_stay_whole_numbers_and_padding_may_hold_anything(tmp_path):
    ids = torch.full((4, 5), 2**24 + 1)  # the first whole number that float32 lacks
    ids[2, 3:] = -100
    path = tmp_path / "in.safetensors"
    save_file(fixed_tensors() | {"token_ids": ids}, path)
    found = read_tensors(path, ["token_ids"], "mine")["token_ids"]
    assert found.unique().tolist() == [0, 2**24 + 1]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"one": Digits(), "two": Again()}, "weights.two and another weight find the mark 'digits' in two ways"),
        ({"one": Misnamed()}, "weights.one finds the mark 'fact' itself"),
        ({"one": Digits(), "two": Unfound()}, "weights.two reads the mark 'digit', .* did you mean 'digits'"),
    ],
)
def test_marks_that_mean_two_things_or_none_are_refused(weights, said):
    with pytest.raises(UserError, match=said):
        check_pieces(with_weights(TrainSettings, ["method=grpo"], **weights))
    both = with_weights(TrainSettings, ["method=grpo"], one=Digits(), two=Digits(size=3.0))
    check_pieces(both)  # two weights may share a mark
