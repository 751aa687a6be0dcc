"""The cost of a method is measured against the recipe that the family's table names, once."""

import json
from pathlib import Path

import pytest

from bench.cost import CostSettings, measure, recipes
from common import UserError


@pytest.mark.nightly
def test_a_method_is_measured_against_its_recipe_and_not_again(tmp_path: Path) -> None:
    out = tmp_path / "cost.json"
    measure(CostSettings(methods=["papo_g"], steps=1, warm=0, out=str(out)))
    found = json.loads(out.read_text())
    one = found["methods"]["papo_g"]
    assert found["methods"].keys() == {"papo_g"} and one["over"] == "grpo"
    base, own = one["cpu_seconds"]
    assert one["ratio"] == pytest.approx(own / base, abs=0.01) and one["from"] == one["to"] == one["ratio"]
    shares = found["shares"]["grpo"]
    assert sum(shares.values()) == pytest.approx(1) and 1 < one["counted"] < 1.35  # a pass beside those of a step
    measure(CostSettings(methods=["papo_g", "grpo"], steps=1, warm=0, out=str(out)))  # base is not trained
    assert json.loads(out.read_text()) == found


def test_methods_outside_the_table_stand_on_what_their_file_says() -> None:
    sets, pairs = recipes(["vgs", "tor_d", "pepo_g", "vppo"])
    assert pairs == {"vgs": "opd", "tor_d": "dapo", "pepo_g": "grpo", "vppo": "dapo"}
    assert sets["vgs"] == ["method=vgs", "teacher=tiny"] and sets["opd"] == ["method=opd", "teacher=tiny"]
    assert sets["tor_d"] == ["method=tor_d"] and sets["dapo"] == ["method=dapo"]


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no method 'papo_x'; did you mean"):
        measure(CostSettings(methods=["papo_x"], out=str(tmp_path / "cost.json")))
