"""The parity gate lets equal engines pass and names what differs in others."""

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch

from common import UserError
from data.mini.world import sample
from models.engine import EnginePrompt
from models.engines import HfEngine, make_engine
from models.inputs import positions_of
from models.loader import load
from models.parity import GapWatch, gap_bound, parity
from models.settings import EngineSettings, SamplingSettings
from models.weights import named_weights
from tests.conftest import tiny_settings

SETTINGS = SamplingSettings(max_new_tokens=48, batch=16)
BASE = Path(__file__).parent.parent.parent / "models" / "tiny" / "base"


def prompts(model):
    one, other = sample("train", "counting", 0), sample("train", "counting", 1)
    plain = dataclasses.replace(one, id="plain", question="Is 4 more than 3 ?", images=())
    double = dataclasses.replace(
        one, id="double", question="<image> and <image> : how many ?", images=(*one.images, *other.images)
    )
    return model.encode([one, plain, double])


class Planted(HfEngine):
    """An engine whose own processor sees something else."""

    def __init__(self, model, **change):
        super().__init__(model)
        self.change = change

    def seen(self, prompt):
        honest = EnginePrompt(prompt.ids.tolist(), dict(prompt.vision), positions_of(self.model, prompt))
        return dataclasses.replace(honest, **{key: value(honest) for key, value in self.change.items()})


def without(seen: EnginePrompt, name: str) -> dict:
    return {key: value for key, value in seen.vision.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": lambda s: [*s.ids[:3], 7, *s.ids[4:]]}, r"prompt token 3 of sample mini\S+ is \d+ .* and 7 for the"),
        ({"ids": lambda s: s.ids[:-1]}, r"has \d+ prompt tokens for the trainer and \d+ for the engine"),
        ({"vision": lambda s: s.vision | {"image_grid_thw": s.vision["image_grid_thw"] * 2}}, "image_grid_thw of"),
        ({"vision": lambda s: s.vision | {"pixel_values": s.vision["pixel_values"] + 0.1}}, r"differ by up to 0\.1"),
        ({"vision": lambda s: s.vision | {"pixel_values": s.vision["pixel_values"][:-1]}}, "have shape"),
        ({"vision": lambda s: without(s, "pixel_values")}, "the engine has no pixel_values"),
        ({"positions_3P": lambda s: s.positions_3P + 1}, "positions of sample"),
    ],
)
def test_what_differs_is_named(random_tiny, change, said):
    report = parity(random_tiny, Planted(random_tiny, **change), prompts(random_tiny)[:1], SETTINGS)
    with pytest.raises(UserError, match=said):
        report.check(1.0)


def test_an_engine_that_sees_the_same_passes_and_says_one_line(random_tiny, capsys):
    parity(random_tiny, Planted(random_tiny), prompts(random_tiny)[:1], SETTINGS).check(1e-4)
    said = capsys.readouterr().err
    assert said.startswith("parity: token ids, pixels and positions equal; log-prob gap per token: mean")
    assert said.count("\n") == 1


@pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
def test_transformers_against_itself_has_only_rounding_for_a_gap(random_tiny, temperature):
    settings = dataclasses.replace(SETTINGS, temperature=temperature, top_p=0.9)
    report = parity(random_tiny, make_engine(random_tiny, EngineSettings(), settings), prompts(random_tiny), settings)
    assert report.tokens > 12 and report.gap_max < 1e-4 and not report.compared_inputs
    report.check(1e-4)


def test_an_own_copy_with_old_weights_is_refused(random_tiny):
    engine = HfEngine(random_tiny, own_copy=True)
    with torch.no_grad():
        random_tiny.module.lm_head.weight.mul_(3)
    with pytest.raises(UserError, match=r"above engine\.gap_bound 0\.05: sync the weights"):
        parity(random_tiny, engine, prompts(random_tiny), SETTINGS).check(0.05)
    engine.sync(named_weights(random_tiny.module))
    parity(random_tiny, engine, prompts(random_tiny), SETTINGS).check(0.05)


def test_a_gap_that_is_no_number_is_refused(random_tiny):
    report = parity(random_tiny, HfEngine(random_tiny), prompts(random_tiny)[:1], SETTINGS)
    with pytest.raises(UserError, match="mean nan"):
        dataclasses.replace(report, gap_mean=float("nan")).check(0.05)


def test_a_gap_of_pictures_does_not_hide_behind_text(random_tiny):
    report = parity(random_tiny, HfEngine(random_tiny), prompts(random_tiny), SETTINGS)
    assert set(report.gap_by_kind) == {"text alone", "with picture"}
    with pytest.raises(UserError, match=r"with picture 0\.2\), .* above engine.gap_bound 0\.1"):
        dataclasses.replace(report, gap_by_kind={"text alone": 0.0, "with picture": 0.2}).check(0.1)


def test_a_sampler_that_parts_from_the_policy_stops_the_run_after_two_steps():
    watch = GapWatch(gap_bound(EngineSettings(), "bfloat16"))
    assert watch.bound == 0.1 and gap_bound(EngineSettings(gap_bound=0.3), "bfloat16") == 0.3
    for gap in (0.02, 0.2, 0.1, 0.2, 0.02):  # one step alone may be an odd batch
        watch.check(1, gap)
    watch.check(7, 0.2)
    with pytest.raises(UserError, match="by nan per token at step 8, for 2 steps above"):
        watch.check(8, float("nan"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_passes_is_refused_without_sync_and_passes_after_it():
    model = load(tiny_settings(BASE))
    engine = make_engine(model, EngineSettings(kind="vllm"), SETTINGS)
    # Pictures of several shapes and areas, one of them over the limit, besides none and two.
    encoded = [*prompts(model), *model.encode([sample("train", column, 3) for column in ("word", "geometry")])]
    report = parity(model, engine, encoded, SETTINGS)
    assert report.differences == [] and report.compared_inputs and report.gap_max < 1e-4
    report.check(1e-4)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.2)
    with pytest.raises(UserError, match="sync the weights"):
        parity(model, engine, encoded, SETTINGS).check(0.05)
    engine.sync(named_weights(model.module))
    parity(model, engine, encoded, SETTINGS).check(1e-4)
