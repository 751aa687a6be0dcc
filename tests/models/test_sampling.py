"""Sampling: neutral, seeded, without forbidden tokens, with log-probs that the trainer agrees with."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from common import UserError
from data.mini.world import sample
from models.engine import Wanted
from models.engines import HfEngine, make_engine
from models.loader import load
from models.parts import Group
from models.sampling import TokenDraw, chance, left_padded
from models.settings import EngineSettings, ModelSettings, SamplingSettings
from models.weights import named_weights
from tests.conftest import tiny_settings
from tests.models.families import every_family
from tests.models.ragged import ragged_groups

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
    settings = dataclasses.replace(SETTINGS, temperature=0.8, top_p=0.9, top_k=50)
    encoded = prompts(random_tiny)
    responses = random_tiny.sample(encoded, 2, settings, seed=1)
    groups = [Group(p, [r.token_ids for r in responses[2 * i : 2 * i + 2]]) for i, p in enumerate(encoded)]
    with torch.no_grad():
        scores = random_tiny.score(groups, temperature=0.8)
    for response, row in zip(responses, scores.logprobs_NT, strict=True):
        gap = (torch.tensor(response.logprobs) - row[: len(response.logprobs)]).abs().max()
        assert gap < 1e-5


@pytest.mark.parametrize("change", [{}, {"top_p": 0.9}, {"top_k": 20}, {"temperature": 0.7}])
def test_a_response_does_not_depend_on_its_neighbours(random_tiny, change):
    settings = dataclasses.replace(SETTINGS, **change)
    plain = dataclasses.replace(sample("train", "word", 0), id="plain", question="Is 4 more than 3 ?", images=())
    encoded = [*prompts(random_tiny), *random_tiny.encode([plain, sample("train", "word", 0)])]
    together = {(r.sample_id, r.k): r for r in random_tiny.sample(encoded, 3, settings, seed=3)}
    turned = random_tiny.sample(encoded[::-1], 3, dataclasses.replace(settings, batch=5), seed=3)
    alone = random_tiny.sample(encoded[1:2], 2, dataclasses.replace(settings, batch=1), seed=3)
    for response in [*turned, *alone]:
        other = together[response.sample_id, response.k]
        assert response.token_ids == other.token_ids and response.text == other.text
        assert response.logprobs == pytest.approx(other.logprobs, abs=1e-5)


@every_family
def test_a_batch_gives_what_each_prompt_gets_alone(load_family, family):
    """Prompts with one picture, without and with two; several responses to each."""
    model = load_family(family)
    encoded = [group.prompt for group in ragged_groups(model)]
    settings = dataclasses.replace(SETTINGS, batch=9)
    together = model.sample(encoded, 3, settings, seed=3)
    alone = [
        response
        for prompt in encoded
        for k in range(3)
        for response in model.sample([prompt], 3, settings, seed=3, numbers=[[k]])
    ]
    for one, other in zip(together, alone, strict=True):
        assert (one.sample_id, one.k, one.token_ids) == (other.sample_id, other.k, other.token_ids)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert len({tuple(one.token_ids) for one in together}) > 6


@every_family
def test_one_call_gives_each_prompt_the_numbers_that_it_wants(load_family, family):
    """As many to each, but others: answers on the picture and on its noisy view are sampled together."""
    model = load_family(family)
    first, *rest = [group.prompt for group in ragged_groups(model)]
    wanted = [Wanted(first, [0, 1]), *(Wanted(one, [5]) for one in rest), Wanted(first, [2, 3], "noisy")]
    wanted += wanted[:1]  # a problem may be drawn twice
    found = HfEngine(model).sample_each(wanted, SETTINGS, seed=3)
    assert [[(r.sample_id, r.k, r.view) for r in own] for own in found] == [
        [(one.prompt.sample_id, k, one.view) for k in one.numbers] for one in wanted
    ]
    alone = model.sample([first], 4, SETTINGS, seed=3)
    assert found[-1] == found[0]
    for one, other in zip([*found[0], *found[-2]], alone, strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_equal_prompts_with_other_names_get_other_responses(random_tiny):
    first = prompts(random_tiny, 1)[0]
    renamed = dataclasses.replace(first, sample_id="another")
    one, other = random_tiny.sample([first, renamed], 1, SETTINGS, seed=0)
    assert one.token_ids != other.token_ids


def expected_shares(logits_V: torch.Tensor, settings: SamplingSettings, forbidden: list[int]) -> torch.Tensor:
    """The distribution by the book: forbid, temperature, top-k, then top-p, one token at a time."""
    shares_V = logits_V.double().clone()
    shares_V[forbidden] = -torch.inf
    shares_V = (shares_V / settings.temperature).softmax(-1)
    order = shares_V.argsort(descending=True).tolist()[: settings.top_k or None]
    kept, reached = [], 0.0
    for token in order:
        if reached >= settings.top_p * float(shares_V[order].sum()):
            break
        kept.append(token)
        reached += float(shares_V[token])
    return torch.zeros_like(shares_V).index_copy_(0, torch.tensor(kept), shares_V[kept] / shares_V[kept].sum())


@pytest.mark.parametrize(
    "change", [{}, {"top_p": 0.5}, {"top_k": 7}, {"temperature": 0.5}, {"top_p": 0.6, "top_k": 9, "temperature": 1.5}]
)
def test_tokens_follow_the_distribution(random_tiny, change):
    settings, encoded, count = dataclasses.replace(SETTINGS, **change), prompts(random_tiny, 1), 4000
    with torch.no_grad():  # the random model is nearly uniform: sharper, so that cutting changes something
        inputs = {**left_padded(encoded, random_tiny.pad_id, random_tiny.token_kinds_name), **encoded[0].vision}
        logits_V = 4 * random_tiny.module(**inputs).logits[0, -1]
    expected_V = expected_shares(logits_V, settings, random_tiny.forbidden_ids)
    numbers_N1 = torch.from_numpy(np.stack([chance(11, encoded[0].sample_id, k, 1) for k in range(count)]))
    draw = TokenDraw(numbers_N1, settings, random_tiny.forbidden_ids)
    drawn_N = draw(torch.zeros(count, 1), logits_V.expand(count, -1)).argmax(-1)
    observed_V = torch.bincount(drawn_N, minlength=len(expected_V))
    assert not observed_V[expected_V == 0].any()
    common_V = count * expected_V >= 5
    observed = [*observed_V[common_V].tolist(), int(observed_V[~common_V].sum())]
    expected = [*(count * expected_V[common_V]).tolist(), count * float(expected_V[~common_V].sum())]
    rare = expected[-1] > 0
    assert len(observed) > 4 and rare == ("top_k" not in change and "top_p" not in change)
    pieces = slice(None, None if rare else -1)
    assert chisquare(observed[pieces], expected[pieces], sum_check=False).pvalue > 1e-3


def test_the_last_allowed_token_is_the_limit_of_the_draw():
    settings = SamplingSettings()
    draw = TokenDraw(torch.tensor([[1.0], [0.0], [1 - 2.0**-53]], dtype=torch.float64), settings, [0, 3])
    chosen_NV = draw(torch.zeros(3, 1), torch.tensor([[9.0, 1.0, 2.0, 9.0]] * 3))
    assert chosen_NV.argmax(-1).tolist() == [2, 1, 2] and (chosen_NV == 0).sum() == 3


@pytest.mark.parametrize("path", ["shared", "plain"])
def test_nothing_comes_from_the_models_generation_config(random_tiny, path):
    random_tiny.scoring_path = path
    expected = random_tiny.sample(prompts(random_tiny), 2, SETTINGS, seed=3)
    theirs = random_tiny.module.generation_config
    theirs.update(repetition_penalty=5.0, no_repeat_ngram_size=1, do_sample=True, temperature=0.1, top_k=1)
    random_tiny.module.train()
    assert random_tiny.sample(prompts(random_tiny), 2, SETTINGS, seed=3) == expected
    assert random_tiny.module.training and random_tiny.module.generation_config is theirs


def test_greedy_sampling_ignores_the_seed(random_tiny):
    greedy = dataclasses.replace(SETTINGS, temperature=0.0)
    one, two = ([r.token_ids for r in random_tiny.sample(prompts(random_tiny), 2, greedy, seed=s)] for s in (0, 1))
    assert one == two and one[0] == one[1]


def test_a_cut_response_says_so(random_tiny):
    responses = random_tiny.sample(prompts(random_tiny), 8, dataclasses.replace(SETTINGS, max_new_tokens=2), seed=0)
    for response in responses:
        assert (response.finish_reason == "stop") == (response.token_ids[-1] in random_tiny.eos_ids)
    assert any(response.finish_reason == "length" for response in responses)


def test_an_image_token_in_a_stored_response_is_refused(random_tiny):
    with pytest.raises(UserError, match="mini/2/train/counting/7 contains an image token"):
        random_tiny.encoder.response_ids("mini/2/train/counting/7", [5, random_tiny.image_token_id])


def test_a_long_prompt_does_not_fit(random_tiny):
    random_tiny.encoder.settings = replace(random_tiny.settings, max_prompt_tokens=50)
    encoded = random_tiny.encode([sample("train", "counting", 0), sample("train", "word", 0)])
    assert [random_tiny.encoder.fits(prompt) for prompt in encoded] == [True, False]


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


def test_an_engine_without_a_copy_is_the_policy_itself(random_tiny):
    engine = make_engine(random_tiny, EngineSettings(), SETTINGS)
    engine.sync([])
    assert engine.sample(prompts(random_tiny), 2, SETTINGS, seed=3) == random_tiny.sample(
        prompts(random_tiny), 2, SETTINGS, seed=3
    )


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "llava_onevision"])  # not qwen3_vl: other names on disk
def test_an_own_copy_follows_only_by_sync(family, load_family):
    model = load_family(family)
    engine = make_engine(model, EngineSettings(), SETTINGS, own_copy=True)
    encoded = prompts(model)
    before = engine.sample(encoded, 2, SETTINGS, seed=3)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.3)
    assert engine.sample(encoded, 2, SETTINGS, seed=3) == before
    engine.sync(named_weights(model.module))
    assert engine.sample(encoded, 2, SETTINGS, seed=3) == model.sample(encoded, 2, SETTINGS, seed=3) != before
