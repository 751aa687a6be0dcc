"""From nothing to table and report with the real commands, at the smallest size."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.errors import CLASSES
from analysis.experiments import Experiment, Row, missing, read_table_file, remaining, rows_of, suite_of
from analysis.gather import provenance
from analysis.items import Items, collect_items
from analysis.outputs import refuse_dirty, run
from analysis.plan import lacking
from analysis.planned import experiments_of
from analysis.settings import ReportSettings, TableSettings
from analysis.table import columns_of, comparisons, ordered, our_rows, paper_gains, verdict
from analysis.table_files import TableData, read_table
from common import UserError
from configs import Run, compose
from eval.runner import evaluate
from eval.settings import EvalSettings
from eval.suites import SUITES
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]

SMALL_TRAIN = (
    "[steps=1,rollouts.prompts=4,rollouts.group=4,optimiser.minibatch_prompts=2,keep.wandb=disabled,"
    "rollouts.sampling.max_new_tokens=32]"
)
SMALL_EVAL = "[items=5,k=2]"


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
                            "sample_id": f"mini/2/test/{column}/{item}",
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
    items, paper = collect_items(made_up({"grpo": low, "papo_g": high})), read_table_file("1")
    table = our_rows(items, paper, ["grpo", "papo_g"]).set_index(["method", "heading"]).value
    assert table["papo_g", "counting"] == 100 and table["grpo", "counting"] == 25
    assert table["grpo", "vision_centric"] == 0  # items 2 and 3 of the versions are wrong
    assert table["papo_g", "overall"] - table["grpo", "overall"] == pytest.approx(75 / 9)
    found = {c.group: c for c in comparisons(items, paper, ["grpo", "papo_g"])}
    assert found["general"].over_items.value == 0 and found["vision"].over_items.value == pytest.approx(0.75 / 4)
    assert (found["vision"].only_method, found["vision"].only_baseline) == (3, 0)
    assert "cannot be told apart" in verdict(found["general"])


def test_models_on_different_items_are_refused():
    frame = made_up({"grpo": {"counting": 0.5}, "papo_g": {"counting": 0.5}})
    cut = frame[~((frame.method == "papo_g") & (frame.sample_id.str.endswith("/3")))]
    with pytest.raises(UserError, match="papo_g seed 0 was evaluated on other items"):
        collect_items(cut)


def test_the_papers_gains_are_recomputed_from_its_values():
    paper = read_table_file("1")
    assert paper_gains(paper, "papo_g", "overall") == "+1.99 (3B), +2.89 (7B), +2.46 (2B)"
    assert len(ordered(paper)) == 12 and len(columns_of(paper, "overall")) == 9


def experiment(row: str, scale: str, seed: int, runs: Path, **options: list[str]) -> Experiment:
    table = read_table_file("1")
    return Experiment(row=rows_of(table, [row])[0], suite=suite_of(table, scale), seed=seed, runs=runs, **options)


def test_a_missing_cell_names_its_command(tmp_path):
    train, evaluate = experiment("papo_g", "mini", 3, tmp_path).commands()
    run = tmp_path / "mini" / "papo_g" / "seed3"
    assert train == ["train", "method=papo_g", "scale=mini", "seed=3", f"run={run}"]
    assert evaluate == ["eval", "model=tiny", f"run={run}", "bench=mini", "preset=mini", "seed=3"]
    (base,) = experiment(
        "base", "3b", 0, tmp_path, train_options=["steps=1"], eval_options=["data=somewhere"]
    ).commands()
    assert base[:4] == ["eval", "model=qwen2_5_vl_3b", f"out={tmp_path}/3b/base/eval/papo_suite", "bench=papo_suite"]
    assert base[-1] == "data=somewhere" and "steps=1" not in base


@pytest.mark.parametrize("scale", ["mini", "2b", "3b", "7b"])
def test_the_commands_of_a_plan_compose_and_say_what_the_table_needs(tmp_path, scale, capsys):
    settings = compose(TableSettings, ["table=1", f"scale={scale}", "plan=true", "seeds=2", f"folder={tmp_path}"])
    run(settings)
    lines = capsys.readouterr().out.splitlines()
    commands = [line.split()[2:] for line in lines if line.startswith("  python -m ")]
    assert sorted({room for room, *_ in commands}) == ["eval", "train"] and len(commands) == 9 + 8
    assert {command[1] for command in commands if command[0] == "train"} == {
        f"method={name}" for name in ("grpo", "papo_g", "dapo", "papo_d")
    }
    suite, columns = suite_of(read_table_file("1"), scale), read_table_file("1")["columns"]
    for room, *options in commands:
        resolved = compose(TrainSettings if room == "train" else EvalSettings, options)
        assert resolved.model.name == suite.model
        assert room == "train" or (resolved.k, resolved.bench, resolved.preset) == (8, suite.bench, suite.preset)
    assert [columns[0].get(suite.bench, "geometry") in line for line in lines[:2]] == [False, True]
    cost = r"trainings left: 8, " + (r"of 60 steps; none" if scale == "mini" else r"at least \d{2,4} GPU hours on 8")
    assert re.match(cost, lines[2])
    assert list(tmp_path.iterdir()) == []


def test_columns_of_the_papers_suite_are_its_benchmarks():
    assert tuple(column["papo_suite"] for column in read_table_file("1")["columns"]) == SUITES["papo_suite"]


def test_a_row_may_be_any_settings(tmp_path):
    row = Row(id="half", name="half masked", set=["method=papo_g", "views.masked.ratio=0.3"])
    one = Experiment(row=row, suite=suite_of(read_table_file("1"), "mini"), seed=0, runs=tmp_path)
    assert one.commands()[0][1:3] == row.set and one.folder == tmp_path / "mini" / "half" / "seed0"


def test_what_is_not_there_names_what_is():
    with pytest.raises(UserError, match="no table=poems; configs/tables has 1, 2, 3"):
        read_table_file("poems")
    with pytest.raises(UserError, match="no scale=large; it has mini, mini_hard, 2b, 3b, 7b"):
        suite_of(read_table_file("1"), "large")
    with pytest.raises(UserError, match=r"no scale=70b; did you mean '7b'\?"):
        suite_of(read_table_file("1"), "70b")
    with pytest.raises(UserError, match="no row xyz; it has base, grpo"):
        rows_of(read_table_file("1"), ["xyz"])


def test_a_scale_that_cannot_be_run_here_is_planned_and_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert lacking("1", "mini") == []
    lacks = r"a CUDA GPU; the model Qwen/.* \(make weights SCALE=3b\); .*PAPO_eval \(make data SCALE=3b\)"
    with pytest.raises(UserError, match=lacks):
        run(compose(TableSettings, ["table=1", "scale=3b", "fill=true", f"folder={tmp_path}"]))
    assert "python -m train method=papo_g scale=3b seed=0" in capsys.readouterr().out


def test_a_table_is_made_again_from_its_item_scores_byte_for_byte(tmp_path):
    rng = random.Random(0)
    frame = pd.concat(
        made_up({m: {c: rng.random() for c in SOURCES} for m in ("base", "grpo")}).assign(seed=s) for s in (0, 1)
    )
    frame["correct"] = [rng.random() < 0.5 for _ in range(len(frame))]
    frame = frame[(frame.method != "base") | (frame.seed == 0)]
    shares = pd.DataFrame({name: {"base": 1 / 7, "grpo": 1 / 3} for name in ("right", *CLASSES, "guess", "n")})
    data = TableData(name="1", scale="mini", paper=read_table_file("1"), items=collect_items(frame), errors=shares)
    data.write(tmp_path)
    again = read_table(tmp_path)
    texts = {name: (tmp_path / name).read_text() for name in ("table.md", "table.csv", "table.tex")}
    assert again.texts() == texts and (again.name, again.scale) == ("1", "mini")
    study = replace(data, name="dose", paper=read_table_file("dose"))  # a table that no paper prints
    assert study.title == "Dose: the coefficient of PAPO at mini scale" and "paper" not in study.texts()["table.md"]
    again.items.per_seed["grpo"][1] = 1 - again.items.per_seed["grpo"][1]
    changed = replace(again, items=Items(again.items.frame, again.items.per_seed))
    assert changed.texts()["table.md"] != texts["table.md"]


def test_results_of_a_changed_tree_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("configs.run.git_state", lambda folder: ("c0ffee1234", True))
    results = ROOT / "results" / "table1_mini"
    with pytest.raises(UserError, match="tracked files differ from c0ffee1"):
        run(compose(TableSettings, ["table=1", f"folder={tmp_path}", "fill=true"]))
    with pytest.raises(UserError, match="tracked files differ from c0ffee1"):
        Run.collect(compose(TableSettings, []), into=results)
    assert Run.collect(compose(TableSettings, []), into=tmp_path).dirty
    monkeypatch.setattr("configs.run.git_state", lambda folder: ("c0ffee1234", False))
    assert not Run.collect(compose(TableSettings, []), into=results).dirty
    with pytest.raises(UserError, match="grpo seed 2 were evaluated with changes"):
        refuse_dirty([{"method": "grpo", "seed": 2, "dirty": True}, {"method": "base", "seed": 0, "dirty": False}])


@pytest.mark.parametrize(("trained", "evaluated"), [(True, False), (False, True), (False, False)])
def test_a_row_is_dirty_if_its_training_or_its_evaluation_was(tmp_path, trained, evaluated):
    one = experiment("grpo", "mini", 0, tmp_path)
    run = Run.collect(compose(EvalSettings, ["model=tiny"]), revisions={"model": "m", "bench": "mini/2"})
    for folder, dirty in ((one.folder, trained), (one.evaluation, evaluated)):
        replace(run, dirty=dirty).save(folder / "run.json")
    assert provenance([one])[0]["dirty"] == (trained or evaluated)


@pytest.mark.slow
def test_table_and_report_come_from_the_real_commands(tmp_path, capfd):
    """The commands that fill the table are processes of their own; the one that starts them runs here."""
    given = ["methods=[base,grpo,papo_g]", f"folder={tmp_path}/runs"]
    small = [f"train={SMALL_TRAIN}", f"eval={SMALL_EVAL}"]
    run(compose(ReportSettings, [*given, *small, "fill=true", "samples=6", "patches=4"]))
    assert "[1/" in capfd.readouterr().out
    out = tmp_path / "runs" / "mini" / "report"
    for name in ("table.md", "table.csv", "table.tex", "table.png", "errors.csv", "errors.png", "curves.png"):
        assert (out / name).stat().st_size > 100, name
    page = (out / "report.html").read_text()
    assert "mini/2/test/counting/" in page and "every method against its baseline in the paper" in page
    record = json.loads((out / "provenance.json").read_text())
    assert [row["method"] for row in record] == ["base", "grpo", "papo_g"]
    assert all(row["weights"].startswith("sha256:") for row in record)
    scores = json.loads((tmp_path / "runs/mini/base/eval/mini/scores.json").read_text())["columns"]
    assert len([name for name in scores if "/" not in name]) == 10
    # Finished runs are used again, under the settings they were made with; under others they are refused.
    experiments = experiments_of(compose(ReportSettings, [*given, *small]), read_table_file("1"))
    assert missing(remaining(experiments)) == []
    with pytest.raises(UserError, match=r"base/eval/mini was made with items=\d+, not 80 as the table asks"):
        remaining([replace(one, eval_options=[]) for one in experiments])
    with pytest.raises(UserError, match=r"grpo/seed0 was made with .*=.*, not .* as the table asks"):
        remaining([replace(one, train_options=[]) for one in experiments[1:]])


@pytest.mark.slow
def test_the_shipped_base_leaves_something_to_learn_and_mostly_errs_in_seeing(tmp_path):
    evaluate(compose(EvalSettings, ["model=tiny", f"out={tmp_path}", "items=15", "k=4", "page=0"]))
    from analysis.errors import with_classes

    classified = with_classes(pd.read_parquet(tmp_path / "predictions.parquet"))
    assert 0.3 < classified.correct.mean() < 0.7
    assert classified.error_class.value_counts().idxmax() == "perception"
    assert "grader" not in set(classified.error_class)
