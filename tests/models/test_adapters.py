"""Adapters: where they sit, that they alone learn, and that switched off they are the model that was loaded."""

import copy

import pytest
import torch
from transformers import AutoModelForImageTextToText

from common import UserError
from models.parts import Group
from models.settings import LoraSettings
from tests.models.families import every_family, is_used
from tests.models.ragged import gradients, one_update, ragged_groups

LORA = LoraSettings(4, 8)
PROJECTIONS = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


def adapted(model) -> set[str]:
    return {name.split(".lora_A")[0] for name, _ in model.module.named_parameters() if ".lora_A." in name}


@every_family
def test_language_adapters_sit_on_the_language_models_projections_only(load_family, family):
    model = load_family(family, lora=LORA)
    language = "model.text_model" if family == "idefics3" else "model.language_model"
    layers = range(model.module.config.get_text_config().num_hidden_layers)
    expected = {
        f"{language}.layers.{i}.{'mlp' if p in ('down_proj', 'gate_proj', 'up_proj') else 'self_attn'}.{p}"
        for i in layers
        for p in PROJECTIONS
    }
    assert adapted(model) == expected
    assert {n for n, p in model.module.named_parameters() if p.requires_grad} == {
        n for n, _ in model.module.named_parameters() if ".lora_" in n
    }


@every_family
def test_all_also_takes_the_vision_tower_and_never_the_head(load_family, family):
    language, everything = (adapted(load_family(family, lora=LoraSettings(4, 8, t))) for t in ("language", "all"))
    vision = everything - language
    assert vision and not any("language" in name or "lm_head" in name or "embed_tokens" in name for name in vision)
    model = load_family(family, lora=LoraSettings(4, 8, "all"))
    found = gradients(model, model.score(ragged_groups(model)))
    assert all(found[f"{name}.lora_B.default.weight"].any() for name in vision if is_used(family, name + "."))


@every_family
def test_only_adapters_move_and_switched_off_they_are_the_reference(load_family, family):
    model, reference = load_family(family, lora=LORA), load_family(family)
    groups = ragged_groups(model)
    expected = reference.score(groups).logprobs_NT
    torch.testing.assert_close(model.score(groups).logprobs_NT, expected, atol=1e-6, rtol=0)
    before = {name: p.clone() for name, p in model.module.named_parameters()}
    one_update(model)
    moved = {name for name, p in model.module.named_parameters() if not torch.equal(p, before[name])}
    assert moved and all(".lora_" in name for name in moved)
    with torch.no_grad(), model.without_adapters():
        torch.testing.assert_close(model.score(groups).logprobs_NT, expected, atol=1e-6, rtol=0)
    assert (model.score(groups).logprobs_NT - expected).abs().max() > 1e-3
    assert all(p.requires_grad for n, p in model.module.named_parameters() if ".lora_" in n)


def test_adapters_are_the_same_in_every_run_and_leave_chance_alone(load_family):
    torch.manual_seed(7)
    first = load_family("qwen3_vl", lora=LORA).module.state_dict()
    state = torch.get_rng_state()
    torch.manual_seed(8)
    second = load_family("qwen3_vl", lora=LORA).module.state_dict()
    assert all(torch.equal(first[name], value) for name, value in second.items())
    torch.manual_seed(7)
    load_family("qwen3_vl")
    assert torch.equal(state, torch.get_rng_state())


@every_family
def test_saved_weights_hold_the_adapters_and_peft_reads_them_alone(load_family, family, tmp_path):
    from peft import PeftModel

    model = load_family(family, lora=LoraSettings(4, 8, "all"))
    one_update(model)
    before = copy.deepcopy(model.module.state_dict())
    model.save(tmp_path)
    assert all(torch.equal(before[name], value) for name, value in model.module.state_dict().items())
    expected = model.score(ragged_groups(model)).logprobs_NT

    merged = load_family(family, path=str(tmp_path))
    torch.testing.assert_close(merged.score(ragged_groups(merged)).logprobs_NT, expected, atol=2e-5, rtol=0)

    base = AutoModelForImageTextToText.from_pretrained(model.settings.path)
    wrapped = PeftModel.from_pretrained(base, tmp_path / "adapter")
    for name, value in wrapped.base_model.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_adapters_in_a_frozen_tower_are_refused(load_family):
    with pytest.raises(UserError, match="contradict each other"):
        load_family("qwen3_vl", lora=LoraSettings(4, 8, "all"), freeze_vision=True)


def test_a_response_is_sampled_with_adapters(load_family):
    from models.settings import SamplingSettings

    model = load_family("qwen2_5_vl", lora=LORA)
    one_update(model)
    prompt = ragged_groups(model)[0].prompt
    response = model.sample([prompt], 1, SamplingSettings(max_new_tokens=5), seed=0)[0]
    scores = model.score([Group(prompt, [response.token_ids])]).logprobs_NT[0]
    torch.testing.assert_close(torch.tensor(response.logprobs), scores, atol=1e-5, rtol=0)
