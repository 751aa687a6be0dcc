"""Attention on the picture: against transformers' own eager weights, and by hand."""

import pytest
import torch
from transformers import AttentionInterface, AutoModelForImageTextToText

import models.attention_mass
from common import UserError
from data.mini.world import sample
from models.attention_mass import attention_mass, mass_and_entropy
from models.inputs import plain_inputs, run
from models.parts import Group
from models.watched import NAME, watching, weights_of_rows
from tests.models.ragged import RAGGED, ragged_groups

every_family = pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl", "idefics3"])


def eager_weights(model, folder, prompt, ids) -> list[torch.Tensor]:
    """Of every layer, [H, T, L], from plain transformers."""
    module = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="eager")
    row = torch.cat([prompt.ids, torch.tensor(ids)])[None]
    kinds = torch.cat([prompt.token_kinds, torch.zeros(len(ids), dtype=torch.long)])[None]
    inputs = {model.token_kinds_name: kinds} if model.token_kinds_name else {}
    output = module(input_ids=row, output_attentions=True, **inputs, **prompt.vision)
    start = len(prompt.ids) - 1
    return [layer[0, :, start : start + len(ids)] for layer in output.attentions]


@every_family
def test_weights_are_those_of_eager_attention(load_family, family_folder, family):
    """In a padded batch of ragged rows, one without a picture and one with two."""
    model = load_family(family)
    groups = ragged_groups(model)
    shown = {}
    with watching(model.module, lambda layer, q, k, v, *rest: shown.update({layer: (q, k, *rest)})), torch.no_grad():
        run(model, plain_inputs(model, groups))
    n = 0
    for group in groups:
        for ids in group.responses:
            places = slice(len(group.prompt.ids) - 1, len(group.prompt.ids) - 1 + len(ids))
            length = len(group.prompt.ids) + len(ids)
            expected = eager_weights(model, family_folder(family), group.prompt, ids)
            assert len(expected) == len(shown) == model.module.get_decoder().config.num_hidden_layers
            for layer, weights_HTL in enumerate(expected):
                found_HTL = weights_of_rows(*shown[layer], n, places)
                torch.testing.assert_close(found_HTL[..., :length], weights_HTL, atol=1e-5, rtol=0)
                assert not found_HTL[..., length:].any()
            n += 1
    assert n == 6


@every_family
def test_mass_and_entropy_are_those_of_eager_weights(load_family, family_folder, family):
    model = load_family(family)
    groups = ragged_groups(model)
    found = attention_mass(model, groups)
    assert [one.mass_ST.shape[1] for one in found] == [len(ids) for group in RAGGED for ids in group]
    group, one = groups[0], found[2]
    is_image = torch.nn.functional.pad(group.prompt.token_kinds > 0, (0, len(group.responses[2])))
    for layer, weights_HTL in enumerate(eager_weights(model, family_folder(family), group.prompt, group.responses[2])):
        on_image = weights_HTL[..., is_image]
        mass_HT = on_image.sum(-1)
        q = on_image / mass_HT[..., None]
        entropy_T = (-(q * q.log()).sum(-1) / torch.tensor(float(is_image.sum())).log()).mean(0)
        torch.testing.assert_close(one.mass_ST[layer], mass_HT.mean(0), atol=1e-5, rtol=0)
        torch.testing.assert_close(one.entropy_ST[layer], entropy_T, atol=1e-5, rtol=0)
    assert ((one.mass_ST > 0) & (one.mass_ST < 1) & (one.entropy_ST > 0) & (one.entropy_ST <= 1)).all()
    without = found[3]  # no picture in its prompt
    assert not without.mass_ST.any() and without.entropy_ST.isnan().all()


def test_chosen_layers_are_those_of_all(random_tiny):
    groups = ragged_groups(random_tiny)
    every, some = attention_mass(random_tiny, groups), attention_mass(random_tiny, groups, layers=[3, 1])
    assert every[0].layers == (0, 1, 2, 3) and some[0].layers == (3, 1)
    for whole, part in zip(every, some, strict=True):
        assert torch.equal(whole.mass_ST[[3, 1]], part.mass_ST)
        torch.testing.assert_close(whole.entropy_ST[[3, 1]], part.entropy_ST, equal_nan=True)


@pytest.mark.parametrize("family", ["qwen3_vl", "idefics3"])
def test_watching_changes_no_output_and_leaves_the_model_as_it_was(load_family, family):
    model = load_family(family)
    groups = ragged_groups(model)
    config = model.module.get_decoder().config
    before, scores = config._attn_implementation, model.score(groups).logprobs_NT
    with torch.no_grad():
        plain = run(model, plain_inputs(model, groups))[0]
        with watching(model.module, lambda *_: None):
            assert config._attn_implementation == NAME
            watched = run(model, plain_inputs(model, groups))[0]
    torch.testing.assert_close(watched, plain, atol=1e-5, rtol=0)
    with pytest.raises(KeyError), watching(model.module, lambda *_: {}["an error inside"]):
        run(model, plain_inputs(model, groups))
    assert config._attn_implementation == before and torch.equal(model.score(groups).logprobs_NT, scores)


def test_mass_and_entropy_by_hand():
    is_image = torch.tensor([False, True, True, False])
    weights = torch.tensor([[[0.2, 0.3, 0.3, 0.2]], [[0.5, 0.4, 0.0, 0.1]]])  # two heads, one position
    mass, entropy = mass_and_entropy(weights, is_image)
    torch.testing.assert_close(mass, torch.tensor([(0.6 + 0.4) / 2]))
    torch.testing.assert_close(entropy, torch.tensor([(1 + 0) / 2]))
    mass, entropy = mass_and_entropy(weights, torch.tensor([False, True, False, False]))
    torch.testing.assert_close(mass, torch.tensor([0.35]))
    assert entropy.isnan().all()  # one token cannot be spread over
    weights[1] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert mass_and_entropy(weights, is_image)[1] == 1  # the head that sees no image has no say


def test_what_cannot_be_watched_is_refused(random_tiny, monkeypatch):
    groups = [Group(random_tiny.encode([sample("train", "chart", 3)])[0], [[40, 41]])]
    for layers in ([4], [-1], []):
        with pytest.raises(UserError, match="has layers 0 to 3"):
            attention_mass(random_tiny, groups, layers)
    with watching(random_tiny.module, lambda *_: None), pytest.raises(UserError, match="qwen3_vl uses softcap"):
        AttentionInterface()[NAME](None, *[torch.zeros(1)] * 4, scaling=1.0, softcap=30.0)
    with monkeypatch.context() as patch:
        decoder = random_tiny.module.get_decoder()
        patch.setattr(decoder.layers[2].self_attn, "layer_idx", 1)
        with pytest.raises(UserError, match="two layers of number 1"):
            attention_mass(random_tiny, groups)
    monkeypatch.setattr(models.attention_mass, "run", lambda model, inputs: None)
    with pytest.raises(UserError, match="does not attend through transformers"):
        attention_mass(random_tiny, groups)
