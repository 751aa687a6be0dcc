"""A page to read what a model wrote: one HTML file with pictures, responses, verdicts, filters and search.

The page needs no network. All text reaches it as JSON and is shown as text; its Content-Security-Policy forbids
loading anything from outside the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from common import UserError, atomic_write_text
from data import Sample
from data.images import picture_uri
from eval.items import chosen_items, question_text, unseen_choices
from eval.pages import render, script_data

HERE = Path(__file__).parent
PREFIX = "correct_"
PICTURE_SIDE = 320
JPEG_QUALITY = 80
ITEMS = 200


def data_uri(image: Image.Image) -> str:
    return picture_uri(image, PICTURE_SIDE, JPEG_QUALITY)


def text_or_none(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def response_data(row: Mapping[str, Any], scorers: list[str]) -> dict[str, Any]:
    verdicts = [row[PREFIX + name] for name in scorers]
    return {
        "k": int(row["k"]),
        "text": str(row["text"]),
        "extracted": text_or_none(row["extracted"]),
        "cut": row["finish_reason"] == "length",
        "verdicts": [None if pd.isna(verdict) else bool(verdict) for verdict in verdicts],
    }


def page_data(predictions: pd.DataFrame, samples: Mapping[str, Sample], items: int = ITEMS) -> dict[str, Any]:
    """Return what the page's script works on; a picture that several items share is stored once."""
    scorers = [name.removeprefix(PREFIX) for name in predictions.columns if name.startswith(PREFIX)]
    if not scorers:
        raise UserError(f"these predictions hold no verdicts; a page needs a column {PREFIX}<scorer> or more")
    ids = chosen_items(predictions, items)
    by_id = {str(name): part for name, part in predictions[predictions.sample_id.isin(ids)].groupby("sample_id")}
    pictures: dict[str, int] = {}
    rows = []
    for sample_id in ids:
        sample, part = samples[sample_id], by_id[sample_id].sort_values("k")
        places = [pictures.setdefault(data_uri(image.open()), len(pictures)) for image in sample.images]
        rows.append(
            {
                "id": sample_id,
                "column": str(part.column.iloc[0]),
                "gold": str(part.gold.iloc[0]),
                "question": question_text(sample),
                "choices": unseen_choices(sample),
                "pictures": places,
                "responses": [response_data(row, scorers) for row in part.to_dict("records")],
            }
        )
    return {
        "scorers": scorers,
        "columns": predictions.column.astype(str).unique().tolist(),
        "items": rows,
        "pictures": list(pictures),
        "left_out": predictions.sample_id.nunique() - len(ids),
    }


def count_sentence(data: Mapping[str, Any]) -> str:
    shown, left_out = len(data["items"]), data["left_out"]
    if not left_out:
        return f"All {shown} items."
    return (
        f"{shown} of {shown + left_out} items, {left_out} left out; drawn over all {len(data['columns'])} columns by "
        "the items' names, never by what the model said."
    )


def render_page(predictions: pd.DataFrame, samples: Mapping[str, Sample], title: str, items: int = ITEMS) -> str:
    """Return the whole page as text."""
    data = page_data(predictions, samples, items)
    return render(HERE, "page.html.jinja", title=title, count=count_sentence(data), data=script_data(data))


def write_page(
    predictions: pd.DataFrame, samples: Mapping[str, Sample], path: Path, title: str, items: int = ITEMS
) -> Path:
    """Write a page; predictions have sample_id, column, k, text, extracted, gold, finish_reason, correct_<scorer>."""
    atomic_write_text(path, render_page(predictions, samples, title, items))
    return path
