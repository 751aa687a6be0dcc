"""Columns of samples beyond question, pictures and answer: what the known ones hold, and the command that builds them.

Rewards and plans name the columns that they read; a run whose data lack one is refused before a model is loaded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from common import UserError


def is_texts(value: Any) -> bool:
    """Return whether a value is a list of texts, none of them empty."""
    return isinstance(value, list | tuple) and all(isinstance(text, str) and text.strip() for text in value)


def is_probes(value: Any) -> bool:
    """Return whether a value is a list of at least one {q, a}."""
    fits = isinstance(value, list | tuple) and len(value) > 0
    return fits and all(isinstance(one, dict) and is_texts([one.get("q"), one.get("a")]) for one in value)


def is_cells(value: Any) -> bool:
    """Return whether a value is a list of [row, column], counted from 0."""
    return isinstance(value, list | tuple) and all(len(cell) == 2 and min(cell) >= 0 for cell in value)


def is_cells_by_fact(value: Any) -> bool:
    """Return whether a value maps facts to cells."""
    return isinstance(value, Mapping) and all(is_cells(cells) for cells in value.values())


def is_hint(value: Any) -> bool:
    """Return whether a value maps at most one fact to a text."""
    return isinstance(value, Mapping) and len(value) <= 1 and all(isinstance(one, str) for one in value.values())


def is_pictures(value: Any) -> bool:
    """Return whether a value is a picture or its path, or a list of them."""
    values = value if isinstance(value, list | tuple) else [value]
    return len(values) > 0 and all(hasattr(one, "open") or is_texts([one]) for one in values)


@dataclass(frozen=True)
class Column:
    """A known column."""

    holds: str  # as an error sentence names it
    fits: Callable[[Any], bool]


COLUMNS = {
    "visual_facts": Column("a list of sentences, each a fact that only the picture shows", is_texts),
    "probes": Column("a list of {q, a}: short questions about what is visible, with answers", is_probes),
    "sentences": Column("a list of sentences, all facts that the question needs", is_texts),
    "evidence_by_fact": Column(
        "{fact: list of [row, column]}: cells that each visual fact is read off", is_cells_by_fact
    ),
    "hint": Column("{fact: value}: what a sentence of the question suggests, true or not", is_hint),
    "close_up": Column("paths of close-ups of what the question is about, one for each picture", is_pictures),
    "positive": Column("paths of other pictures of the same class, one for each picture", is_pictures),
    "negative": Column("paths of pictures of the most similar other class, one for each picture", is_pictures),
    "evidence": Column("a list of [row, column]: cells of the picture that the answer rests on", is_cells),
}


def check_column(name: str, value: Any, where: str) -> None:
    """Refuse a known column that holds something else; unknown columns may hold anything."""
    if name in COLUMNS and not COLUMNS[name].fits(value):
        raise UserError(f"{where} has a column '{name}' that is not {COLUMNS[name].holds}; mend the row")


def check_columns(names: Iterable[str], present: Mapping[str, int], rows: int, source: str, reader: str) -> None:
    """Refuse a source of so many rows in which fewer have a column that `reader` (a piece) reads."""
    for name in sorted(names):
        if (lacking := rows - present.get(name, 0)) > 0:
            near = get_close_matches(name, present, n=1)
            hint = f" (is '{near[0]}' meant?)" if near and not present.get(name) else ""
            raise UserError(
                f"{reader} reads the column '{name}', which {lacking} of {rows} rows of {source} lack{hint}; "
                f"build it: python -m data.build {name} data.source={source} out=<file>.jsonl"
            )
