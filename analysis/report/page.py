"""Build a single HTML file from plain records: tables, figures and a browser over samples.

The page needs no network. Everything a model wrote reaches the browser as JSON and is shown as text;
the Content-Security-Policy of the template forbids loading anything from outside the file.
"""

import re
from base64 import b64encode
from pathlib import Path

from markupsafe import Markup

from analysis.protocol.flow import ALL
from analysis.report.check import check
from analysis.report.encode import browser_data, data_url
from analysis.report.records import Report, Table
from common import atomic_write_text
from eval.pages import inline, render

HERE = Path(__file__).parent
STYLES = ("theme.css", "page.css", "browser.css", "list.css", "sample.css", "heat.css")
SCRIPTS = (
    "parts.js",
    "marks.js",
    "filters.js",
    "flow.js",
    "list.js",
    "heat.js",
    "patches.js",
    "sample.js",
    "browser.js",
)
NUMERIC_CELL = re.compile(r"(?:[\d\s.,;%±+\-−–—/()\[\]×<>=≤≥≈]|(?<=\d)e(?=[\d+−-]))*")
BROAD = 1.7, 900  # a figure this much wider than high, and of more pixels, needs the whole width to be read


def render_report(report: Report) -> str:
    """Return the whole page; raise ValueError where the records contradict themselves."""
    check(report)
    return render(
        HERE,
        "template.html.j2",
        report=report,
        data_url=data_url,
        css=inline(STYLES, HERE) + state_css(),
        js=inline(SCRIPTS, HERE),
        data=browser_data(report.items),
        base64=base64,
        is_numeric=is_numeric,
        is_numeric_column=is_numeric_column,
        png_size=png_size,
        is_broad=is_broad,
    )


def write_report(report: Report, path: Path) -> Path:
    """Write the page in one step: a reader sees the old file or the new one, never half of it."""
    atomic_write_text(path, render_report(report))
    return path


def state_css() -> Markup:
    """Return a fill and a letter colour for the mark of every state, as the figures have them; light and dark
    share them.
    """
    from analysis.figures.style import OTHER_STATE, STATE_COLOURS, ink_on

    marks = {".mark": OTHER_STATE}
    marks |= {f'.mark[data-state="{state}"]': colour for state, colour in STATE_COLOURS.items() if state != ALL}
    return Markup("\n".join(f"{mark} {{ --fill: {fill}; --letter: {ink_on(fill)}; }}" for mark, fill in marks.items()))


def base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, so that the page does not jump while pictures load."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def is_broad(width: int, height: int) -> bool:
    ratio, pixels = BROAD
    return width > ratio * height and width > pixels


def is_numeric(cell: str) -> bool:
    return bool(NUMERIC_CELL.fullmatch(cell))


def is_numeric_column(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows]
    numeric = sum(is_numeric(cell) for cell in cells)
    return any(re.search(r"\d", cell) for cell in cells) and 2 * numeric > len(cells)
