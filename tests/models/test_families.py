"""Every family through the common loader: encode, score, sample, learn, save and load again in plain transformers."""

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import models.encode
import models.head
import models.loader
from common import UserError
from data.mini.world import sample
from data.prompts import chat_messages
from data.views import Blank, PatchBlack
from models.families import PER_TOKEN_KEYS, check_head, is_language, language_path
from models.loader import load
from models.parts import Group
from models.settings import LoraSettings, SamplingSettings
from tests.conftest import tiny_settings
from tests.models.families import REFUSED, every_family, every_sharing_family, is_used, write_family
from tests.models.ragged import (
    RAGGED,
    assert_same_gradients,
    gradients,
    one_update,
    ragged_groups,
    text_only,
    two_pictures,
)

MAKERS = [two_pictures, text_only, lambda: sample("train", "chart", 3)]


def plain_logprobs(folder, prompt, ids) -> tuple[torch.Tensor, torch.nn.Module]:
    """Of an answer, from text, pictures and files alone, as a user of plain transformers gets them; and the model."""
    module, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    options = {"images": [list(prompt.images)]} if prompt.images else {}
    inputs = processor(text=[prompt.text], return_tensors="pt", **options)
    for name in PER_TOKEN_KEYS:
        if name in inputs:
            more = torch.tensor([ids]) if name == "input_ids" else torch.full((1, len(ids)), int(name[0] == "a"))
            inputs[name] = torch.cat([inputs[name], more], dim=1)
    logits = module(**inputs).logits[0, -len(ids) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0], module


@every_family
@pytest.mark.parametrize("make", MAKERS)
def test_prompts_are_those_of_the_processors_own_chat(load_family, family, make):
    """Which gets text and pictures in one conversation, and cuts and counts them as the family was trained."""
    model = load_family(family)
    prompt, messages = model.encode([make()])[0], chat_messages(make(), "question_only")
    places = [part for part in messages[0]["content"] if part["type"] == "image"]
    for part, image in zip(places, prompt.images, strict=True):
        part["image"] = image
    expected = model.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert torch.equal(prompt.ids, expected.pop("input_ids")[0])
    assert prompt.vision.keys() == expected.keys() - {*PER_TOKEN_KEYS}
    assert all(torch.equal(value, expected[name]) for name, value in prompt.vision.items())
    if model.token_kinds_name:
        assert torch.equal(prompt.token_kinds, expected[model.token_kinds_name][0])


@every_family
@pytest.mark.parametrize("make", MAKERS)
def test_scores_and_gradients_are_those_of_plain_transformers(load_family, family_folder, family, make):
    model = load_family(family)
    prompt = model.encode([make()])[0]
    ids = [40, 41, 42, 2]
    expected, module = plain_logprobs(family_folder(family), prompt, ids)
    (expected * torch.linspace(0.5, 1.5, len(ids))).sum().backward()
    expected_gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    for path in {"plain", model.scoring_path}:
        scores = model.score([Group(prompt, [ids])], path=path)
        torch.testing.assert_close(scores.logprobs_NT[0], expected, atol=1e-5, rtol=0)
        assert_same_gradients(expected_gradients, gradients(model, scores), 1e-4)


@every_family
def test_prompts_encoded_together_are_those_encoded_alone(load_family, family, monkeypatch):
    model, samples = load_family(family), [make() for make in MAKERS for _ in range(2)]
    monkeypatch.setattr(models.encode, "TOGETHER", 4)
    for view in (None, PatchBlack()):
        for asker, together in zip(samples, model.encoder.encode_all(samples, view, 5), strict=True):
            alone = model.encoder.encode(asker, view, 5)
            assert torch.equal(together.ids, alone.ids) and together.vision.keys() == alone.vision.keys()
            assert all(torch.equal(value, alone.vision[name]) for name, value in together.vision.items())
            assert (together.sample_id, together.text, together.key) == (alone.sample_id, alone.text, alone.key)
    words = model.encoder.encode_all([text_only(), text_only()])
    assert [prompt.vision for prompt in words] == [{}, {}]


@every_family
def test_a_view_changes_pixels_and_no_token(load_family, family):
    model = load_family(family)
    plain = model.encode([two_pictures()])[0]
    masked = model.encode([two_pictures()], PatchBlack())[0]
    placeholder = model.processor.image_token
    assert plain.text.count(placeholder) == len(plain.images) == 2 and masked.text == plain.text
    assert plain.text == model.processor.apply_chat_template(
        chat_messages(two_pictures(), "question_only"), add_generation_prompt=True, tokenize=False
    )
    assert torch.equal(plain.ids, masked.ids) and plain.token_kinds.sum() > 2
    assert plain.images[0].size == masked.images[0].size
    again = model.encoder.see_all([(two_pictures(), plain, 0)], PatchBlack())[0]
    assert torch.equal(again.ids, masked.ids) and again.vision.keys() == masked.vision.keys()
    assert all(torch.equal(value, masked.vision[name]) for name, value in again.vision.items())
    assert [image.tobytes() for image in again.images] == [image.tobytes() for image in masked.images]
    words = model.encode([text_only()])[0]
    (blank,) = model.encoder.see_all([(text_only(), words, 0)], Blank())
    assert torch.equal(blank.ids, words.ids)
    assert not torch.equal(plain.vision["pixel_values"], masked.vision["pixel_values"])


