"""Read judged responses of an evaluation or a training step; write scores as Markdown, CSV and LaTeX."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common import UserError, atomic_write_text
from configs.layout import PREDICTIONS
from eval.estimate import interval_text
from models.judged import without_nan

MISSING = "—"


def judged_file(folder: Path) -> Path:
    """Return the file of judged responses: that of an evaluation's folder, or `folder` where it is such a file."""
    return folder if folder.suffix == ".parquet" else folder / PREDICTIONS


def check_judged(folder: Path) -> Path:
    """Return the file of judged responses; refuse a folder that has none."""
    path = judged_file(folder)
    if not path.exists():
        raise UserError(
            f"{path} does not exist; give the folder that python -m eval has written, or a file of rollouts"
        )
    return path


def read_predictions(folder: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return the named columns of an evaluation or of a file of rollouts; of the optional ones, those that exist."""
    import pyarrow
    import pyarrow.parquet

    path = check_judged(folder)
    try:
        known = pyarrow.parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); write it again") from None
    missing = [name for name in needed if name not in known]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(known)}")
    wanted = [name for name in dict.fromkeys([*needed, *optional]) if name in known]
    predictions = without_nan(pd.read_parquet(path, columns=wanted))
    if predictions.empty:
        raise UserError(f"{path} holds no responses; evaluate again with more items")
    return predictions


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a pipe table; what would end a cell or a row early is taken out of the text."""
    lines = [[*map(markdown_cell, header)], ["---"] * len(header), *([*map(markdown_cell, row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def with_text(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with their cells as text; a score that does not exist has none."""
    texts = [interval_text(*line) for line in scores[["mean", "low", "high"]].itertuples(index=False)]
    return scores.assign(text=texts).assign(text=lambda frame: frame.text.where(frame["mean"].notna(), MISSING))


def write_scores(scores: pd.DataFrame, folder: Path, name: str = "scores") -> list[Path]:
    """Write `<name>.md`, `.csv` and `.tex`; `scores` has one line per cell: row, column, mean, low, high in shares.

    Markdown and LaTeX show the table, rows and columns in the order of their first mention; the CSV keeps one line
    per cell, with the numbers in percent beside the text. No cell is set in bold: the largest number is rarely larger
    than its interval.
    """
    scores = with_text(scores)
    cells = scores.pivot(index="row", columns="column", values="text").fillna(MISSING)
    cells = cells.loc[scores.row.unique(), scores.column.unique()]
    rows = [[str(row), *line] for row, line in zip(cells.index, cells.to_numpy(), strict=True)]
    percent = scores.assign(**{part: (100 * scores[part]).round(3) for part in ("mean", "low", "high")})
    texts = {
        "md": markdown(["", *map(str, cells.columns)], rows) + "\n",
        "csv": percent.to_csv(index=False),
        "tex": cells.rename_axis(index=None, columns=None).to_latex(escape=True),
    }
    paths = [folder / f"{name}.{ending}" for ending in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        atomic_write_text(path, text)
    return paths
