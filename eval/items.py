"""Choose the items that a page shows, and what of them."""

import hashlib

import pandas as pd

from common import UserError
from data import IMAGE_PLACEHOLDER, Sample


def chosen_items(predictions: pd.DataFrame, items: int) -> list[str]:
    """Return at most `items` ids, as many from every column as it has; the draw depends on the ids alone."""
    if items < 1:
        raise UserError(f"a page of {items} items shows nothing; ask for at least 1")
    ids = predictions.drop_duplicates("sample_id")[["sample_id", "column"]].reset_index(drop=True)
    drawn = ids.assign(draw=[hashlib.blake2b(name.encode()).hexdigest() for name in ids.sample_id]).sort_values("draw")
    turn = drawn.groupby("column").cumcount()
    kept = turn.sort_values(kind="stable").index[:items]
    return ids.sample_id.loc[sorted(kept)].tolist()


def unseen_choices(sample: Sample) -> list[str]:
    """Return the options, unless the question itself lists them."""
    choices = [str(choice) for choice in sample.choices]
    return [] if all(choice in sample.question for choice in choices) else choices


def question_text(sample: Sample) -> str:
    """Return the question where its pictures come along by themselves; several keep their places."""
    return sample.question.replace(IMAGE_PLACEHOLDER, "[picture] " if len(sample.images) > 1 else "").strip()