@every_family
def test_samples_seen_together_are_seen_as_each_alone(load_family, family):
    model = load_family(family)
    asked = [(make(), model.encode([make()])[0], draw) for make in MAKERS for draw in (0, 3)]
    view = PatchBlack()
    for (asker, clean, draw), seen in zip(asked, model.encoder.see_all(asked, view, seed=5), strict=True):
        alone = model.encoder.encode(asker, view, 5, draw)
        assert seen.sample_id == asker.id and torch.equal(seen.ids, alone.ids)
        assert seen.vision.keys() == alone.vision.keys() == clean.vision.keys()
        assert all(torch.equal(value, alone.vision[name]) for name, value in seen.vision.items())
        assert [image.tobytes() for image in seen.images] == [image.tobytes() for image in alone.images]


@every_family
def test_batching_does_not_change_scores(load_family, family):
    model = load_family(family)
    together = model.score(ragged_groups(model), path="plain")
    assert together.mask_NT.sum() == sum(len(ids) for group in RAGGED for ids in group)
    rows = [row for group in ragged_groups(model) for row in model.score([group], path="plain").logprobs_NT]
    for found, alone in zip(together.logprobs_NT, rows, strict=True):
        torch.testing.assert_close(found[: len(alone)], alone, atol=1e-5, rtol=0)


@every_sharing_family
def test_shared_prefix_equals_one_row_per_response(load_family, family):
    model = load_family(family)
    groups = ragged_groups(model)
    plain, shared = (model.score(groups, path=path, entropy=True) for path in ("plain", "shared"))
    torch.testing.assert_close(shared.logprobs_NT, plain.logprobs_NT, atol=1e-5, rtol=0)
    torch.testing.assert_close(shared.entropy_NT, plain.entropy_NT, atol=1e-5, rtol=0)
    assert_same_gradients(gradients(model, plain), gradients(model, shared), 1e-4)


@every_family
def test_sampler_and_scores_agree(load_family, family):
    model = load_family(family)
    prompts = [group.prompt for group in ragged_groups(model)]
    responses = model.sample(prompts, 2, SamplingSettings(max_new_tokens=6), seed=1)
    groups = [Group(p, [r.token_ids for r in responses[2 * i : 2 * i + 2]]) for i, p in enumerate(prompts)]
    scores = model.score(groups)
    for response, row in zip(responses, scores.logprobs_NT, strict=True):
        assert not set(response.token_ids) & set(model.forbidden_ids)
        torch.testing.assert_close(torch.tensor(response.logprobs), row[: len(response.logprobs)], atol=1e-5, rtol=0)


