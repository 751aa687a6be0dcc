"""What notebook 06 says of real benchmark rows: counts from the committed check, pictures from a folder at hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import COLUMN, GREY, PAGE, canvas, paper_style
from common import UserError
from data.contact_sheet import folder_pictures, picture_sheet
from data.views import PatchBlack
from eval.catalogue import real_rows

NO_FOLDER = (
    "No folder of real pictures was given, so none is shown: give PERCEPT_REAL=<folder with benchmark rows and "
    "pictures> to see them clean and masked in an executed copy (python -m notebooks names=6)."
)


def checked() -> dict[str, Any]:
    """Return the committed check of real rows."""
    found = real_rows()
    if not found:
        raise UserError(
            "results/benchmarks/real_rows.json is missing; restore it, or run python -m eval.catalogue check"
        )
    return found


def total(found: dict[str, Any], part: str, name: str) -> int:
    return sum(one[part][name] for one in found.values())


def answer(found: dict[str, Any]) -> str:
    """Return the answer of the notebook in a sentence."""
    rows, lost = sum(one["rows"] for one in found.values()), sum(one["rows"] - one["items"] for one in found.values())
    compared, agree = total(found, "verdicts", "compared"), total(found, "verdicts", "agree")
    return (
        f"{rows:,} real rows of {len(found)} benchmark readings were read and {lost} lost; the official rules agree "
        f"with their authors' verdicts on {agree:,} of {compared:,} recorded outputs ({100 * agree / compared:.2f} %)."
    )


def frame(found: dict[str, Any]) -> pd.DataFrame:
    """Return one line per benchmark."""
    lines = []
    for name, one in found.items():
        verdicts = one["verdicts"]
        agreement = f"{verdicts['agree']} of {verdicts['compared']}" if verdicts["compared"] else ""
        further = [f"{verdicts[key]} {text}" for key, text in (("guessed", "dice"), ("left_open", "for a judge"))]
        open_cases = ", ".join(text for text in further if not text.startswith("0 "))
        lines.append([name, one["rows"], one["items"], one["pictures"]["opened"], agreement, open_cases])
    return pd.DataFrame(
        lines, columns=["benchmark", "rows", "usable", "pictures opened", "verdicts equal", "not compared"]
    )


def reasons(found: dict[str, Any]) -> pd.DataFrame:
    """Return the benchmarks whose verdicts differ, and why."""
    lines = [
        [name, one["verdicts"]["compared"] - one["verdicts"]["agree"], one["verdicts"]["why"]]
        for name, one in found.items()
        if one["verdicts"]["agree"] < one["verdicts"]["compared"]
    ]
    return pd.DataFrame(lines, columns=["benchmark", "verdicts that differ", "why"])


@paper_style
def rows_figure(found: dict[str, Any]) -> Figure:
    """Rows of every benchmark as bars, the part whose recorded outputs were compared in colour."""
    names = sorted(found, key=lambda name: found[name]["rows"])
    figure = canvas(COLUMN, 0.4 + 0.17 * len(names))
    axes = figure.subplots()
    places = np.arange(len(names))
    axes.barh(places, [found[name]["rows"] for name in names], color="#d9d9d9", label="rows read")
    compared = [found[name]["verdicts"]["compared"] for name in names]
    axes.barh(places, compared, height=0.4, color="#2f5597", label="recorded outputs compared")
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", colors=GREY)
    axes.set_xlabel("rows, outputs")
    axes.legend(loc="lower right")
    return figure


@paper_style
def sheet_figure(folder: Path, count: int) -> Figure:
    """Draw real pictures of a folder, each beside the same picture masked as in PAPO's training."""
    pictures = folder_pictures(folder, count * count, 0)
    sheet, _ = picture_sheet(pictures, count, {"masked": PatchBlack()}, 0)
    if sheet is None:
        raise UserError(f"{folder} holds no picture that opens; give PERCEPT_REAL=<a folder with pictures>")
    figure = canvas(PAGE, PAGE * sheet.height / sheet.width)
    axes = figure.subplots()
    axes.imshow(np.asarray(sheet))
    axes.set_axis_off()
    return figure
