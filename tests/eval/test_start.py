"""Wrong settings are refused before PyTorch is loaded, which takes longer than everything else a refusal needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from common import UserError
from configs import compose
from configs.compose import ROOT
from eval.settings import EvalSettings
from eval.start import check

REFUSED = "import sys; from eval.__main__ import main\ncode = main(sys.argv[1:])\nprint(code, 'torch' in sys.modules)"


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-c", REFUSED, *arguments]
    return subprocess.run(code, cwd=ROOT.parent, capture_output=True, text=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["model=tiny"],
        ["run=none"],
        ["out=e", "bench=mathvist"],
        ["out=e", "grader=robus", "dry_run=true"],
        ["out=e", "prompt=papa"],
    ],
)
def test_an_evaluation_is_refused_before_torch_is_imported(arguments: list[str]) -> None:
    done = started(*arguments)
    assert done.stdout.splitlines()[-1].split() == ["2", "False"]
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_folder_that_is_no_run_is_not_called_unfinished(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path} is no run folder, it holds no config.yaml; check run="):
        check(compose(EvalSettings, ["model=tiny", f"run={tmp_path}"]))


def test_a_prompt_template_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="prompt=papa is no template; did you mean 'papo'"):
        check(compose(EvalSettings, ["model=tiny", "out=e", "prompt=papa"]))