@every_family
def test_an_update_changes_the_weights_and_plain_transformers_loads_them(load_family, family, tmp_path):
    model = load_family(family)
    before = {name: p.clone() for name, p in model.module.named_parameters()}
    one_update(model)
    for name, parameter in model.module.named_parameters():
        if is_used(family, name):
            assert not torch.equal(parameter, before[name]), name
    model.save(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    prompt, ids = model.encode([two_pictures()])[0], [40, 41, 42]
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert plain.state_dict().keys() == model.module.state_dict().keys()
    assert all(torch.equal(value, model.module.state_dict()[name]) for name, value in plain.state_dict().items())
    found, _ = plain_logprobs(tmp_path, prompt, ids)
    torch.testing.assert_close(found, model.score([Group(prompt, [ids])]).logprobs_NT[0], atol=1e-5, rtol=0)


@every_family
@pytest.mark.parametrize("changes", [{}, {"freeze_vision": True}, {"lora": LoraSettings(4, 8, "all")}])
def test_recomputed_activations_give_the_same_gradients(load_family, family, changes, monkeypatch):
    """With the head in chunks too, as long answers have it; most families tie it to the embedding."""
    results = []
    for numbers, recompute in ((1 << 25, False), (5 * 500, True)):
        monkeypatch.setattr(models.head, "CHUNK_NUMBERS", numbers)
        model = load_family(family, gradient_checkpointing=recompute, **changes)
        results.append(gradients(model, model.score(ragged_groups(model))))
        assert not any(part.training for part in model.module.modules())
    assert_same_gradients(*results, 1e-4)
    assert results[0]


@every_family
def test_a_frozen_tower_leaves_the_language_model_as_it_learns(load_family, family):
    model, frozen = load_family(family), load_family(family, freeze_vision=True)
    language = language_path(model.module)
    expected = gradients(model, model.score(ragged_groups(model)))
    assert any(not is_language(name, language) for name in expected)
    assert_same_gradients(
        {name: value for name, value in expected.items() if is_language(name, language)},
        gradients(frozen, frozen.score(ragged_groups(frozen))),
        1e-4,
    )
    assert {name for name, p in frozen.module.named_parameters() if p.requires_grad} == {
        name for name, _ in frozen.module.named_parameters() if is_language(name, language)
    }


@every_family
def test_a_batch_without_pictures_can_still_use_the_vision_tower(load_family, family):
    model = load_family(family)
    groups = [Group(model.encode([text_only()])[0], [[40, 41, 2], [50]])]
    alone, accompanied = model.score(groups), model.score(groups, with_picture=True)
    torch.testing.assert_close(accompanied.logprobs_NT, alone.logprobs_NT, atol=1e-5, rtol=0)
    language, found = language_path(model.module), gradients(model, accompanied)
    vision = {name for name, _ in model.module.named_parameters() if not is_language(name, language)}
    used = {name for name in vision if is_used(family, name)}
    assert used and used <= found.keys() and not any(found[name].any() for name in used)


def test_layers_really_recompute(load_family):
    model, calls = load_family("qwen3_vl", gradient_checkpointing=True), []
    model.module.model.language_model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    scores = model.score(ragged_groups(model))
    assert len(calls) == 1
    gradients(model, scores)
    assert len(calls) == 2


def test_a_family_without_fast_paths_says_so_once(load_family, capsys):
    models.loader.log_once.cache_clear()
    for _ in range(2):
        assert load_family("idefics3", freeze_vision=True).scoring_path == "plain"
    said = capsys.readouterr().err
    assert said.count("family idefics3 is scored and sampled one row per response") == 1 and "passes again" in said
    assert load_family("qwen2_vl").scoring_path == "shared" and not capsys.readouterr().err
    assert load_family("qwen2_vl", scoring="plain").scoring_path == "plain"
    assert "model.scoring=plain asks for it" in capsys.readouterr().err
    with pytest.raises(UserError, match="does not fit family idefics3"):
        load_family("idefics3", scoring="shared")


@every_sharing_family
def test_kl_between_two_views_is_that_of_whole_distributions(load_family, family):
    """And its gradients, whichever way the scores are made."""
    model, results = load_family(family), []
    groups, view = ragged_groups(model), Blank()
    prompts = model.encode([sample("train", "counting", 1), text_only(), two_pictures()], view)
    masked = [Group(prompt, group.responses) for prompt, group in zip(prompts, groups, strict=True)]
    for path in ("plain", "shared"):
        scores = model.score(groups, against={"blank": masked}, compare=["kl"], path=path).views["blank"]
        model.module.zero_grad()
        scores.kl_NT.sum().backward()
        results.append((scores, {n: p.grad.clone() for n, p in model.module.named_parameters() if p.grad is not None}))
    (plain, expected), (shared, found) = results
    torch.testing.assert_close(shared.kl_NT, plain.kl_NT, atol=1e-5, rtol=0)
    assert_same_gradients(expected, found, 1e-4)
    # By hand, from whole logits: the first answer's last token.
    logits = [
        model.module(
            input_ids=torch.cat([p.ids, torch.tensor(groups[0].responses[0])])[None],
            mm_token_type_ids=torch.cat([p.token_kinds, torch.zeros(3, dtype=torch.long)])[None],
            **p.vision,
        )
        .logits[0, -2]
        .log_softmax(-1)
        for p in (groups[0].prompt, prompts[0])
    ]
    by_hand = (logits[0].exp() * (logits[0] - logits[1])).sum()
    torch.testing.assert_close(shared.kl_NT[0, 2], by_hand, atol=1e-5, rtol=0)
    assert not shared.kl_NT[3].any() and by_hand > 0  # without a picture the views are one


def test_a_family_that_changes_its_logits_is_refused(load_family):
    module = load_family("idefics3").module
    module.register_forward_hook(lambda module, inputs, output: output.__setitem__("logits", output.logits * 2))
    with pytest.raises(UserError, match="changes its logits"):
        check_head(module)
    module.config.is_encoder_decoder = True
    with pytest.raises(UserError, match="is not a decoder and an output layer"):
        check_head(module)


@pytest.mark.parametrize("name", REFUSED)
def test_a_family_that_cannot_be_batched_is_refused(tmp_path, name):
    builder, said = REFUSED[name]
    write_family(builder, tmp_path)
    with pytest.raises(UserError, match=said):
        load(tiny_settings(tmp_path))


def test_ends_and_forbidden_tokens_come_from_tokenizer_configuration_and_processor(load_family):
    model = load_family("idefics3")
    assert model.eos_ids == [model.tokenizer.eos_token_id]
    pictures = model.tokenizer.convert_tokens_to_ids(["<image>", "<fake_token_around_image>"])
    assert model.forbidden_ids == sorted([*pictures, model.pad_id])
