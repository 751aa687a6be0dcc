"""The number of settings stays at what one person can know: about as many as one fork of EasyR1 has for training."""

import pytest

from analysis.settings import TASKS
from common import UserError
from configs import compose, count_settings
from eval.checks import check_sampling
from eval.settings import EvalSettings
from models.serve import ServeSettings
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings
from train.checks import check
from train.settings import TrainSettings
from verify.llm_judge import JudgeSettings


def test_there_are_at_most_ninety_settings_of_training():
    assert count_settings(TrainSettings) <= 90


def test_evaluation_and_analysis_add_few():
    """Beside what describes a model, its sampling, a server and a judge, which commands share."""
    shared = sum(map(count_settings, (ModelSettings, SamplingSettings, ServerSettings, JudgeSettings)))
    assert count_settings(EvalSettings) - shared + max(map(count_settings, TASKS.values())) <= 40


@pytest.mark.parametrize(
    ("override", "interval"),
    [
        ("steps=-3", r"\[1, inf\)"),
        ("steps=0", r"\[1, inf\)"),
        ("optimiser.learning_rate=-1", r"\[0, inf\)"),
        ("optimiser.micro_tokens=-5", r"\[1, inf\)"),
        ("model.lora.rank=0", r"\[1, inf\)"),
        ("rollouts.sampling.top_p=1.1", r"\(0, 1\]"),
        ("rollouts.sampling.temperature=.nan", r"\[0, inf\)"),
        ("rollouts.engine.memory_share=0", r"\(0, 1\]"),
        ("keep.checkpoint_every=0", r"\[1, inf\)"),
        ("rollouts.prompts=0", r"\[1, inf\)"),
        ("seed=-1", r"\[0, inf\)"),
    ],
)
def test_numbers_outside_their_bounds_are_refused_as_they_are_read(override: str, interval: str) -> None:
    name = override.partition("=")[0]
    with pytest.raises(UserError, match=rf"^{name} is \S+; it must lie in {interval}$"):
        compose(TrainSettings, ["scale=mini", override])


def test_a_port_that_no_machine_has_is_refused() -> None:
    with pytest.raises(UserError, match=r"port is 99999; it must lie in \[1, 65535\]"):
        compose(ServeSettings, ["port=99999"])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.min_pixels=900", "model.max_pixels=100"], "min_pixels=900 is above model.max_pixels=100"),
        (["parallel.offload=all"], "parallel.offload=all is DeepSpeed's: set parallel.backend=deepspeed"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        check(compose(TrainSettings, ["scale=mini", *overrides]))


def test_an_evaluation_refuses_pixel_bounds_that_no_picture_meets() -> None:
    with pytest.raises(UserError, match="lower the first or raise the second"):
        check_sampling(compose(EvalSettings, ["model=tiny", "model.min_pixels=900", "model.max_pixels=100"]))
