"""Sampling: neutral, seeded, without forbidden tokens, with log-probs that the trainer agrees with."""

import dataclasses

import pytest
import torch

from configs import UserError
from data.mini.world import sample
from models.loader import load
from models.scoring import Group
from models.settings import ModelSettings, SamplingSettings
from tests.conftest import tiny_settings

SETTINGS = SamplingSettings(max_new_tokens=12, batch=8)


def prompts(model, count: int = 3):
    return model.encode([sample("train", "counting", i) for i in range(count)])


def test_responses_come_in_order_and_repeat_under_the_same_seed(random_tiny):
    first = random_tiny.sample(prompts(random_tiny), 4, SETTINGS, seed=3)
    assert [(r.sample_id[-1], r.k) for r in first] == [(str(i), k) for i in range(3) for k in range(4)]
    assert first == random_tiny.sample(prompts(random_tiny), 4, SETTINGS, seed=3)
    assert first != random_tiny.sample(prompts(random_tiny), 4, SETTINGS, seed=4)


def test_forbidden_tokens_never_appear_even_if_the_model_wants_them(random_tiny):
    with torch.no_grad():  # an image token as likely as can be: its embedding is the output row (tied)
        weights = random_tiny.module.lm_head.weight
        weights[random_tiny.image_token_id] = 10 * weights.abs().max() * torch.sign(weights[40])
    responses = random_tiny.sample(prompts(random_tiny), 8, SETTINGS, seed=0)
    assert not {token for r in responses for token in r.token_ids} & set(random_tiny.forbidden_ids)


def test_sampler_and_trainer_agree_on_log_probs(random_tiny):
    settings = dataclasses.replace(SETTINGS, temperature=0.8)
    encoded = prompts(random_tiny)
    responses = random_tiny.sample(encoded, 2, settings, seed=1)
    groups = [Group(p, [r.token_ids for r in responses[2 * i : 2 * i + 2]]) for i, p in enumerate(encoded)]
    with torch.no_grad():  # the sampler's distribution leaves the forbidden tokens out, so the head does too here
        mask = torch.zeros(random_tiny.module.config.text_config.vocab_size)
        mask[random_tiny.forbidden_ids] = -1e9
        random_tiny.module.lm_head.register_forward_hook(lambda module, inputs, logits: logits + mask)
        scores = random_tiny.score(groups, temperature=0.8)
    for response, row in zip(responses, scores.logprobs_NT, strict=True):
        gap = (torch.tensor(response.logprobs) - row[: len(response.logprobs)]).abs().max()
        assert gap < 1e-5


def test_greedy_sampling_ignores_the_seed(random_tiny):
    greedy = dataclasses.replace(SETTINGS, temperature=0.0)
    texts = [[r.token_ids for r in random_tiny.sample(prompts(random_tiny), 1, greedy, seed=s)] for s in (0, 1)]
    assert texts[0] == texts[1]


def test_a_cut_response_says_so(random_tiny):
    responses = random_tiny.sample(prompts(random_tiny), 8, dataclasses.replace(SETTINGS, max_new_tokens=2), seed=0)
    for response in responses:
        assert (response.finish_reason == "stop") == (response.token_ids[-1] in random_tiny.eos_ids)
    assert any(response.finish_reason == "length" for response in responses)


def test_an_image_token_in_a_stored_response_is_refused(random_tiny):
    with pytest.raises(UserError, match="mini/1/train/counting/7 contains an image token"):
        random_tiny.encoder.response_ids("mini/1/train/counting/7", [5, random_tiny.image_token_id])


def test_long_prompts_are_left_out_and_named(random_tiny):
    random_tiny.settings.max_prompt_tokens = 40
    samples = [sample("train", "counting", 0), sample("train", "word", 0)]
    kept, encoded, too_long = random_tiny.encoder.encode_within_limit(samples)
    assert [s.id for s in kept] == [samples[0].id] and len(encoded) == 1 and too_long == [samples[1].id]


def test_what_is_saved_is_what_plain_transformers_loads(random_tiny, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    random_tiny.save(tmp_path)
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), random_tiny.module.parameters(), strict=True))
    assert AutoProcessor.from_pretrained(tmp_path).tokenizer.decode([40]) == random_tiny.tokenizer.decode([40])
    assert not list(tmp_path.glob("*.bin"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": ""}, "has no path"),
        ({"path": "models/none"}, "does not exist"),
        ({"dtype": "int3"}, "use float32 or"),
    ],
)
def test_wrong_model_settings_get_a_sentence(random_tiny_folder, change, said):
    with pytest.raises(UserError, match=said):
        load(dataclasses.replace(tiny_settings(random_tiny_folder), **change))


def test_the_tiny_model_is_small_and_an_ordinary_qwen3_vl(random_tiny):
    parameters = sum(p.numel() for p in random_tiny.module.parameters())
    assert random_tiny.family == "qwen3_vl" and 1.5e6 < parameters < 2.5e6
    assert isinstance(random_tiny.settings, ModelSettings)


def test_the_tokenizer_keeps_any_text_and_spends_one_token_on_a_word(random_tiny):
    tokenizer = random_tiny.tokenizer
    for text in ("The width is 4 .", "<think> look : red = 3 </think> \\boxed{3}", "Grüße, 世界!\n\n"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer("How many purple objects are there ?")["input_ids"]) == 7
