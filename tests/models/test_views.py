"""Views behind a model: blind prompts against an explicit mask, draws that change pixel values, other pictures."""

from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
import torch
from PIL import Image

from common import UserError
from data.images import PillowImage
from data.mini.world import sample
from data.views import (
    VIEWS,
    Blank,
    Blind,
    Evidence,
    FeatureNoise,
    Gauss,
    NoPicture,
    PatchBlack,
    Salient,
    Unchanged,
)
from models.encode import Encoded
from models.loader import VisionLanguageModel
from models.parts import Group
from models.settings import SamplingSettings
from tests.models.ragged import assert_same_gradients, gradients, text_only, two_pictures

SHARING = ("qwen3_vl", "qwen2_5_vl", "qwen2_vl")
RESPONSES = [[40, 41, 2], [50], [60, 61, 62, 63, 2]]


def masked_row(model: VisionLanguageModel, prompt: Encoded, ids: list[int]) -> torch.Tensor:
    """Log-probs of a response where a mask of four axes hides every image token from every other token."""
    row = torch.cat([prompt.ids, torch.tensor(ids)])
    kinds = torch.cat([prompt.token_kinds, torch.zeros(len(ids), dtype=torch.long)])
    visible = torch.ones(len(row), len(row)).tril().bool() & ((kinds == 0)[None] | (kinds == 1)[:, None])
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    grid = prompt.vision.get("image_grid_thw")
    positions, _ = model.module.model.get_rope_index(row[None], kinds[None], grid)
    model.pictures.expect(None)
    inputs = {"input_ids": row[None], "mm_token_type_ids": kinds[None], "attention_mask": mask[None, None]}
    logits = model.module(**inputs, position_ids=positions, **prompt.vision, use_cache=False).logits[0]
    return logits[len(prompt.ids) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]


@pytest.mark.parametrize("family", SHARING)
@pytest.mark.parametrize("path", ["shared", "plain"])
def test_a_blind_prompt_is_one_whose_image_tokens_are_masked(load_family, family, path):
    model = load_family(family)
    groups, blind = [], []
    for one in (sample("train", "counting", 1), two_pictures(), text_only()):
        prompt = model.encode([one])[0]
        seen = model.encode([one], Blind())[0]
        assert len(seen.ids) == (prompt.token_kinds == 0).sum() and not seen.vision
        groups.append(Group(prompt, RESPONSES))
        blind.append(Group(seen, RESPONSES))
    scores = model.score(groups, against={"blind": blind}, path=path)
    found, row = scores.views["blind"].logprobs_NT, 0
    for group in groups:
        for ids in group.responses:
            if group.prompt.vision:
                expected = masked_row(model, group.prompt, ids)
                torch.testing.assert_close(found[row, : len(ids)], expected, atol=1e-5, rtol=0)
                assert (scores.logprobs_NT[row, : len(ids)] - expected).abs().max() > 1e-5
            row += 1
    torch.testing.assert_close(found[-3:], scores.logprobs_NT[-3:], atol=1e-5, rtol=0)  # no picture, nothing to hide


def test_both_paths_give_a_blind_prompt_equal_gradients(random_tiny):
    groups = [Group(random_tiny.encode([sample("train", "counting", 1)], Blind())[0], RESPONSES)]
    plain, shared = (gradients(random_tiny, random_tiny.score(groups, path=path)) for path in ("plain", "shared"))
    assert_same_gradients(plain, shared, 1e-4)


@pytest.mark.parametrize("family", ["idefics3", "llava_onevision"])
def test_families_that_count_tokens_keep_the_blind_positions(load_family, family):
    model, drawn = load_family(family), sample("train", "counting", 1)
    prompt, blind = model.encode([drawn])[0], model.encode([drawn], Blind())[0]
    assert blind.positions_3P.tolist() == [torch.arange(len(prompt.ids))[prompt.token_kinds == 0].tolist()] * 3
    assert (model.score([Group(blind, RESPONSES)]).logprobs_NT <= 0).all()


def test_a_blind_prompt_is_not_sampled_from(random_tiny):
    prompts = random_tiny.encode([sample("train", "counting", 1)], Blind())
    with pytest.raises(UserError, match="cannot be sampled"):
        random_tiny.sample(prompts, 1, SamplingSettings(max_new_tokens=2), 0)


def test_two_draws_of_noise_on_pixel_values_differ(random_tiny):
    """Their pictures are the same bytes, so that without a salt the tower's features of one would serve the other."""
    drawn, view = sample("train", "counting", 1), FeatureNoise(draw="per_response")
    first, again, other = (random_tiny.encoder.encode(drawn, view, 3, draw=k) for k in (0, 0, 1))
    clean = random_tiny.encode([drawn])[0]
    assert first.images == other.images == clean.images
    assert first.picture_keys == again.picture_keys != other.picture_keys and first.key == again.key != other.key
    assert torch.equal(first.vision["pixel_values"], again.vision["pixel_values"])
    noise = first.vision["pixel_values"] - clean.vision["pixel_values"]
    assert abs(noise.std().item() - 2) < 0.05
    groups = [Group(prompt, [[40, 41, 2]]) for prompt in (clean, first, again, other)]
    scores = random_tiny.score(groups).logprobs_NT
    torch.testing.assert_close(scores[1], scores[2], atol=1e-6, rtol=0)
    for one, two in ((0, 1), (0, 3), (1, 3)):
        assert (scores[one] - scores[two]).abs().max() > 1e-5
    assert random_tiny.pictures.passed == 3


