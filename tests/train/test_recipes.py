"""The recipes against the tables and scripts they reproduce (arXiv 2507.06448, Tables 6, 8 and 10)."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from common import UserError
from configs import compose, load_resolved, save_resolved
from configs.groups import read_yaml
from models.settings import ModelSettings
from train.checks import check
from train.settings import OverlongSettings, TrainSettings

METHODS = sorted(path.stem for path in Path("configs/methods").glob("*.yaml"))
SCALES = sorted(path.stem for path in Path("configs/scales").glob("*.yaml"))


def depends_on_scale(method: str) -> bool:
    """Whether a recipe, or what it is based on, has settings of its own `at` a scale."""
    content = read_yaml(Path(f"configs/methods/{method}.yaml"), method)
    return "at" in content or ("based_on" in content and depends_on_scale(content["based_on"]))


# Every recipe at the mini scale; at the others those that differ there, and GRPO for the scale's own settings.
PAIRS = [
    (method, scale)
    for method in METHODS
    for scale in SCALES
    if scale == "mini" or method == "grpo" or depends_on_scale(method)
]


def recipe(method: str, scale: str) -> TrainSettings:
    """A recipe's settings; a method that learns from a teacher needs one to be named."""
    return compose(TrainSettings, [f"method={method}", f"scale={scale}", "teacher=tiny"])


@pytest.mark.parametrize(("method", "scale"), PAIRS)
def test_every_recipe_composes_and_checks(method, scale):
    settings = recipe(method, scale)
    check(settings)
    assert settings.method == method
    if settings.rollouts.filter and scale == "mini":
        assert settings.rollouts.filter.prompts <= settings.rollouts.prompts


class Row(NamedTuple):
    """A row of Table 6, with what the released scripts add; None where the paper has a dash."""

    method: str
    scales: tuple[str, ...]
    gamma: float | None
    eta: float | None
    masked_eta: float | None
    beta: float | None
    clip_low: float
    clip_high: float
    filtered: bool


BOTH, ALL = ("3b", "7b"), ("2b", "3b", "7b")
TABLE = [
    Row("grpo", ALL, None, None, None, 0.01, 0.2, 0.3, False),
    Row("papo_g", ("3b",), 0.02, None, None, 0.01, 0.2, 0.3, False),
    Row("papo_g", ("7b",), 0.02, 0.05, 0.05, 0.01, 0.2, 0.3, False),
    Row("papo_g", ("2b",), 0.01, None, None, 0.01, 0.2, 0.3, False),
    Row("dapo", BOTH, None, None, None, None, 0.2, 0.28, True),
    Row("papo_d", BOTH, 0.01, 0.03, 0.03, None, 0.2, 0.28, True),
    Row("grpo_no_kl", BOTH, None, None, None, None, 0.2, 0.3, False),  # Table 8
    Row("papo_g_no_kl", BOTH, 0.01, 0.03, 0.03, None, 0.2, 0.3, False),  # Table 8
    Row("dapo_entropy", ("7b",), None, 0.03, 0.0, None, 0.2, 0.28, True),  # Table 10
    Row("grpo_entropy", ("7b",), None, 0.05, 0.0, 0.01, 0.2, 0.3, False),  # the control: eta of PAPO_G-7B
    Row("grpo_7b_as_released", ("7b",), 0.01, None, None, 0.01, 0.2, 0.3, False),
    Row("papo_g_2b_as_released", ("2b",), None, None, None, 0.01, 0.2, 0.3, False),
]


@pytest.mark.parametrize(("row", "scale"), [(row, scale) for row in TABLE for scale in row.scales])
def test_coefficients_are_those_of_the_paper(row, scale):
    settings = recipe(row.method, scale)
    losses = settings.losses
    assert (losses.perception_kl.coef if losses.perception_kl else None) == row.gamma
    assert (losses.entropy.coef if losses.entropy else None) == row.eta
    assert (losses.entropy.masked_coef if losses.entropy else None) == row.masked_eta
    assert (losses.reference_kl.coef if losses.reference_kl else None) == row.beta
    assert (losses.ppo.clip_low, losses.ppo.clip_high, losses.ppo.dual_clip) == (row.clip_low, row.clip_high, 3.0)
    assert (losses.ppo.ratio, losses.average, settings.advantage.kind) == ("token", "token", "grpo")
    assert losses.constant == (["masked_entropy"] if row.masked_eta else [])
    assert {n: piece.weight for n, piece in settings.rewards.items()} == {"accuracy": 0.9, "format": 0.1}
    dynamic = settings.rollouts.filter
    assert (dynamic is not None) == row.filtered and settings.rollouts.overlong is None
    if dynamic:
        assert (dynamic.low, dynamic.high, dynamic.prompts, dynamic.rounds) == (0.01, 0.99, 128, 20)


