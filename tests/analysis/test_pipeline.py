"""From nothing to table and report with the real commands, at the smallest size."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis.experiments import Experiment, paper_table
from analysis.items import collect_items
from analysis.table import columns_of, comparisons, ordered, our_rows, paper_gains, verdict
from common import UserError

SMALL_TRAIN = (
    "[steps=1,rollouts.prompts=4,rollouts.group=4,optimiser.minibatch_prompts=2,keep.wandb=disabled,"
    "rollouts.sampling.max_new_tokens=32]"
)
SMALL_EVAL = "[items=10,k=4]"


def made_up(scores: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Two responses to four items of every source column; a method's score on a column is its share of right items."""
    rows = []
    for method, columns in scores.items():
        for column, right in columns.items():
            for item in range(4):
                subset = "vision_centric" if column == "versions" and item >= 2 else ""
                for k in range(2):
                    rows.append(
                        {
                            "method": method,
                            "seed": 0,
                            "sample_id": f"mini/1/test/{column}/{item}",
                            "column": column,
                            "subset": subset,
                            "cluster": f"{column}/{item}",
                            "vision_need": "high",
                            "version": "",
                            "k": k,
                            "correct": item < 4 * right,
                        }
                    )
    return pd.DataFrame(rows)


SOURCES = ("geometry", "chart", "word", "subject", "versions", "logic", "counting", "inpicture")


def test_averages_and_differences_of_a_made_up_table():
    low, high = dict.fromkeys(SOURCES, 0.25), dict.fromkeys(SOURCES, 0.25) | {"counting": 1.0}
    items, paper = collect_items(made_up({"grpo": low, "papo_g": high})), paper_table(1)
    table = our_rows(items, paper, ["grpo", "papo_g"]).set_index(["method", "heading"]).value
    assert table["papo_g", "counting"] == 100 and table["grpo", "counting"] == 25
    assert table["grpo", "vision_centric"] == 0  # items 2 and 3 of the versions are wrong
    assert table["papo_g", "overall"] - table["grpo", "overall"] == pytest.approx(75 / 9)
    found = {c.group: c for c in comparisons(items, paper, ["grpo", "papo_g"])}
    assert found["general"].points == 0 and found["vision"].points == pytest.approx(75 / 4)
    assert (found["vision"].only_method, found["vision"].only_baseline) == (3, 0)
    assert "cannot be told apart" in verdict(found["general"])


def test_models_on_different_items_are_refused():
    frame = made_up({"grpo": {"counting": 0.5}, "papo_g": {"counting": 0.5}})
    cut = frame[~((frame.method == "papo_g") & (frame.sample_id.str.endswith("/3")))]
    with pytest.raises(UserError, match="papo_g seed 0 was evaluated on other items"):
        collect_items(cut)


def test_the_papers_gains_are_recomputed_from_its_values():
    paper = paper_table(1)
    assert paper_gains(paper, "papo_g", "overall") == "+1.99 (3B), +2.89 (7B), +2.46 (2B)"
    assert len(ordered(paper)) == 12 and len(columns_of(paper, "overall")) == 9


def test_a_missing_cell_names_its_command(tmp_path):
    commands = Experiment("papo_g", "mini", 3, tmp_path).commands([], [])
    assert commands[0][:4] == ["train", "method=papo_g", "scale=mini", "seed=3"] and commands[1][0] == "eval"


def test_an_answer_without_a_box_is_none_and_never_a_number(tmp_path):
    """pandas reads a missing text as NaN, which the report's JSON refuses."""
    experiment = Experiment("grpo", "mini", 0, tmp_path)
    experiment.evaluation.mkdir(parents=True)
    rows = pd.DataFrame({"sample_id": ["a", "b"], "extracted": ["12", None]})
    rows.to_parquet(experiment.evaluation / "predictions.parquet")
    both = pd.concat([experiment.predictions(), experiment.predictions()])
    assert [row.extracted for row in both.itertuples()] == ["12", None, "12", None]


@pytest.mark.slow
def test_table_and_report_come_from_the_real_commands(tmp_path):
    command = [
        sys.executable,
        "-m",
        "analysis",
        "report",
        "methods=[base,grpo,papo_g]",
        "fill=true",
        f"train={SMALL_TRAIN}",
        f"eval={SMALL_EVAL}",
        f"folder={tmp_path}/runs",
        "samples=16",
        "patches=8",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "runs" / "mini" / "report"
    for name in ("table.md", "table.csv", "table.tex", "table.png", "errors.csv", "errors.png", "curves.png"):
        assert (out / name).stat().st_size > 100, name
    page = (out / "report.html").read_text()
    assert "mini/1/test/counting/" in page and "every method against its baseline in the paper" in page
    record = json.loads((out / "provenance.json").read_text())
    assert [row["method"] for row in record] == ["base", "grpo", "papo_g"]
    assert all(row["weights"].startswith("sha256:") for row in record)
    scores = json.loads((tmp_path / "runs/mini/base/eval/mini/scores.json").read_text())["columns"]
    assert len([name for name in scores if "/" not in name]) == 9
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "[1/" not in again.stdout  # finished runs are reused


@pytest.mark.slow
def test_the_shipped_base_leaves_something_to_learn_and_mostly_errs_in_seeing(tmp_path):
    command = [sys.executable, "-m", "eval", "model=tiny", f"out={tmp_path}", "items=15", "k=4"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    from analysis.gather import with_classes

    classified = with_classes(pd.read_parquet(tmp_path / "predictions.parquet"))
    assert 0.3 < classified.correct.mean() < 0.7
    assert classified.error_class.value_counts().idxmax() == "perception"
    assert "grader" not in set(classified.error_class)
