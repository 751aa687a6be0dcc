"""Measures of a table's rows: what is read from curves and evaluations, and how a line of them is written."""

import json
from math import inf, isnan
from pathlib import Path

import pandas as pd
import pytest

from analysis.experiments import Experiment, Row, Suite
from analysis.measures import measure_rows
from analysis.measuring import measured, metric_value
from common import UserError
from configs.layout import PREDICTIONS
from data.mini.world import problem

TABLE = {
    "rows": [{"id": "base", "name": "base"}, {"id": "a", "name": "A"}, {"id": "b", "name": "B"}],
    "baselines": {"b": "a"},
    "measures": [
        {"id": "k3", "name": "k3", "metric": "dependency/k3_mean", "over": "last"},
        {"id": "seconds", "name": "seconds", "metric": "timing_s/step", "over": "median"},
        {"id": "onset", "name": "onset", "metric": "collapse/onset", "over": "onset"},
        {"id": "fooled", "name": "fooled, %", "accuracy": "blank", "hint": "broken"},
    ],
}


def experiment(row: str, seed: int, runs: Path, k3: float, onset: int, right: list[bool]) -> Experiment:
    """Write what a training of 12 steps leaves, and its evaluation on black pictures."""
    suite = Suite(scale="mini", model="tiny", bench="mini", preset="mini")
    settings = [] if row == "base" else ["method=grpo"]
    one = Experiment(row=Row(id=row, name=row, set=settings), suite=suite, seed=seed, runs=runs)
    blank = one.folder / "eval" / "blank"
    blank.mkdir(parents=True)
    hints = ["broken"] * len(right) + ["aligned"]
    pd.DataFrame({"score": [*map(float, right), 1.0], "hint": hints}).to_parquet(blank / PREDICTIONS)
    if row != "base":
        steps = range(1, 13)
        curve = [{"step": s, "dependency/k3_mean": k3 + 100 * (s <= 2), "collapse/onset": s >= onset} for s in steps]
        times = [{"step": s, "timing_s/step": 1.0 + 50 * (s == 1)} for s in steps]
        for name, lines in (("metrics", curve), ("timing", times)):
            (one.folder / f"{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return one


def test_measures_are_those_of_each_training_and_their_mean_has_an_interval_over_trainings(tmp_path: Path) -> None:
    runs = [
        experiment("base", 0, tmp_path, 0, 0, [True, False]),
        experiment("a", 0, tmp_path, 0.1, 99, [True, False]),
        experiment("a", 1, tmp_path, 0.3, 99, [True, True]),
        experiment("b", 0, tmp_path, 0.4, 5, [False, False]),
        experiment("b", 1, tmp_path, 0.6, 99, [False, False]),
    ]
    found = measured(runs, TABLE)
    values = found.set_index(["row", "seed", "measure"]).value
    assert values["a", 1, "k3"] == pytest.approx(0.3)  # the last ten steps alone
    assert values["a", 0, "seconds"] == 1.0 and values["b", 0, "onset"] == 5.0
    assert values["b", 1, "onset"] == inf and isnan(values["base", 0, "k3"])
    assert values["a", 0, "fooled"] == 0.5  # the aligned problem is not counted
    header, rows = measure_rows(found, TABLE)
    assert header == ["row", "k3", "seconds", "onset", "fooled, %"]
    assert rows[0] == ["base", "", "", "", "50.0"]
    assert rows[1][1].startswith("0.200 [") and rows[1][3] == "none, none"
    assert rows[2][3] == "5, none" and rows[2][4] == "0.0"
    assert rows[3][0] == "B - A" and rows[3][1] == "+0.300" and rows[3][3] == ""
    assert rows[3][4] == "-75.0 [-100.0, +100.0]"  # an interval of shares ends where shares do


def test_an_accuracy_over_several_evaluations_is_their_mean(tmp_path: Path) -> None:
    one = experiment("base", 0, tmp_path, 0, 0, [True, False])
    other = one.folder / "eval" / "noise"
    other.mkdir()
    pd.DataFrame({"score": [0.0, 0.0], "hint": ["broken", "broken"]}).to_parquet(other / PREDICTIONS)
    worse = {"id": "worse", "name": "worse, %", "accuracy": ["blank", "noise"], "hint": "broken"}
    assert measured([one], {"measures": [worse]}).value.tolist() == [0.25]


def test_a_response_states_what_is_suggested_or_what_is_true_or_neither(tmp_path: Path) -> None:
    one = Experiment(
        row=Row(id="a", name="A", set=["method=grpo"]),
        suite=Suite(scale="mini", model="tiny", bench="mini", preset="mini"),
        seed=0,
        runs=tmp_path,
    )
    asked = [problem("test", "geometry", index) for index in range(40)]
    ((place, found),) = [(n, p) for n, p in enumerate(asked) if p.hint_state == "broken"][:1]
    name, wrong = found.hint
    others = "".join(f" , {fact} = {value}" for fact, value in found.facts.items() if fact != name)
    texts = [
        f"<think> look : {name} = {value}{others} . 1 + 1 = 2 </think> \\boxed{{2}}"
        for value in (wrong, wrong, found.facts[name])
    ]
    texts.append("nothing")
    frame = pd.DataFrame({"sample_id": f"mini/2/test/geometry/{place}", "text": texts, "correct": False})
    one.evaluation.mkdir(parents=True)
    frame.assign(hint="broken", column="geometry").to_parquet(one.evaluation / PREDICTIONS)
    measures = [
        {"id": "believes", "name": "b", "states": "suggested", "hint": "broken"},
        {"id": "looks", "name": "l", "states": "true", "column": "geometry"},
    ]
    values = measured([one], {**TABLE, "measures": measures}).set_index("measure").value
    assert values.believes == 0.5 and values.looks == 0.25
    with pytest.raises(UserError, match="has no responses"):
        measured([one], {**TABLE, "measures": [measures[0] | {"hint": "aligned"}]})


def test_a_metric_that_was_not_logged_is_no_number() -> None:
    assert isnan(metric_value(pd.DataFrame({"step": [1]}), "k3", "last"))


def test_an_accuracy_of_the_tables_own_evaluation_takes_some_of_its_columns(tmp_path: Path) -> None:
    one = experiment("base", 0, tmp_path, 0, 0, [True])
    one.evaluation.mkdir(parents=True, exist_ok=True)
    columns = ["word", "logic", "chart"]
    pd.DataFrame({"score": [1.0, 0.0, 0.0], "column": columns}).to_parquet(one.evaluation / PREDICTIONS)
    hard = {"id": "hard", "name": "hard, %", "accuracy": "bench", "column": "word|logic"}
    assert measured([one], {"measures": [hard]}).value.tolist() == [0.5]
    with pytest.raises(UserError, match=r"no responses with .*'wrod'"):
        measured([one], {"measures": [hard | {"column": "wrod"}]})
