"""From verdicts to numbers, on tables made by hand."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs import compose
from data import Sample
from eval.benchmark import Benchmark
from eval.benchmarks import BENCHMARKS
from eval.rows import joined
from eval.scores import (
    at_k,
    breakdown,
    column_scores,
    complete,
    flat_scores,
    own_metrics,
    score_of,
    scorer_record,
    suite_averages,
    task_record,
)
from eval.settings import EvalSettings
from eval.suites import PAPO_GENERAL, PAPO_VISION
from eval.tasks import Task, benchmark_task
from tests.eval.make_fixtures import FOLDER

GAP = None  # a response that nobody scored
Answers = dict[str, list[float | None]]  # what the responses to an item are worth


def table_of(items: Answers, column: str = "chart", **cells: Any) -> pd.DataFrame:
    """A row per response; a worth between 0 and 1 is a grade, which is neither right nor wrong."""
    rows = [
        {
            "sample_id": name,
            "column": column,
            "cluster": name,
            "k": k,
            "subset": "",
            "vision_need": "",
            "finish_reason": "stop",
            "score_own": worth,
            "reason_own": "unscored" if worth is None else "text",
            "grader_own": None if worth is None else "own/1",
            "extracted_own": f"answer {worth}",
            "correct_own": bool(worth) if worth in (0, 1) else None,
        }
        for name, worths in items.items()
        for k, worth in enumerate(worths)
    ]
    frame = pd.DataFrame(rows).assign(**cells)
    return frame.assign(score_own=frame.score_own.astype(float), correct_own=frame.correct_own.astype(object))


def task_of(tags: dict[str, dict[str, str]], *breakdowns: str) -> Task:
    samples = [Sample(name, "own", "What is 2 + 2 ?", (), "4", tags=tags[name]) for name in tags]
    own = Benchmark(
        name="own", title="Own", version="own/1", licence="MIT", official=lambda *_: None, breakdowns=breakdowns
    )
    return Task(benchmark=own, samples=samples, template="question_only", rows=9)


ITEMS: Answers = {"a": [1, 1], "b": [1, 0], "c": [0, GAP], "d": [GAP, GAP]}


def test_items_with_a_gap_are_left_out_and_counted() -> None:
    table = table_of(ITEMS)
    table.loc[0, "reason_own"] = "guessed"
    assert set(complete(table, "own").sample_id) == {"a", "b"}
    found = scorer_record(table, "own")
    score = found.pop("avg_at_k")
    # a is 1, b is 0.5; the wrong response to c does not count, as the other one might have been right.
    assert (score["mean"], score["items"], score["clusters"], score["k"]) == (0.75, 2, 2, 2)
    assert found == {"unscored": 3, "items_left_out": 2, "guessed": 1, "graders": ["own/1"]}


def test_where_nothing_is_scored_there_is_no_number() -> None:
    table = table_of({"a": [GAP, GAP], "b": [1, GAP]})
    assert score_of(table, "own") is None
    assert scorer_record(table, "own")["items_left_out"] == 2
    assert column_scores(table, "own") == {} and at_k(table, "own") == {}


def test_the_order_of_rows_does_not_matter() -> None:
    table = table_of({"a": [1, 0, 1], "b": [0, 0, 1], "c": [1, 1, 1]})
    assert score_of(table.sample(frac=1, random_state=3), "own") == score_of(table, "own")
    assert score_of(table, "own")["mean"] == pytest.approx(6 / 9)


def test_items_of_one_problem_are_one_cluster() -> None:
    table = table_of({"a": [1, 1], "b": [1, 1], "c": [0, 0], "d": [0, 0]})
    alone, together = score_of(table, "own"), score_of(table.assign(cluster=table.score_own.astype(str)), "own")
    assert (alone["clusters"], together["clusters"]) == (4, 2) and alone["mean"] == together["mean"] == 0.5
    assert together["high"] - together["low"] > alone["high"] - alone["low"]


def test_columns_subsets_and_levels_of_vision_need() -> None:
    parts = [
        table_of({"a": [1], "b": [0]}, "chart", vision_need="high"),
        table_of({"c": [1], "d": [1]}, "maths", vision_need="low", subset="seen"),
        table_of({"e": [0], "f": [GAP]}, "maths", vision_need="high"),
        table_of({"g": [GAP]}, "unscored"),
    ]
    found = column_scores(pd.concat(parts, ignore_index=True), "own")
    assert {name: score["mean"] for name, score in found.items()} == {
        "chart": 0.5,
        "maths": pytest.approx(2 / 3),
        "seen": 1,
        "vision_need/high": pytest.approx(1 / 3),
        "vision_need/low": 1,
    }


def test_an_item_counts_for_each_value_of_a_tag() -> None:
    task = task_of(
        {
            "a": {"skills": joined(["ocr", "maths"]), "level": "x"},
            "b": {"skills": "maths", "level": ""},
            "c": {"skills": "maths", "level": ""},
            "d": {"skills": joined(["alone", "maths"]), "level": "x"},
        },
        "skills",
        "level",
        "unknown",
    )
    found = breakdown(task, table_of(ITEMS), "own")
    assert {tag: list(values) for tag, values in found.items()} == {"skills": ["maths"], "level": ["x"]}
    assert (found["skills"]["maths"]["mean"], found["skills"]["maths"]["items"]) == (0.75, 2)
    # Two items carry the value, one of them is scored.
    assert (found["level"]["x"]["mean"], found["level"]["x"]["items"]) == (1, 1)


def test_two_values_of_two_items_each() -> None:
    tags = {"a": joined(["ocr", "maths"]), "b": "ocr", "c": joined(["ocr", "maths"]), "d": "maths"}
    task = task_of({name: {"skills": skills} for name, skills in tags.items()}, "skills")
    found = breakdown(task, table_of({"a": [1], "b": [1], "c": [0], "d": [GAP]}), "own")["skills"]
    assert {name: (score["mean"], score["items"]) for name, score in found.items()} == {
        "maths": (0.5, 2),
        "ocr": (pytest.approx(2 / 3), 3),
    }


def test_pass_and_majority_need_right_or_wrong() -> None:
    found = at_k(table_of(ITEMS), "own")
    assert {name: score["mean"] for name, score in found.items()} == {
        "pass@1": 0.75,
        "maj@1": 0.75,
        "pass@2": 1,
        "maj@2": 0.75,
    }
    graded = table_of({"a": [0.5, 0.9], "b": [0.3, 0.7]})
    assert score_of(graded, "own")["mean"] == pytest.approx(0.6) and at_k(graded, "own") == {}


def papo_tables() -> dict[str, pd.DataFrame]:
    """Nine columns; the general ones are worth 0, 0.25, 0.5, 0.75, 1 and the vision-centric ones 0.5."""
    worths = dict(zip(PAPO_GENERAL, [0, 1, 2, 3, 4], strict=True)) | dict.fromkeys(PAPO_VISION, 2)
    return {
        name: table_of({f"{name}/{item}": [float(item < right)] for item in range(4)}, name)
        for name, right in worths.items()
    }


def averages(tables: dict[str, pd.DataFrame], suite: str = "papo_suite") -> dict[str, dict[str, float]]:
    return suite_averages(suite, pd.concat(tables.values(), ignore_index=True), "own")


def test_a_suites_averages_are_plain_means_of_columns() -> None:
    found = averages(papo_tables())
    assert {name: score["mean"] for name, score in found.items()} == pytest.approx(
        {"general": 2.5 / 5, "vision": 0.5, "overall": 4.5 / 9}
    )
    assert all(score["low"] < score["mean"] < score["high"] for score in found.values())
    assert averages(papo_tables(), "perception") == averages(papo_tables(), "mmstar") == {}


def test_columns_of_many_items_weigh_no_more_than_those_of_few() -> None:
    tables = papo_tables()
    name = PAPO_GENERAL[-1]
    tables[name] = table_of({f"{name}/{item}": [1] for item in range(400)}, name)
    assert averages(tables)["general"]["mean"] == pytest.approx(0.5)


@pytest.mark.parametrize(("gone", "left"), [(PAPO_GENERAL[2], {"vision"}), (PAPO_VISION[0], {"general"})])
def test_an_average_needs_every_column(gone: str, left: set[str]) -> None:
    tables = papo_tables()
    del tables[gone]
    assert averages(tables).keys() == left
    # A column of which nothing is scored is none.
    unscored = papo_tables()
    unscored[gone] = table_of({f"{gone}/0": [GAP, GAP]}, gone)
    assert averages(unscored).keys() == left


def test_of_a_column_with_gaps_the_scored_items_count() -> None:
    tables = papo_tables()
    tables["papo_wemath"] = table_of({"w/0": [1, 1], "w/1": [0, GAP]}, "papo_wemath")
    assert averages(tables)["general"]["mean"] == pytest.approx((2 + 1) / 5)


def test_averages_where_all_is_wrong_still_have_a_width() -> None:
    tables = {name: table_of({f"{name}/{item}": [0] for item in range(4)}, name) for name in papo_tables()}
    assert all(score["mean"] == score["low"] == 0 < score["high"] < 1 for score in averages(tables).values())


def test_the_authors_own_metrics_of_scored_items() -> None:
    """POPE with "yes" to everything: half of it right, every yes found. One item has no verdict and is left out."""
    task = benchmark_task(BENCHMARKS["pope"], FOLDER, compose(EvalSettings, ["model=tiny", "items=0"]))
    golds = {sample.id: sample.answer for sample in task.samples}
    table = table_of({name: [float(gold == "yes")] for name, gold in golds.items()}).assign(extracted_own="yes")
    found = own_metrics(task, table, "own")
    assert {name: found[name] for name in ("accuracy", "precision", "recall", "f1", "yes_ratio")} == pytest.approx(
        {"accuracy": 0.5, "precision": 0.5, "recall": 1, "f1": 2 / 3, "yes_ratio": 1}
    )
    gap = table.assign(
        score_own=table.score_own.where(table.index != 0), correct_own=table.correct_own.mask(table.index == 0)
    )
    first_gold = golds[table.sample_id[0]]
    assert own_metrics(task, gap, "own")["accuracy"] == pytest.approx((2 if first_gold == "yes" else 3) / 5)
    assert own_metrics(task, table.assign(score_own=np.nan), "own") == {}
    assert own_metrics(task_of({"a": {}}), table_of({"a": [1]}), "own") == {}


def test_an_undefined_metric_is_null_and_the_record_is_json() -> None:
    """HallusionBench without any figure has no group of a figure to be right about."""
    task = benchmark_task(BENCHMARKS["hallusionbench"], FOLDER, compose(EvalSettings, ["model=tiny", "items=0"]))
    (blind,) = (sample.id for sample in task.samples if sample.tags["figure"] == "none")
    table = table_of({sample.id: [1.0 if sample.id == blind else GAP] for sample in task.samples})
    found = task_record(task, table, ["own"], ["too/long"])
    assert found["metrics"]["own"] == {"aAcc": 1, "qAcc": 1, "fAcc": None, "mean_of_three": None}
    assert found["breakdowns"]["figure"]["original"] is None and "none" not in found["breakdowns"]["figure"]
    assert (found["rows"], found["items"], found["too_long"], found["template"]) == (
        6,
        6,
        ["too/long"],
        "question_only",
    )
    json.dumps(found, allow_nan=False)


def test_cut_responses_are_counted() -> None:
    table = table_of({"a": [1, 0], "b": [0, 0]})
    table.loc[[0, 3], "finish_reason"] = "length"
    found = task_record(task_of({"a": {}, "b": {}}), table, ["own"], [])
    assert found["cut_by_length"] == 2 and found["rows"] == 9 and found["version"] == "own/1"


def scorers(mean: float | None) -> dict[str, Any]:
    return {"avg_at_k": None if mean is None else {"mean": mean, "low": mean / 2, "high": 1.0, "items": 3}}


def cells(record: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float, float]]:
    frame = flat_scores(record)
    assert frame.columns.tolist() == ["row", "column", "mean", "low", "high"]
    assert not frame.duplicated(["row", "column"]).any()
    return {(row, column): tuple(numbers) for row, column, *numbers in frame.itertuples(index=False)}


def test_the_flat_table_has_a_cell_for_each_benchmark_and_scorer() -> None:
    score = scorers(0.5)["avg_at_k"]
    record: dict[str, Any] = {
        "grader": "robust",
        "columns": {"one": score, "two": score, "seen": score},
        "averages": {"overall": {"mean": 0.4, "low": 0.3, "high": 0.6}},
        "benchmarks": {
            "one": {"scorers": {"robust": scorers(0.5), "official": scorers(None)}},
            "two": {"scorers": {"robust": scorers(0.5), "official": scorers(0.2)}},
        },
    }
    found = cells(record)
    gap = found.pop(("one", "official"))
    assert np.isnan(gap).all()
    assert found == {
        ("one", "robust"): (0.5, 0.25, 1),
        ("two", "robust"): (0.5, 0.25, 1),
        ("two", "official"): (0.2, 0.1, 1),
        ("seen", "robust"): (0.5, 0.25, 1),
        ("overall", "robust"): (0.4, 0.3, 0.6),
    }


def test_the_columns_of_one_benchmark_get_lines_of_their_own() -> None:
    score = scorers(0.5)["avg_at_k"]
    record = {
        "grader": "robust",
        "columns": {"chart": score, "maths": score},
        "averages": {},
        "benchmarks": {"mini": {"scorers": {"robust": scorers(0.5)}}},
    }
    assert list(cells(record)) == [("mini", "robust"), ("chart", "robust"), ("maths", "robust")]
