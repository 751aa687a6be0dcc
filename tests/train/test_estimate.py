"""The arithmetic against published counts, hand-worked numbers, and what can be measured on the tiny model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common import UserError
from configs import command, compose, load_resolved
from configs.compose import ROOT
from configs.groups import groups_of
from data.sources import DataSettings, Samples
from models.assumed import ASSUMED
from models.loader import VisionLanguageModel, load
from models.parts import Group
from models.settings import ModelSettings
from models.shape import Shape, read_shape
from train.estimate import activations, estimate, packed_keys, token_bytes, walk
from train.estimate_text import print_estimate, render
from train.settings import TrainSettings

SHAPES = ROOT / "models" / "shapes"
PUBLISHED = {"qwen2_5_vl_3b": 3_754_622_976, "qwen2_5_vl_7b": 8_292_166_656, "qwen3_vl_2b": 2_127_532_032}
BIG = [
    "parallel.backend=deepspeed",
    "parallel.offload=none",
    "rollouts.engine.kind=vllm",
    "model.gradient_checkpointing=true",
]


def settings_of(*overrides: str) -> TrainSettings:
    return compose(TrainSettings, list(overrides))


@pytest.fixture(scope="module")
def seven() -> Shape:
    return read_shape(settings_of("scale=7b").model)


def test_every_kept_shape_builds_and_has_the_published_number_of_parameters() -> None:
    files = {path.stem: json.loads(path.read_text()) for path in SHAPES.glob("*.json")}
    assert files.keys() == PUBLISHED.keys()
    for name, total in PUBLISHED.items():
        for hub_id in files[name]["hub_ids"]:
            assert read_shape(ModelSettings(path=hub_id)).total == total


def test_shapes_are_no_choices_of_the_model_group() -> None:
    assert not [name for name in groups_of(TrainSettings, ROOT)["model"].files() if "shapes" in name]


def test_counts_of_the_7b_by_hand(seven: Shape) -> None:
    attention = 2 * 3584 * 3584 + 3584 + 2 * (3584 * 512 + 512)
    layer = attention + 3 * 3584 * 18944 + 2 * 3584
    assert seven.language == 28 * layer + 3584
    assert seven.embeddings == 2 * 152064 * 3584
    assert (seven.trainable, seven.vision) == (8_292_166_656, 676_550_144)


def test_tiny_counts_equal_the_loaded_model(shipped_tiny: VisionLanguageModel) -> None:
    shape = read_shape(settings_of("scale=mini").model)
    assert shape.total == sum(p.numel() for p in shipped_tiny.module.parameters()) == shape.trainable


def test_lora_and_a_frozen_tower_learn_less(seven: Shape) -> None:
    frozen = read_shape(settings_of("scale=7b", "model.freeze_vision=true").model)
    assert frozen.trainable == seven.total - seven.vision
    adapters = read_shape(settings_of("scale=7b", "model.lora.rank=64").model)
    sides = 2 * 7168 + 2 * (3584 + 512) + 3 * (3584 + 18944)  # q and o, k and v, the three of the MLP
    assert adapters.trainable == 28 * 64 * sides
    both = read_shape(settings_of("scale=7b", "model.lora.rank=64", "model.lora.targets=all").model)
    assert both.trainable > adapters.trainable


def test_zero_bytes_of_the_7b_by_hand(seven: Shape) -> None:
    zero = estimate(settings_of("scale=7b", *BIG), 8, seven).zero
    p = 8_292_166_656
    assert [zero[stage].weights for stage in range(4)] == [2 * p, 2 * p, 2 * p, 2 * p / 8]
    assert [zero[stage].gradients for stage in range(4)] == [2 * p, 4 * p, 4 * p / 8, 4 * p / 8]
    assert [zero[stage].optimiser for stage in range(4)] == [12 * p, 12 * p / 8, 12 * p / 8, 12 * p / 8]
    assert [zero[stage].reference for stage in range(4)] == [2 * p, 2 * p, 2 * p, 2 * p / 8]
    assert zero[0].refused and not zero[1].refused
    assert zero[3].sampling == pytest.approx(2 * 2 * p / 8 + 12 * p / 8 + (0.6 * 80 + 6) * 2**30)


def test_float32_keeps_no_master_copy() -> None:
    settings = settings_of("scale=mini")
    model = load(settings.model)
    optimizer = torch.optim.AdamW(model.module.parameters())
    sum(p.sum() for p in model.module.parameters()).backward()
    optimizer.step()
    moments = sum(s[name].nbytes for s in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq"))
    gradients = sum(p.grad.nbytes for p in model.module.parameters())
    zero = estimate(settings, 1).zero[0]
    assert (zero.optimiser, zero.gradients, zero.refused) == (moments, gradients, False)


def test_offload_moves_bytes_to_the_host(seven: Shape) -> None:
    near = estimate(settings_of("scale=7b", *BIG), 4, seven).zero[3]
    optimiser = estimate(settings_of("scale=7b", *BIG, "parallel.offload=optimizer"), 4, seven).zero[3]
    everything = estimate(settings_of("scale=7b", *BIG, "parallel.offload=all"), 4, seven).zero[3]
    assert optimiser.host == near.optimiser + near.gradients and optimiser.weights == near.weights
    assert everything.host == optimiser.host + near.weights + near.reference
    # engine hf keeps a whole copy beside cut weights, and with adapters no reference is loaded
    copied = estimate(settings_of("scale=7b", *BIG, "rollouts.engine.kind=hf"), 4, seven).zero
    assert copied[3].learning - near.learning == 2 * seven.total
    assert estimate(settings_of("scale=7b", *BIG, "model.lora.rank=8"), 4, seven).zero[2].reference == 0
    assert near.learning > optimiser.learning > everything.learning


def test_a_token_of_the_7b_leaves_this_much_behind(seven: Shape) -> None:
    # 43,008 of the norms, 32,768 of the attention, 165,888 of what enters the linear layers
    assert token_bytes(3584, 3584, 512, 4 * 18944, size=2) == 241_664
    kept = activations(seven, 1000, 0, 2, checkpointing=False, vision=True)
    assert kept == 28 * 241_664 * 1000
    assert activations(seven, 1000, 0, 2, checkpointing=True, vision=True) == 28 * 3584 * 2 * 1000 + 241_664 * 1000


def measured_activations(model: VisionLanguageModel, groups: list[Group]) -> int:
    """Bytes that autograd keeps for the backward pass, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.module.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.score(groups)
    return sum(t.untyped_storage().nbytes() for address, t in kept.items() if address not in weights)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_are_near_what_autograd_keeps(dtype: str) -> None:
    settings = settings_of("scale=mini", f"model.dtype={dtype}").model
    model = load(settings)
    size = torch.finfo(model.module.dtype).bits // 8
    prompts = model.encode(Samples(DataSettings(), 0).take(0, 4))
    groups = [Group(prompt, [list(range(20, 60))] * 5) for prompt in prompts]
    prompt_length = max(len(prompt.ids) for prompt in prompts)
    length = prompt_length + 5 * 39
    patches = sum(len(prompt.vision["pixel_values"]) for prompt in prompts)
    shape = read_shape(settings)
    logits = 4 * 5 * 40 * shape.vocabulary * 4  # counted apart, as are the responses' copies of their prompt's keys
    beside = logits + shape.layers * 4 * 5 * packed_keys(shape, prompt_length + 39, size)
    model.module.train()
    measured = measured_activations(model, groups) - beside
    expected = activations(shape, 4 * length, patches, size, checkpointing=False, vision=True)
    assert 0.8 < expected / measured < 1.1
    model.module.gradient_checkpointing_enable()
    assert 2 * (measured_activations(model, groups) - beside) < measured


