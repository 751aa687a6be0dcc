"""The scores table in three forms, and predictions read back."""

import io
from pathlib import Path

import pandas as pd
import pytest

from common import UserError
from eval.estimate import interval_text
from eval.output import markdown, read_predictions, write_scores


def scores() -> pd.DataFrame:
    """Two models, two columns; the second model has no score in one of them, and names hold signs of all formats."""
    rows = [
        ("base_1", "chart", 0.612, 0.589, 0.635),
        ("base_1", "a|b", 1.0, 0.838875, 1.0),
        ("5% & up", "chart", 0, 0, 0.1),
    ]
    return pd.DataFrame(rows, columns=["row", "column", "mean", "low", "high"])


def test_an_interval_as_text() -> None:
    assert interval_text(0.612, 0.589, 0.635) == "61.2 [58.9, 63.5]"


def test_three_files(tmp_path: Path) -> None:
    paths = write_scores(scores(), tmp_path / "new", "table")
    assert [path.name for path in paths] == ["table.md", "table.csv", "table.tex"]
    assert paths[0].read_text().splitlines() == [
        "|  | chart | a\\|b |",
        "| --- | --- | --- |",
        "| base_1 | 61.2 [58.9, 63.5] | 100.0 [83.9, 100.0] |",
        "| 5% & up | 0.0 [0.0, 10.0] | — |",
    ]
    cells = pd.read_csv(io.StringIO(paths[1].read_text()))
    assert cells.columns.tolist() == ["row", "column", "mean", "low", "high", "text"]
    assert cells.loc[1, ["mean", "low", "text"]].tolist() == [100, 83.888, "100.0 [83.9, 100.0]"]
    latex = paths[2].read_text()
    assert "base\\_1 & 61.2 [58.9, 63.5] & 100.0 [83.9, 100.0] \\\\" in latex
    assert "5\\% \\& up & 0.0 [0.0, 10.0] & — \\\\" in latex


def test_nothing_is_bold(tmp_path: Path) -> None:
    texts = [path.read_text() for path in write_scores(scores(), tmp_path)]
    assert not any("**" in text or "bf" in text for text in texts)


def test_a_score_that_does_not_exist_is_no_number(tmp_path: Path) -> None:
    lines = scores().assign(mean=float("nan"), low=float("nan"), high=float("nan"))
    texts = [path.read_text() for path in write_scores(lines, tmp_path)]
    assert not any("nan" in text for text in texts)


def test_a_cell_stays_a_cell() -> None:
    assert markdown(["a"], [["x | y\nz \\ w"]]).splitlines()[2] == "| x \\| y z \\\\ w |"


def test_predictions_are_read_by_column(tmp_path: Path) -> None:
    pd.DataFrame({"k": [0], "text": ["a"], "gold": ["b"]}).to_parquet(tmp_path / "predictions.parquet")
    assert read_predictions(tmp_path, ["k"], ["gold", "grader"]).columns.tolist() == ["k", "gold"]
    with pytest.raises(UserError, match="has no column cluster, column; it has k, text, gold"):
        read_predictions(tmp_path, ["k", "cluster", "column"])


def test_no_predictions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; give the folder"):
        read_predictions(tmp_path, ["k"])
    (tmp_path / "predictions.parquet").write_bytes(b"half a file")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_predictions(tmp_path, ["k"])
    pd.DataFrame({"k": pd.Series(dtype=int)}).to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(UserError, match="holds no responses"):
        read_predictions(tmp_path, ["k"])
