"""Build a single HTML file from plain records: tables, figures and a browser over samples.

The page needs no network. Everything a model wrote reaches the browser as JSON and is shown as text;
the Content-Security-Policy of the template forbids loading anything from outside the file.
"""

import json
import math
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
NUMERIC_CELL = re.compile(r"(?:[\d\s.,;%±+\-−–—/()\[\]×<>=≤≥≈]|(?<=\d)e(?=[\d+−-]))*")
EDGE_FRACTIONS = (0.1, 0.3, 0.6, 1.0)
SMALLEST_TOP_EDGE_NATS = 0.01
JSON_IN_HTML = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


@dataclass(frozen=True)
class Figure:
    title: str
    caption: str
    png: bytes
    alt: str


@dataclass(frozen=True)
class Table:
    """Cells are plain text; `emphasis` holds the indices of the rows set in bold."""

    title: str
    caption: str
    header: list[str]
    rows: list[list[str]]
    emphasis: Sequence[int] = ()


@dataclass(frozen=True)
class Fact:
    """Something the model stated about the picture; `truth` is None where it cannot be checked."""

    name: str
    stated: str
    truth: str | None
    ok: bool


@dataclass(frozen=True)
class Token:
    """Log-probabilities in nats, with the image and with the masked image."""

    text: str
    logprob: float
    masked_logprob: float

    @property
    def drop(self) -> float:
        return self.logprob - self.masked_logprob


@dataclass(frozen=True)
class Answer:
    """One response of one run; `correct_of_k` counts right responses among all that were sampled."""

    run: str
    text: str
    correct: bool
    extracted: str | None
    error_class: str | None
    facts: list[Fact]
    tokens: list[Token]
    correct_of_k: tuple[int, int]


@dataclass(frozen=True)
class Item:
    id: str
    column: str
    dependency: str
    version: str | None
    question: str
    gold: str
    image_png: bytes
    masked_png: bytes
    answers: list[Answer]


@dataclass(frozen=True)
class Report:
    """`summary` holds the findings, one or two plain sentences each, shown on top."""

    title: str
    summary: list[str]
    tables: list[Table]
    figures: list[Figure]
    items: list[Item]
    provenance: list[tuple[str, str]]


def render_report(report: Report) -> str:
    """Return the whole page; raise ValueError where the records contradict themselves."""
    check(report)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(base64=base64, is_numeric=is_numeric, is_numeric_column=is_numeric_column)
    return environment.get_template("template.html.j2").render(
        report=report,
        css=inline("page.css") + inline("browser.css"),
        js=inline("browser.js"),
        data=Markup(browser_data(report.items)),
    )


def write_report(report: Report, path: Path) -> Path:
    """Write the page in one step: a reader sees the old file or the new one, never half of it."""
    html = render_report(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(html, encoding="utf-8")
    os.replace(partial, path)
    return path


def inline(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))


def base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def check(report: Report) -> None:
    repeated = [name for name, count in Counter(item.id for item in report.items).items() if count > 1]
    if repeated:
        raise ValueError(f"sample ids must be unique, because links use them; repeated: {repeated[:5]}")
    for table in report.tables:
        if any(len(row) != len(table.header) for row in table.rows):
            raise ValueError(f"table {table.title!r}: every row needs {len(table.header)} cells, one per column")
    for item in report.items:
        if not all(math.isfinite(token.drop) for answer in item.answers for token in answer.tokens):
            raise ValueError(f"sample {item.id!r}: a token has a log-probability that is not finite")


def browser_data(items: list[Item]) -> str:
    """JSON for the browser script, safe inside <script>; a picture used twice is stored once."""
    pictures: dict[bytes, int] = {}
    rows = [
        {name: getattr(item, name) for name in ("id", "column", "dependency", "version", "question", "gold")}
        | {"image": pictures.setdefault(item.image_png, len(pictures))}
        | {"masked": pictures.setdefault(item.masked_png, len(pictures))}
        | {"answers": [answer_data(answer) for answer in item.answers]}
        for item in items
    ]
    drops = [token.drop for item in items for answer in item.answers for token in answer.tokens]
    encoded = [base64(picture) for picture in pictures]
    data = {"edges": drop_edges(drops), "pictures": encoded, "items": rows}
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(JSON_IN_HTML)


def answer_data(answer: Answer) -> dict:
    tokens = [(token.text, round(token.logprob, 4), round(token.masked_logprob, 4)) for token in answer.tokens]
    return vars(answer) | {"facts": [vars(fact) for fact in answer.facts], "tokens": tokens}


def drop_edges(drops: list[float]) -> list[float]:
    """Borders of the colour steps, in nats, from the 95th percentile of |drop| over the whole report.

    Masked log-probabilities differ by a factor of a hundred between model scales, so no fixed scale would do;
    one scale for all samples keeps their colours comparable. The floor keeps rounding noise colourless.
    """
    sizes = sorted(abs(drop) for drop in drops) or [0.0]
    typical_maximum = max(sizes[int(0.95 * (len(sizes) - 1))], SMALLEST_TOP_EDGE_NATS)
    power = 10.0 ** math.floor(math.log10(typical_maximum))
    top = next(power * lead for lead in (1, 2, 3, 5, 10) if typical_maximum <= power * lead * (1 + 1e-9))
    return [float(f"{top * fraction:.2g}") for fraction in EDGE_FRACTIONS]


def is_numeric(cell: str) -> bool:
    return bool(NUMERIC_CELL.fullmatch(cell))


def is_numeric_column(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows]
    numeric = sum(is_numeric(cell) for cell in cells)
    return any(re.search(r"\d", cell) for cell in cells) and 2 * numeric > len(cells)
