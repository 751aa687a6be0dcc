"""A picture passes the vision tower once; a frozen tower keeps its features and does not change."""

import numpy as np
import pytest
import torch
from PIL import Image

from data import Sample
from data.images import PillowImage
from models.parts import Group
from models.settings import LoraSettings, SamplingSettings
from tests.models.families import SHARING, every_sharing_family, of_families
from tests.models.ragged import assert_same_gradients, gradients, one_update, ragged_groups, text_only


@every_sharing_family
def test_a_picture_passes_once_in_a_call_and_every_call_where_the_tower_learns(load_family, family):
    model = load_family(family)
    groups = ragged_groups(model)  # three pictures in two prompts, two of them equal
    model.score(groups, path="plain")  # seven pictures in six rows
    assert model.pictures.passed == 2
    model.score(groups)
    assert model.pictures.passed == 4 and not model.pictures.kept


@every_sharing_family
def test_a_frozen_tower_sees_a_picture_once_until_it_is_told_to_forget(load_family, family):
    model = load_family(family, freeze_vision=True)
    groups = ragged_groups(model)
    model.score(groups)
    assert model.pictures.passed == 2
    model.score(list(reversed(groups)))
    model.sample([group.prompt for group in groups], 2, SamplingSettings(max_new_tokens=2), seed=0)
    gradients(model, model.score(groups[2:], path="plain"))
    assert model.pictures.passed == 2
    model.forget_pictures()
    model.score(groups)
    assert model.pictures.passed == 4


@every_sharing_family
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("path", ["plain", "shared"])
def test_scores_and_gradients_are_those_of_the_tower_itself(load_family, family, frozen, path):
    plain = load_family(family, freeze_vision=frozen, scoring="plain")
    model = load_family(family, freeze_vision=frozen)
    assert plain.pictures is None
    groups = ragged_groups(model)
    expected = plain.score(groups)
    expected_gradients = gradients(plain, expected)
    for _ in range(2):  # the second time from what was kept
        found = model.score(groups, path=path)
        torch.testing.assert_close(found.logprobs_NT, expected.logprobs_NT, atol=1e-5, rtol=0)
        assert_same_gradients(expected_gradients, gradients(model, found), 1e-4)


@of_families([*SHARING, "idefics3"])
def test_frozen_weights_stay_bit_identical(load_family, family):
    model = load_family(family, freeze_vision=True)
    before = {name: p.clone() for name, p in model.module.named_parameters()}
    one_update(model)
    vision = {name for name in before if not name.startswith(("lm_head", "model.language_model", "model.text_model"))}
    assert {name for name, p in model.module.named_parameters() if not p.requires_grad} == vision != set()
    for name, parameter in model.module.named_parameters():
        assert torch.equal(parameter, before[name]) == (name in vision), name
    model.forget_pictures()


def test_adapters_in_the_language_model_fix_the_tower_too(load_family):
    model = load_family("qwen3_vl", lora=LoraSettings(4, 8))
    for _ in range(2):
        model.score(ragged_groups(model))
    assert model.pictures.passed == 2
    assert not load_family("qwen3_vl", lora=LoraSettings(4, 8, "all")).pictures.keep


def test_what_is_kept_is_bounded(load_family):
    model = load_family("qwen3_vl", freeze_vision=True)
    groups = ragged_groups(model)
    model.score(groups)
    sizes = [features.size_bytes for features in model.pictures.kept.values()]
    assert model.pictures.kept_bytes == sum(sizes) and len(sizes) == 2
    model.forget_pictures()
    model.pictures.limit_bytes = max(sizes)
    expected = model.score(groups).logprobs_NT
    assert len(model.pictures.kept) == 1 and model.pictures.kept_bytes <= max(sizes)
    torch.testing.assert_close(model.score(groups).logprobs_NT, expected)


def test_text_alone_passes_no_picture(load_family):
    model = load_family("qwen2_vl", freeze_vision=True)
    group = Group(model.encode([text_only()])[0], [[40]])
    model.score([group])
    assert model.pictures.passed == 0
    model.score([group], with_picture=True)
    assert model.pictures.passed == 1


def picture_prompt(model, picture):
    return model.encode([Sample("one", "one", "<image>how many ?", (PillowImage(picture),), "4")])[0]


def test_pictures_are_told_apart_by_any_pixel_and_by_shape(load_family):
    model = load_family("qwen2_vl")
    one = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    changed, swapped = one.copy(), one[::-1].copy()
    changed[70, 30, 1] ^= 1
    pictures = [one, changed, swapped, one.reshape(256, 128, 3), one.copy()]
    keys = [picture_prompt(model, Image.fromarray(picture)).picture_keys for picture in pictures]
    assert keys[0] == keys[4] and len({tuple(key) for key in keys}) == 4
    assert [key[0][-3:] for key in (keys[0], keys[3])] == [(1, 8, 16), (1, 16, 8)]


def test_a_call_that_names_no_pictures_gets_what_the_tower_makes(load_family):
    model, plain = load_family("qwen3_vl"), load_family("qwen3_vl", scoring="plain")
    vision = picture_prompt(model, Image.new("RGB", (128, 128), (200, 30, 40))).vision
    ours, own = (one.module.model.visual(vision["pixel_values"], vision["image_grid_thw"]) for one in (model, plain))
    torch.testing.assert_close(ours.pooler_output, own.pooler_output)
    assert len(ours.deepstack_features) == len(own.deepstack_features) > 0
