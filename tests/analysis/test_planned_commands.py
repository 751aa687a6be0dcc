"""A plan refuses what its commands would refuse of their settings when they start, and names the row."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.experiments import Experiment, Row, read_table_file, remaining, suite_of
from analysis.plan import cost_lines
from analysis.planned import check_commands
from common import UserError
from configs.compose import ROOT
from eval.__main__ import main as evaluate

REFUSED = (
    "import sys; from analysis.__main__ import main\ncode = main(sys.argv[1:])\nprint(code, 'torch' in sys.modules)"
)
ITEMS = "items=7 must be a positive multiple of 5, the versions of a problem"
PROMPTS = "rollouts.prompts must be a multiple of optimiser.minibatch_prompts"


@pytest.mark.parametrize("ask", ["plan=true", "fill=true", "slurm=true"])
@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("eval=[items=7]", f"row base: {ITEMS}"),
        ("eval=[split=tset]", "row base: the mini world has no split 'tset'"),
        ("eval=[grader=robst]", "row base: no scorer 'robst'; did you mean 'robust'?"),
        ("eval=[itmes=5]", "row base: unknown setting 'itmes'"),
        ("train=[rollouts.prompts=7]", f"row grpo: {PROMPTS}"),
        ("train=[data.split=trian]", "row grpo: the mini world has no split 'trian'"),
        ("train=[optimiser.lrr=1]", "row grpo: unknown setting 'optimiser.lrr'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_begun(
    ask: str, argument: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([ask, f"folder={tmp_path}", f"out={tmp_path}/out", argument]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {sentence}") and said.err.count("\n") == 1
    assert said.out == "" and list(tmp_path.iterdir()) == []


def left_of(folder: Path, recipe: Sequence[str] = (), evaluation: Sequence[str] = ()) -> Experiment:
    row = Row(id="mine", name="Mine", set=recipe, eval=evaluation)
    return Experiment(row=row, suite=suite_of(read_table_file("1"), "mini"), seed=0, runs=folder)


def test_a_row_of_a_table_is_named(tmp_path: Path) -> None:
    base = left_of(tmp_path)
    check_commands(remaining([base, left_of(tmp_path, ["method=grpo"])]))
    with pytest.raises(UserError, match=f"^row mine: {PROMPTS}"):
        check_commands(remaining([base, left_of(tmp_path, ["method=grpo", "rollouts.prompts=7"])]))
    with pytest.raises(UserError, match=f"^row mine: {ITEMS}"):
        check_commands(remaining([base, left_of(tmp_path, (), ["items=7"])]))


def test_the_steps_of_all_rows_are_told(tmp_path: Path) -> None:
    short, long = (left_of(tmp_path / name, ["method=grpo", f"steps={name}"]) for name in ("5", "9"))
    assert cost_lines([short, short]) == ["trainings left: 2, of 5 steps; none is finished that would tell the time"]
    assert cost_lines([long, short]) == [
        "trainings left: 2, of 5 to 9 steps; none is finished that would tell the time"
    ]


def test_rows_of_real_benchmarks_may_be_any_number(tmp_path: Path) -> None:
    check_commands(remaining([left_of(tmp_path, (), ["bench=pope", "data=hub", "items=7"])]))


@pytest.mark.parametrize("number", ["1", "teachers"])
def test_weights_of_rows_that_are_not_trained_yet_are_no_reason(number: str, tmp_path: Path) -> None:
    assert main([f"table={number}", "plan=true", f"folder={tmp_path}"]) == 0


@pytest.mark.slow
def test_a_plan_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", REFUSED, "plan=true", f"folder={tmp_path}", "eval=[items=7]"]
    done = subprocess.run(arguments, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"], done.stderr


def test_an_evaluation_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for further in ((), ("dry_run=true",)):
        assert evaluate(["model=tiny", f"out={tmp_path}", "items=7", *further]) == 2
        assert capsys.readouterr().err == f"error: {ITEMS}\n"
