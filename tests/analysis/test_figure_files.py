"""Figures of training curves: panels and numbers from the curves alone, the same again from their files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.experiments import read_table_file, row_of_table
from analysis.figure_files import FIGURE, FigureData, read_figure
from analysis.outputs import run
from analysis.planned import experiments_of
from analysis.run_files import CURVES
from analysis.settings import TableSettings
from analysis.verify_results.run import compare
from common import UserError
from configs import compose

NAMES = ("figure4", "figure5", "figure9", "figure10", "figure11", "figure12")


def curves(*rows: str, onset: int = 0) -> pd.DataFrame:
    """Twenty steps and two seeds of every row; the training accuracy rises by a hundredth a step."""
    parts = []
    for place, row in enumerate(rows):
        for seed in (0, 1):
            part = pd.DataFrame({"row": row, "seed": seed, "step": range(1, 21)})
            part[CURVES] = np.float32(place)
            part["reward/accuracy"] = np.arange(20, dtype=np.float32) / 100 + seed / 10 + place / 5
            part["collapse/onset"] = ((part.step >= onset) & bool(place and onset)).astype(np.float32)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def figure_4(onset: int = 0) -> FigureData:
    given = curves("grpo", "papo_g", "dapo", "papo_d", onset=onset)
    return FigureData(name="figure4", scale="mini", table=read_table_file("figure4"), curves=given)


def test_numbers_come_from_the_last_steps_and_differences_are_paired() -> None:
    value = figure_4().measures().set_index(["row", "seed", "measure"]).value
    assert value["grpo", 0, "reward"] == pytest.approx(0.145) and value["grpo", 1, "reward"] == pytest.approx(0.245)
    page = figure_4(onset=7).texts()["figure.md"]
    assert "| PAPO_G - GRPO | +0.200 [+0.200, +0.200] |" in page
    assert "| none, none |" in page and "| 7, 7 |" in page


def test_a_panel_has_the_runs_it_names() -> None:
    left, right = figure_4().figure().axes
    assert (left.get_title(), right.get_title()) == ("GRPO", "DAPO")
    ends = [[line.get_ydata()[-1] for line in axes.lines] for axes in (left, right)]
    first = 0.155 + 0.05  # the mean of the last eight steps and of two seeds
    assert ends[0] == pytest.approx([first, first + 0.2]) and ends[1] == pytest.approx([first + 0.4, first + 0.6])


def test_files_give_the_same_page_again_and_a_change_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "figure4_mini"
    figure_4().write(folder)
    assert read_figure(folder).texts() == figure_4().texts() and (folder / FIGURE).stat().st_size > 5000
    assert [one.problem for one in compare(folder)] == ["", ""]
    (folder / "figure.csv").write_text("row\n")
    assert [bool(one.problem) for one in compare(folder)] == [False, True]


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_and_number_is_kept_of_a_run(name: str) -> None:
    table = read_table_file(name)
    rows = [row["id"] for row in table["rows"]]
    data = FigureData(name=name, scale="mini", table=table, curves=curves(*rows))
    assert len(data.figure().axes) == len(table["curves"])
    assert {one["metric"] for one in table["measures"]} <= set(CURVES)
    assert all(set(one.get("rows", rows)) <= set(rows) for one in table["curves"])


def test_a_metric_that_is_not_kept_is_refused() -> None:
    table = {**read_table_file("figure4"), "curves": [{"metric": "reward/beauty", "label": "beauty"}]}
    data = FigureData(name="figure4", scale="mini", table=table, curves=curves("grpo"))
    with pytest.raises(UserError, match="asks for reward/beauty, which no table keeps; it keeps critic/rewards/mean"):
        data.figure()


def test_a_figure_asks_for_trainings_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = compose(TableSettings, ["table=figure12", "seeds=2", "plan=true", f"folder={tmp_path}"])
    run(settings)
    said = capsys.readouterr().out
    assert said.count("python -m train") == 8 and "python -m eval" not in said and "panel: reward/accuracy" in said
    first = experiments_of(settings, read_table_file("figure12"))[0]
    assert first.row.id == "papo_g_gamma01" and first.evaluations() == {}


def test_rows_are_those_of_other_tables() -> None:
    (row, *_) = read_table_file("figure12")["rows"]
    assert row == next(one for one in read_table_file("4")["rows"] if one["id"] == "papo_g_gamma01")
    with pytest.raises(UserError, match="table 4 has no row vppo; it has grpo"):
        row_of_table(4, "vppo")
