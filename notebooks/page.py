"""What the notebooks show: sentences, tables and figures, all made by the analysis."""

import io
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import save
from analysis.report.records import Table
from analysis.runs import OpenRuns, open_runs
from common import UserError

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 108  # characters of a printed line
GLUE = "\u00a0"  # a space that is no place to break a line
SCREEN_DPI = 120  # of the pictures in the document; the saved files are finer


def home() -> Path:
    """Work from the repository's root, wherever the notebook was started, and return it."""
    os.chdir(ROOT)
    return ROOT


def begin(runs: str, least: int = 2) -> OpenRuns:
    """Open the runs, from the repository's root, and say what they are."""
    home()
    found = open_runs(runs)
    names = [view.name for view in found.views]
    if len(names) < least:
        raise UserError(f"RUNS holds {len(names)} run, {', '.join(names)}; this notebook needs {least} or more")
    first = found.views[0].predictions
    items, problems = first.sample_id.nunique(), len(first[["column", "cluster"]].drop_duplicates())
    say(
        f"Runs: {', '.join(names)}; the first is the baseline. {items} items ({problems} problems), responses to "
        f"each: {', '.join(str(view.k) for view in found.views)}. {found.classes}"
    )
    return found


def say(*sentences: str | None) -> None:
    """Print sentences, each on lines of its own."""
    for sentence in filter(None, sentences):
        kept = sentence.replace(" %", f"{GLUE}%")  # a number and its sign stay on one line
        lines = textwrap.wrap(kept, WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
        print("\n".join(lines).replace(GLUE, " "))


@dataclass(frozen=True)
class Shown:
    """A table as a notebook shows it; all text is escaped."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    emphasis: Sequence[int] = ()

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.header)
        lines = []
        for number, row in enumerate(self.rows):
            start, end = ("<b>", "</b>") if number in self.emphasis else ("", "")
            lines.append("".join(f"<td>{start}{escape(cell)}{end}</td>" for cell in row))
        body = "\n".join(f"<tr>{line}</tr>" for line in (head, *lines))
        return f"<p><em>{escape(self.caption)}</em></p>\n<table>\n{body}\n</table>"

    def __repr__(self) -> str:
        return f"{self.caption}\n{pd.DataFrame(self.rows, columns=list(self.header)).to_string(index=False)}"


def table(content: Table | pd.DataFrame, caption: str = "") -> Shown:
    """Return a table of the report, or a frame whose cells are ready to be read."""
    if isinstance(content, Table):
        title = caption or f"{content.title}. {content.caption}"
        return Shown(title, content.header, content.rows, content.emphasis)
    rows = [[str(cell) for cell in row] for row in content.itertuples(index=False)]
    return Shown(caption, [str(name) for name in content.columns], rows)


def show(figure: Figure, out: str, name: str, caption: str) -> None:
    """Show a figure with its caption, which is also its alternative text, and save it as PNG and PDF."""
    from IPython.display import display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=SCREEN_DPI, metadata={"Software": None})
    paths = save(figure, Path(out), name)
    picture = {"image/png": buffer.getvalue(), "text/plain": caption}
    display(picture, raw=True, metadata={"image/png": {"alt": caption}})
    say(f"{caption} ({', '.join(path.name for path in paths)})")