@pytest.mark.parametrize("family", ["qwen3_vl", "idefics3"])
def test_every_view_of_many_at_once_is_that_of_one_alone(load_family, family):
    model = load_family(family)
    drawn = replace(sample("train", "counting", 1), columns={"evidence": [[0, 1]]})
    asked = [(drawn, model.encode([drawn])[0], draw) for draw in (0, 2)]
    for kind, member in VIEWS.items():
        if member.reads_salience and family == "idefics3":
            with pytest.raises(UserError, match="family idefics3 does not give"):
                model.encoder.see_all(asked, member(), 5)
            continue
        seen = model.encoder.see_all(asked, member(), 5, progress=0.25)
        for (one, _, draw), found in zip(asked, seen, strict=True):
            alone = model.encoder.encode(one, member(), 5, draw, progress=0.25)
            assert torch.equal(found.ids, alone.ids) and found.key == alone.key, kind
            assert found.vision.keys() == alone.vision.keys(), kind
            assert all(torch.equal(found.vision[name], alone.vision[name]) for name in alone.vision), kind


@pytest.mark.parametrize(("view", "digest"), [(PatchBlack(), "081fca294fe614cd"), (Gauss(), "24d6f1fd5beb10bd")])
def test_a_draw_is_fixed_by_seed_sample_and_number(random_tiny, view, digest):
    """Runs repeat only with the same masks; recorded when the pictures of the mini world last changed."""
    images = random_tiny.encode([two_pictures()], view, 7)[0].images
    assert blake2b(b"".join(image.tobytes() for image in images), digest_size=8).hexdigest() == digest


def test_another_picture_may_have_another_size(random_tiny):
    """Then the prompt has another length, and the responses are scored behind it all the same."""
    wide = PillowImage(Image.new("RGB", (256, 128), "red"))
    drawn = replace(sample("train", "counting", 1), columns={"positive": [wide], "many": [wide, wide]})
    clean = random_tiny.encode([drawn])[0]
    (seen,) = random_tiny.encoder.see_all([(drawn, clean, 0)], Unchanged(source="column:positive"))
    assert len(seen.ids) > len(clean.ids)
    (none,) = random_tiny.encoder.see_all([(drawn, clean, 0)], NoPicture())
    assert not none.vision and len(none.ids) < len(clean.ids)
    views = {name: [Group(prompt, RESPONSES)] for name, prompt in (("wide", seen), ("none", none))}
    scores = random_tiny.score([Group(clean, RESPONSES)], against=views, compare=["js"])
    for name, (group,) in views.items():
        alone = random_tiny.score([group]).logprobs_NT
        torch.testing.assert_close(scores.views[name].logprobs_NT, alone, atol=1e-5, rtol=0)
    with pytest.raises(UserError, match="2 picture"):
        random_tiny.encoder.encode(drawn, Blank(source="column:many"))


def test_unrelated_pictures_are_those_of_other_problems(random_tiny):
    drawn = sample("train", "counting", 1)
    first, again, other = (random_tiny.encoder.pictures(drawn, Unchanged(source="unrelated"), 1, k) for k in (0, 0, 1))
    own = random_tiny.encoder.pictures(drawn, None, 0, 0)
    assert first == again and first != own and first != other
    random_tiny.encoder.others = lambda asked, rng: two_pictures().images[1:]
    assert random_tiny.encoder.pictures(drawn, Unchanged(source="unrelated"), 1, 0) == [
        two_pictures().images[1].open()
    ]


def test_a_view_that_needs_a_column_says_which(random_tiny):
    with pytest.raises(UserError, match="evidence"):
        random_tiny.encode([replace(two_pictures(), columns={})], Evidence())


@pytest.mark.parametrize("family", SHARING)
def test_salience_is_the_distance_of_a_tokens_feature_from_its_pictures_mean(load_family, family):
    """Of two pictures in one prompt, against the features that the model itself puts into its row."""
    model = load_family(family)
    prompt = model.encode([two_pictures()])[0]
    found = model.encoder.salience(prompt)
    grid = prompt.vision["image_grid_thw"]
    model.pictures.expect(None)
    with torch.no_grad():
        features = model.module.model.get_image_features(prompt.vision["pixel_values"], grid).pooler_output
    assert len(found) == len(features) == 2
    for own, feature, (_, height, width) in zip(found, features, grid.tolist(), strict=True):
        assert own.shape == (height // 2, width // 2)
        distance = (feature - feature.mean(0)).norm(dim=1)
        torch.testing.assert_close(torch.from_numpy(own).flatten(), distance, atol=1e-5, rtol=1e-4)


def test_a_salient_picture_has_exactly_its_share_of_black_tokens(random_tiny):
    one = sample("train", "counting", 1)
    seen = random_tiny.encode([one], Salient(ratio=0.5))[0]
    clean = random_tiny.encode([one])[0]
    tokens = int(clean.token_kinds.sum())
    black = 0
    pixels, salience = np.asarray(seen.images[0]), random_tiny.encoder.salience(clean)[0]
    rows, columns = salience.shape
    for n, value in enumerate(salience.ravel()):
        top, left = pixels.shape[0] * (n // columns) // rows, pixels.shape[1] * (n % columns) // columns
        dark = not pixels[top + 1, left + 1].any()
        black += dark
        assert not dark or value >= np.sort(salience.ravel())[-(tokens // 2)]
    assert black == tokens // 2