def test_flops_of_one_row_by_hand(seven: Shape) -> None:
    flops, tokens = walk(seven, rows=1, prompt=1408, responses=5, response=400)
    assert tokens == 3408
    pairs = 1408**2 / 2 + 5 * 400 * (1408 + 400 / 2)  # a response sees its prompt and what it has said itself
    layers = 2 * seven.language * 3408 + 28 * 4 * 3584 * pairs
    assert flops == layers + 2 * 152064 * 3584 * 2000


def test_passes_follow_the_method(seven: Shape) -> None:
    def names(*overrides: str) -> list[str]:
        return [one.name for one in estimate(settings_of("scale=7b", *overrides), 8, seven).passes]

    assert names("method=grpo") == ["sample", "old", "reference", "actor"]
    assert names("method=papo_g") == ["sample", "old", "reference", "masked", "actor"]
    assert names("method=grpo", "losses.reference_kl.coef=0") == ["sample", "old", "actor"]
    assert names("method=grpo", "optimiser.minibatch_prompts=384") == ["sample", "reference", "actor"]
    in_reward = ["optimiser.minibatch_prompts=384", "losses.reference_kl.place=reward"]
    assert names("method=grpo", *in_reward) == ["sample", "old", "reference", "actor"]


def test_a_gradient_through_both_views_keeps_both(seven: Shape) -> None:
    clean = estimate(settings_of("scale=7b", "method=papo_g"), 8, seven).activations
    both = estimate(settings_of("scale=7b", "method=papo_g", "losses.perception_kl.gradient=both"), 8, seven)
    assert both.activations == {flag: 2 * value for flag, value in clean.items()}
    names = {one.name: one for one in both.passes}
    assert names["masked"].flops == names["actor"].flops


