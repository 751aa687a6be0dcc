"""Errors to look at: the picture, what the response states of it, what is true, and what the other runs answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from analysis.errors import diagnosis
from analysis.figures.style import PAGE, canvas, paper_style
from analysis.runs import OpenedRun
from data import IMAGE_PLACEHOLDER, Sample
from data.known import StatedFact

PANELS = 4  # pictures side by side
UNSEEN = "its picture cannot be opened any more"


@dataclass(frozen=True)
class Example:
    """One response in a state, beside what the other runs make of the same item."""

    run: str
    column: str
    sample: Sample
    text: str
    answer: str
    facts: list[StatedFact]
    others: dict[str, str]  # run -> "right in 5 of 8"

    @property
    def question(self) -> str:
        return " ".join(self.sample.question.replace(IMAGE_PLACEHOLDER, " ").split())

    @property
    def picture(self) -> Image.Image | None:
        """Return the first picture; None where it cannot be opened any more."""
        from common import UserError

        try:
            return self.sample.images[0].open() if self.sample.images else None
        except UserError:
            return None


def examples(views: Sequence[OpenedRun], count: int, state: str = "perception", run: int = 0) -> list[Example]:
    """Return responses of one run in a state: the first of each column in turn, by id, so that they are not
    hand-picked.

    Items whose sample is no longer in the data are passed over.
    """
    own = views[run].predictions
    rows = own[own.state == state].sort_values(["sample_id", "k"]).drop_duplicates("sample_id")
    turns = rows.assign(turn=rows.groupby("column", sort=False).cumcount()).sort_values(["turn"], kind="stable")
    samples = views[run].samples(turns.sample_id.head(4 * count).tolist())
    chosen = turns[turns.sample_id.isin(list(samples))].head(count)
    return [example(views, views[run].name, row, samples[row.sample_id]) for row in chosen.itertuples()]


def example(views: Sequence[OpenedRun], run: str, row: "pd.Series", sample: Sample) -> Example:
    others = {}
    for view in views:
        same = view.predictions[view.predictions.sample_id == row.sample_id]
        others[view.name] = f"right in {int(same.correct.sum())} of {len(same)}"
    answer = getattr(row, "extracted", None)
    found = diagnosis(sample, row.text, bool(row.correct))
    facts = found.facts if found else []
    return Example(run, row.column, sample, row.text, "none" if pd.isna(answer) else str(answer), facts, others)


def example_table(found: Sequence[Example]) -> pd.DataFrame:
    """Return a line per example: asked, answered, what it states against the truth, and how often each run is
    right.
    """
    rows = []
    for number, one in enumerate(found, start=1):
        facts = [
            f"{fact.name} = {fact.stated}" + ("" if fact.ok else f" (true: {fact.truth or 'no such fact'})")
            for fact in one.facts
        ]
        rows.append(
            {
                "no.": number,
                "column": one.column,
                "question": one.question,
                "right answer": one.sample.answer,
                "answer": one.answer,
                "stated facts": "; ".join(facts) or "—",
                **one.others,
            }
        )
    return pd.DataFrame(rows)


@paper_style
def examples_figure(found: Sequence[Example]) -> Figure:
    """Return the pictures of the examples with what was asked, answered and misread."""
    columns = max(1, min(PANELS, len(found)))
    lines = -(-max(1, len(found)) // columns)
    figure = canvas(PAGE, 2.85 * lines)
    figure.set_layout_engine("constrained", h_pad=0.12)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for number, (axes, one) in enumerate(zip(grid, found, strict=False), start=1):
        picture = one.picture
        if picture is None:
            axes.text(0.5, 0.5, fill(UNSEEN, 20), ha="center", va="center")
        else:
            axes.imshow(picture, interpolation="nearest")
        wrong = [
            f"says {fact.name} = {fact.stated}, true is {fact.truth or 'none'}" for fact in one.facts if not fact.ok
        ]
        text = [f"answers {one.answer}, right is {one.sample.answer}", *wrong[:3]]
        question = fill(one.question, 26, max_lines=4, placeholder=" …")
        axes.set_title(f"{number}. {one.column}\n{question}", fontsize=7, loc="left")
        axes.text(0, -0.04, "\n".join(fill(line, 28) for line in text), transform=axes.transAxes, va="top", fontsize=7)
    return figure
