"""The one step to read first, and the page on adding a method: both are what the code is."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from configs import compose
from train.pages import FOLDER, module_text, pages
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_one_step_learns_and_a_large_coefficient_makes_it_look():
    from examples.one_step import one_step

    options = ["scale=mini", "method=papo_g", "rollouts.sampling.max_new_tokens=24"]
    found = one_step(compose(TrainSettings, options))
    assert found["loss/reference_kl"] == pytest.approx(0, abs=1e-6)  # the policy is its own reference at first
    assert 0 < abs(found["loss/ppo"]) < 0.1  # advantages add up to 0 over answers, not over tokens
    assert found["loss/perception_kl"] == pytest.approx(-0.02 * found["kl/before"], rel=1e-5)
    # With the paper's coefficient the reward decides where one step goes; with a large one the perception term does.
    pulled = one_step(compose(TrainSettings, [*options, "losses.perception_kl.coef=5"]))
    assert pulled["kl/before"] == found["kl/before"] > 0
    assert pulled["kl/after"] > 1.2 * found["kl/after"] > found["kl/before"]


def test_one_step_can_be_read_in_one_sitting():
    assert len((ROOT / "examples" / "one_step.py").read_text().splitlines()) <= 150


def test_every_method_has_the_page_that_its_pieces_give():
    found = pages()
    assert {path.name for path in FOLDER.glob("*.md")} == {path.name for path in found}
    stale = [path.name for path, text in found.items() if path.read_text() != text]
    assert stale == [], "run python -m train.pages"


@pytest.mark.parametrize("end", ["", "\n\nIts source says so.\n"])
def test_an_equation_stays_indented_on_the_page_wherever_it_is_in_the_docstring(monkeypatch, end):
    text = f"Weigh digits.\n\n    W = size on digits,\n        1 elsewhere{end}"
    monkeypatch.setitem(sys.modules, "own_piece", ModuleType("own_piece", text))
    assert module_text(type("Piece", (), {"__module__": "own_piece"})()) == text.strip()


def test_the_page_on_adding_a_method_shows_the_files_as_they_are():
    text = (ROOT / "docs" / "add_a_method.md").read_text()
    shown = re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", text, flags=re.DOTALL)
    wanted = {"train/weights/top.py", "configs/methods/vppo.yaml", "train/losses/hold.py", "configs/methods/dvrp.yaml"}
    tests = {"tests/train/test_added_pieces.py", "tests/train/digits.py"}
    assert {name for name, _ in shown} >= wanted | tests
    assert len(shown) == len(re.findall(r"^```(python|yaml)$", text, flags=re.MULTILINE))  # no code that nothing runs
    for name, block in shown:
        for part in block.split("\n...\n"):
            assert part.strip() in (ROOT / name).read_text(), name