@pytest.mark.parametrize("method", ["papo_g", "papo_d", "papo_g_no_kl"])
@pytest.mark.parametrize("scale", ALL)
def test_the_corruption_is_papos(method, scale):
    settings = recipe(method, scale)
    term, view = settings.losses.perception_kl, settings.views["masked"]
    assert (view.kind, view.size, view.ratio, view.draw, view.stage) == (
        "patch_black",
        14,
        0.6,
        "per_prompt",
        "before_resize",
    )
    assert (term.view, term.gradient, term.ratio, term.bound, term.end_coef) == (
        "masked",
        "clean",
        "masked_over_clean",
        10.0,
        None,
    )


@pytest.mark.parametrize(
    ("scale", "model", "stage"),
    [
        ("2b", "Qwen/Qwen3-VL-2B-Thinking", 2),
        ("3b", "Qwen/Qwen2.5-VL-3B-Instruct", 2),
        ("7b", "Qwen/Qwen2.5-VL-7B-Instruct", 3),
    ],
)
def test_scales_are_papos_runs(scale, model, stage):
    settings = recipe("grpo", scale)
    assert (settings.model.path, settings.model.dtype) == (model, "bfloat16")
    assert settings.model.gradient_checkpointing and settings.model.min_pixels == ModelSettings().min_pixels
    assert (settings.parallel.backend, settings.parallel.zero_stage) == ("deepspeed", stage)
    assert settings.rollouts.engine.kind == "vllm"
    assert (settings.rollouts.prompts, settings.rollouts.group, settings.optimiser.minibatch_prompts) == (384, 5, 128)
    assert (settings.rollouts.sampling.top_p, settings.rollouts.sampling.max_new_tokens) == (0.99, 2048)
    assert (settings.steps, settings.optimiser.learning_rate, settings.optimiser.weight_decay) == (202, 1e-6, 0.01)


def test_the_released_2b_branch_trains_grpo_and_nothing_else():
    broken, plain = recipe("papo_g_2b_as_released", "2b"), recipe("grpo", "2b")
    assert broken.losses == plain.losses and broken.views == plain.views


def test_controls_differ_from_papo_g_in_one_thing():
    both, printed, papo = (recipe(name, "3b").losses for name in ("papo_g_both", "papo_g_as_printed", "papo_g"))
    assert both.perception_kl.gradient == "both" and printed.perception_kl.ratio == "clean_over_masked"
    both = replace(both, perception_kl=replace(both.perception_kl, gradient="clean"))
    printed = replace(printed, perception_kl=replace(printed.perception_kl, ratio="masked_over_clean"))
    assert both == papo == printed
    assert recipe("papo_g_both", "7b").losses.constant == []  # there the masked entropy does carry gradient


@pytest.mark.parametrize(
    ("method", "kind", "average", "ratio", "clips", "kl"),
    [
        ("drgrpo", "drgrpo", "constant", "token", (0.2, 0.2, 0.0), None),
        ("rloo", "rloo", "token", "token", (0.2, 0.2, 3.0), (0.001, "reward")),
        ("reinforce_pp", "reinforce_pp", "token", "token", (0.2, 0.2, 0.0), (0.01, "reward")),
        ("reinforce_pp_baseline", "reinforce_pp_baseline", "token", "token", (0.2, 0.2, 0.0), (0.001, "reward")),
        ("gspo", "grpo", "response", "sequence", (0.0003, 0.0004, 0.0), None),
        ("dapo_full", "grpo", "token", "token", (0.2, 0.28, 10.0), None),
    ],
)
def test_base_algorithms(method, kind, average, ratio, clips, kl):
    settings = recipe(method, "3b")
    losses = settings.losses
    assert (settings.advantage.kind, losses.average, losses.ppo.ratio) == (kind, average, ratio)
    assert (losses.ppo.clip_low, losses.ppo.clip_high, losses.ppo.dual_clip) == clips
    assert (losses.reference_kl and (losses.reference_kl.coef, losses.reference_kl.place)) == kl
    assert losses.perception_kl is None and losses.entropy is None


def test_gspo_has_wider_clips_at_mini_scale():
    ppo = recipe("gspo", "mini").losses.ppo
    assert (ppo.clip_low, ppo.clip_high, ppo.ratio) == (0.003, 0.004, "sequence")


def test_dapos_own_penalty_covers_the_last_fifth():
    settings = recipe("dapo_full", "7b")
    assert settings.rollouts.overlong == OverlongSettings(buffer=410, factor=1.0)
    assert recipe("dapo_full", "mini").rollouts.overlong.buffer == round(56 / 5)


def test_a_record_of_a_retired_setting_opens_where_it_changed_nothing(tmp_path: Path) -> None:
    settings = compose(TrainSettings, ["method=papo_g"])
    path = tmp_path / "config.yaml"
    save_resolved(settings, path)
    text = path.read_text()
    older = text.replace("    bound: 10.0\n", "    bound: 10.0\n    keep: 1.0\n    only_correct: false\n")
    assert older != text
    path.write_text(older)
    assert load_resolved(TrainSettings, path) == settings
    path.write_text(older.replace("keep: 1.0", "keep: 0.4"))
    with pytest.raises(UserError, match=r"unknown setting 'losses\.perception_kl\.keep'"):
        load_resolved(TrainSettings, path)
