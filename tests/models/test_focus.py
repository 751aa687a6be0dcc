"""States at response tokens: against transformers' own hidden states, response by response, and by hand."""

import pytest
import torch

from common import UserError
from models.focus import STATES, Places
from models.loader import VisionLanguageModel
from models.parts import Group
from models.scoring import Scores
from tests.models.ragged import assert_same_gradients, gradients, ragged_groups

FAMILIES = [(f, p) for f in ("qwen3_vl", "qwen2_5_vl", "qwen2_vl") for p in ("shared", "plain")]
FAMILIES += [(family, "plain") for family in ("idefics3", "gemma3", "internvl")]


def by_hand() -> Places:
    """Positions 0 and 1 show a picture, 2 and 3 answer; 4 is a prompt without a picture, 5 its answer."""
    one = torch.tensor
    return Places(token_K=one([2, 3, 5]), copy_K=one([0, 0, 1]), image_I=one([0, 1]), copy_I=one([0, 0]), copies=2)


def test_cosines_by_hand():
    states = torch.tensor([[4.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [1.0, 0.0], [3.0, 1.0]])
    # The mean image state (2, 1/2) is nearer to the first axis; of unit states the mean is (1/2, 1/2).
    focus = torch.tensor([4 / 17**0.5, 2.5 / (2**0.5 * 4.25**0.5), 0.0])
    torch.testing.assert_close(by_hand().focus(states), focus)
    torch.testing.assert_close(by_hand().mean_cosine(states), torch.tensor([0.5, 0.5**0.5, 0.0]))


def from_transformers(model: VisionLanguageModel, group: Group, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Focus and prior of one response from the hidden states of all layers."""
    prompt, length = group.prompt, len(group.prompt.ids)
    inputs = {"input_ids": torch.cat([prompt.ids, torch.tensor(ids)])[None]}
    if model.token_kinds_name:
        inputs[model.token_kinds_name] = torch.cat([prompt.token_kinds, torch.zeros(len(ids), dtype=torch.long)])[None]
    if model.pictures:
        model.pictures.expect(None)
    layers = model.module.model(**inputs, **prompt.vision, output_hidden_states=True, use_cache=False).hidden_states
    image = prompt.token_kinds.nonzero()[:, 0]

    def cosines(state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cosine_similarity(state, other, dim=-1)

    focus = cosines(layers[-1][0, length:], layers[-1][0, image].mean(0))
    each = [cosines(layer[0, length:, None], layer[0, None, image]).mean(-1) for layer in layers]
    return focus, torch.stack(each).mean(0)


@pytest.mark.parametrize(("family", "path"), FAMILIES)
@torch.no_grad()
def test_states_are_those_of_transformers_last_token_included(load_family, family, path):
    model = load_family(family)
    groups = ragged_groups(model)
    scores = model.score(groups, states=STATES, path=path)
    plain = model.score(groups, path=path)
    torch.testing.assert_close(scores.logprobs_NT, plain.logprobs_NT, atol=1e-5, rtol=0)
    assert plain.focus_NT is plain.prior_NT is None
    row = 0
    for group in groups:
        for ids in group.responses:
            expected = (torch.zeros(len(ids)),) * 2
            if group.prompt.vision:
                expected = from_transformers(model, group, ids)
                assert expected[0].abs().min() > 1e-3
            for found, wanted in zip((scores.focus_NT, scores.prior_NT), expected, strict=True):
                torch.testing.assert_close(found[row, : len(ids)], wanted, atol=1e-5, rtol=0)
                assert not found[row, len(ids) :].any()
            row += 1


def test_states_come_with_views_and_without_gradient(random_tiny):
    groups = ragged_groups(random_tiny)
    expected: Scores = random_tiny.score(groups)
    scores = random_tiny.score(groups, states=STATES, against={"same": groups}, with_picture=True)
    assert not scores.focus_NT.requires_grad and not scores.prior_NT.requires_grad
    assert scores.focus_NT.shape == scores.prior_NT.shape == scores.mask_NT.shape
    assert_same_gradients(gradients(random_tiny, expected), gradients(random_tiny, scores), 1e-4)


def test_layers_that_recompute_are_read_once(load_family):
    model, kept = load_family("qwen3_vl", gradient_checkpointing=True), load_family("qwen3_vl")
    groups = ragged_groups(model)
    scores, expected = (one.score(groups, states=["prior"]) for one in (model, kept))
    gradients(model, scores)
    torch.testing.assert_close(scores.prior_NT, expected.prior_NT, atol=1e-5, rtol=0)
    assert not any(len(part._forward_hooks) for part in model.module.get_decoder().layers)


def test_a_family_that_cannot_be_watched_is_refused_in_a_sentence(random_tiny, monkeypatch):
    groups = ragged_groups(random_tiny)
    monkeypatch.setattr(random_tiny.module, "get_decoder", lambda: torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="family qwen3_vl does not keep its blocks in one list"):
        random_tiny.score(groups, states=["prior"])
