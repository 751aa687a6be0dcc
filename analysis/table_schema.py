"""Refuse a table's file that says what no table can say, before any of its runs is looked for.

docs/add_a_table.md explains the keys.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common import UserError, did_you_mean

KEYS = (
    *("based_on", "title", "source", "metric", "rows", "demo", "baselines", "scales", "columns", "published"),
    *("printed", "printed_against", "left_out", "also", "measures", "published_measures", "curves", "settings"),
)
SUITE = ("model", "bench", "preset", "eval", "also")
CURVE = ("metric", "label", "title", "rows")
PUBLISHED = ("model", "size", "method", "values", "averages", "relative_gains")
OWN = "bench"  # as a measure's accuracy: the evaluation that the table itself is made of
OVER = ("last", "median", "onset")
MEASURES = {  # source of a measure -> what else it may say
    "metric": ("over",),
    "accuracy": ("column", "hint"),
    "states": ("column", "hint"),
    "attention": ("column", "responses"),
}
STATES = ("suggested", "true")
ID = re.compile(r"[a-z0-9][a-z0-9_.]*")


def check_table(file: str, table: Mapping[str, Any], is_papers: bool) -> None:
    """Refuse unknown keys, names of rows and evaluations that are not there, and what is there twice."""
    check_keys(file, table, KEYS)
    if not is_papers and "title" not in table:
        raise UserError(f"{file} has no title; add one, as only the paper's tables are called by their number")
    if "settings" in table:
        return
    rows = [row["id"] for row in table["rows"]]
    if not rows:
        raise UserError(f"{file} has no rows; add one, such as {{id: grpo, name: GRPO, set: [method=grpo]}}")
    check_ids(file, "rows", rows)
    check_rows_named(file, table, rows)
    if not table["scales"]:
        raise UserError(f"{file} has no scales; add based_on: 1, or scales: {{mini: {{model, bench, preset}}}}")
    for scale, suite in table["scales"].items():
        check_keys(f"{file}: scale {scale}", suite, SUITE, SUITE[:3])
    for curve in table.get("curves", []):
        check_keys(f"{file}: a curve", curve, CURVE, CURVE[:2])
    for row in table["published"]:
        check_keys(f"{file}: a published row", row, PUBLISHED, PUBLISHED[:3])
    check_measures(file, table)


def check_rows_named(file: str, table: Mapping[str, Any], rows: Sequence[str]) -> None:
    """Refuse names of rows that the table does not have."""
    named = {what: [*table.get(what, {}), *table.get(what, {}).values()] for what in ("baselines", "printed_against")}
    trained = [row["id"] for row in table["rows"] if row.get("set")]
    for row in table["rows"]:
        if (teacher := row.get("teacher")) and teacher in rows and (teacher not in trained or teacher == row["id"]):
            raise UserError(f"{file}: row {row['id']} learns from {teacher}; name another row, one that is trained")
    named["demo"] = table.get("demo", [])
    named["teacher"] = [row["teacher"] for row in table["rows"] if row.get("teacher")]
    named["a curve"] = [row for curve in table.get("curves", []) for row in curve.get("rows", [])]
    for what, names in named.items():
        check_names(f"{file}: {what}", names, rows)


def check_rows(file: str, rows: Any) -> None:
    """Refuse what is no list of rows."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
        raise UserError(f"{file}: rows is a list of {{id, name, set, ...}}; write it so")


def check_measures(file: str, table: Mapping[str, Any]) -> None:
    """Refuse measures without one source, or of an evaluation that the table does not make."""
    measures = table.get("measures", [])
    also = {name for one in (table, *table["scales"].values()) for name in one.get("also", {})}
    if OWN in also:
        raise UserError(f"{file}: also has an evaluation called {OWN}, which means the table's own; rename it")
    for one in measures:
        where = f"{file}: measure {one.get('id', one)}"
        sources = [name for name in MEASURES if name in one]
        if len(sources) != 1:
            check_keys(where, one, ("id", "name", *MEASURES, *(key for keys in MEASURES.values() for key in keys)))
            raise UserError(f"{where} needs one of {', '.join(MEASURES)}, which says what is measured")
        (source,) = sources
        needed = ("id", "name", "over") if source == "metric" else ("id", "name")
        check_keys(where, one, ("id", "name", source, *MEASURES[source]), needed)
        if source == "metric":
            check_names(f"{where}: over", [one["over"]], OVER)
        if source == "states":
            check_names(f"{where}: states", [one["states"]], STATES)
        if source == "accuracy":
            names = [one["accuracy"]] if isinstance(one["accuracy"], str) else one["accuracy"]
            check_names(f"{where}: accuracy", names, {OWN, *also})
    ids = [one["id"] for one in measures]
    check_ids(file, "measures", ids)
    for row in table.get("published_measures", []):
        check_names(f"{file}: published_measures", row["values"], ids)


def check_keys(where: str, given: Mapping[str, Any], keys: Sequence[str], needed: Sequence[str] = ()) -> None:
    """Refuse a key that is not known, with the nearest one, and one that is lacking."""
    for name in given:
        if name not in keys:
            raise UserError(f"{where} has no setting '{name}'; {did_you_mean(name, keys)}")
    for name in needed:
        if name not in given:
            raise UserError(f"{where} lacks '{name}'; add it")


def check_names(where: str, names: Iterable[str], there: Iterable[str]) -> None:
    """Refuse a name that is not there, with the nearest one."""
    for name in names:
        if name not in there:
            raise UserError(f"{where} names '{name}', which is not there; {did_you_mean(name, list(there))}")


def check_ids(file: str, what: str, ids: Sequence[str]) -> None:
    """Refuse ids that name no folder, or two things."""
    for number, name in enumerate(ids):
        if not ID.fullmatch(name):
            raise UserError(f"{file}: {what} has the id '{name}'; use small letters, digits, _ and .")
        if name in ids[:number]:
            raise UserError(f"{file}: {what} has the id {name} twice; rename one")