def test_pictures_are_counted_at_their_upper_bound(seven: Shape) -> None:
    one = estimate(settings_of("scale=7b", "method=grpo"), 8, seven)
    assert one.image_tokens == 1280  # 1003520 / 28^2
    actor = one.passes[-1]
    assert actor.patches == 384 * 1280 * 4
    assert actor.tokens == 384 * (1280 + ASSUMED.text_tokens + 5 * ASSUMED.response_tokens)


@pytest.mark.parametrize(
    ("scale", "world", "method", "seconds"),
    [("3b", 2, "grpo", 360.9), ("3b", 2, "papo_g", 428.1), ("7b", 4, "grpo", 258.5), ("7b", 4, "papo_g", 367.1)],
)
def test_step_times_of_the_paper(scale: str, world: int, method: str, seconds: float) -> None:
    """PAPO's Table 14, whose code repeats the prompt for every response; the assumptions were set on these rows."""
    settings = settings_of(f"scale={scale}", f"method={method}", *BIG)
    one = estimate(settings, world, replace(read_shape(settings.model), shares_prefix=False))
    assert sum(p.seconds for p in one.passes) == pytest.approx(seconds, rel=0.25)


def test_the_published_models_pass_a_dry_run_and_small_gpus_are_marked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    overrides = ["scale=7b", "method=papo_g", *BIG, "parallel.zero_stage=3"]
    asked = [*overrides, "dry_run=true"]
    assert command(TrainSettings, "builtins:exit", asked, prog="p", summary="", dry=print_estimate) == 0
    out = capsys.readouterr().out
    (tmp_path / "dry.yaml").write_text(out)
    assert load_resolved(TrainSettings, tmp_path / "dry.yaml") == settings_of(*overrides)
    rows = {line.split()[1]: line for line in out.splitlines() if line.startswith(("#   1", "#   16"))}
    assert "no" in rows["1"] and "fits" in rows["16"]
    print_estimate(settings_of("scale=3b", "model=qwen2_5_vl_3b"))
    assert "3.75 B" in capsys.readouterr().out


def test_the_launcher_says_for_how_many_gpus(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "16")
    print_estimate(settings_of("scale=mini"))
    assert "a step on 16 GPUs" in capsys.readouterr().out
    monkeypatch.setenv("RANK", "3")
    print_estimate(settings_of("scale=mini"))
    assert capsys.readouterr().out == ""


def test_an_unknown_model_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="no shape of nobody/nothing"):
        read_shape(ModelSettings(path="nobody/nothing"))


def test_render_names_what_a_reader_looks_for(seven: Shape) -> None:
    text = render(estimate(settings_of("scale=7b", "method=papo_g", *BIG), 8, seven))
    for word in ("vision 676.55 M", "all 8.29 B", "masked", "gradient_checkpointing", "vllm 48.0", "logits 3.0"):
        assert word in text


def test_a_round_lasts_as_long_as_its_longest_response_on_any_number_of_gpus():
    """2,048 tokens at 10 ms are 20.5 s; on 2 GPUs throughput decides, on 8 and 16 the longest response."""
    settings = compose(TrainSettings, ["scale=3b", "method=papo_g"])
    shape = read_shape(settings.model)
    seconds = {gpus: estimate(settings, gpus, shape).passes[0].seconds for gpus in (2, 8, 16)}
    assert seconds[2] > 30 and 20.48 < seconds[16] < seconds[8] < 24


def test_3b_fits_the_two_gpus_of_the_papers_own_machine():
    settings = compose(TrainSettings, ["scale=3b", "method=papo_g"])
    assert estimate(settings, 2).zero[settings.parallel.zero_stage].fits
