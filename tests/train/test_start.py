"""Wrong settings are refused before PyTorch is loaded, which takes longer than everything else a refusal needs."""

import subprocess
import sys

import pytest

from common import UserError
from configs import compose
from configs.compose import ROOT
from train.checks import check, check_places
from train.settings import TrainSettings

REFUSED = (
    "import sys; from configs import command; from train import start; from train.settings import TrainSettings\n"
    "code = command(TrainSettings, start.train, sys.argv[1:], prog='p', summary='')\n"
    "print(code, 'torch' in sys.modules)"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "override", ["rollouts.group=1", "data.source=none.jsonl", "data.split=tset", "grader=papa", "model.prompt=papa"]
)
def test_a_training_is_refused_before_torch_is_imported(override: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, override], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "False"]
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("grader=papa", "no grader 'papa'; did you mean 'papo'"),
        ("model.prompt=papa", "model.prompt=papa is no template; did you mean 'papo'"),
        ("model.path=README.md", "model.path=README.md is a file; give the folder that holds it"),
        ("model.path=runs/mini/grpo/seed7/final", "there is no folder runs/mini/grpo/seed7/final; check model.path"),
        ("teacher=tiny teacher.path=/nowhere", "there is no folder /nowhere; check teacher.path"),
        (
            "losses.constant=[mask_entropy]",
            "names 'mask_entropy', which is no loss term; did you mean 'masked_entropy'",
        ),
        (
            "method=papo_g losses.perception_kl.view=maskd",
            "losses.perception_kl reads 'logp@maskd', but `views` has no view 'maskd'.* did you mean 'masked'",
        ),
        ("validate.view=masked", "validate.view is 'masked', which `views` lacks; give views.<name>.kind="),
    ],
)
def test_names_that_are_not_there_are_refused_with_the_settings(override: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        settings = compose(TrainSettings, ["scale=mini", *override.split()])
        check(settings)
        check_places(settings)


def test_another_dtype_is_refused_as_it_is_read() -> None:
    with pytest.raises(UserError, match=r"'model.dtype' must be float32 \| bfloat16, not \"float16\""):
        compose(TrainSettings, ["scale=mini", "model.dtype=float16"])
