"""Check a published table against its own numbers.

A relative gain can be made in two ways: the mean over columns of (value - baseline) / baseline, or the same ratio of
the averages. The former needs the cells; without them it still ties the overall gain to those of the two groups.
Every number is printed to 0.01, and `rounding` is the most that rounding of all numbers involved can do: a recomputed
number that is further away does not follow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import Any, Literal

from analysis.table import GROUPS, columns_of, published_values

HALF_DIGIT = 0.005
FOLLOWS, OF_MEANS, OFF, UNKNOWN = "follows", "gain of the means", "does not follow", "not checkable"
CELLS, PARTS, NOTHING = "cells", "the groups' printed numbers", ""
Key = tuple[str, str, str]  # model, size, row


@dataclass(frozen=True, kw_only=True)
class Check:
    """One printed number and what it should be."""

    table: str
    model: str
    size: str
    row: str
    number: Literal["average", "relative gain"]
    against: str  # the baseline of a gain
    group: str
    printed: float
    recomputed: float  # nan where the paper prints too little; of a gain the mean over columns
    gain_of_means: float  # nan for an average
    rounding: float
    source: str  # what it was recomputed from
    verdict: str


def key_of(row: Mapping[str, Any]) -> Key:
    return row["model"], row["size"], row["method"]


def cells_of(tables: Sequence[dict[str, Any]]) -> dict[Key, dict[str, float]]:
    """Return the cells of every row that some table prints: a row of one id is one run in all tables."""
    found: dict[Key, dict[str, float]] = {}
    for table in tables:
        for row in table.get("published", []):
            if "values" in row:
                found.setdefault(key_of(row), published_values(table, row))
    return found


def fits(printed: float, recomputed: float, rounding: float) -> bool:
    return abs(printed - recomputed) <= rounding + 1e-9


def column_gain(value: float, baseline: float) -> float:
    return 100 * (value / baseline - 1)


def gain_rounding(value: float, baseline: float) -> float:
    """Return how far rounding of both numbers can move their relative gain, in percentage points."""
    return 100 * HALF_DIGIT * (1 + value / baseline) / baseline


def whole_of(table: dict[str, Any], parts: Mapping[str, float]) -> float:
    """Return the overall number that the two groups' numbers give, weighted by their columns."""
    counts = {group: len(columns_of(table, group)) for group in ("general", "vision")}
    return sum(counts[group] * parts[group] for group in counts) / sum(counts.values())


def average_check(table: dict[str, Any], row: Mapping[str, Any], group: str, cells: Mapping[str, float]) -> Check:
    """Recompute a printed average."""
    recomputed, source = nan, NOTHING
    if cells:
        recomputed, source = fmean(cells[column] for column in columns_of(table, group)), CELLS
    elif group == "overall" and {"general", "vision"} <= row["averages"].keys():
        recomputed, source = whole_of(table, row["averages"]), PARTS
    printed, rounding = row["averages"][group], 2 * HALF_DIGIT
    verdict = UNKNOWN if isnan(recomputed) else FOLLOWS if fits(printed, recomputed, rounding) else OFF
    return Check(
        **place(table, row, group),
        number="average",
        against="",
        printed=printed,
        recomputed=recomputed,
        gain_of_means=nan,
        rounding=rounding,
        source=source,
        verdict=verdict,
    )


def gain_checks(
    table: dict[str, Any], row: Mapping[str, Any], cells: Mapping[Key, Mapping[str, float]]
) -> Iterator[Check]:
    """Yield a row's printed relative gains, recomputed in both ways."""
    groups = [group for group in GROUPS if group in row.get("relative_gains", {})]
    if not groups:
        return
    baseline = baseline_of(table, row)
    values, others = cells.get(key_of(row), {}), cells.get(key_of(baseline), {})
    ways = {}
    for group in groups:
        columns = columns_of(table, group) if values and others else []
        ways[group] = columns, means_gain(row, baseline, group, (values, others), columns)
    # One number may equal the gain of the means by chance; a row whose numbers all do was made so.
    is_of_means = all(fits(row["relative_gains"][group], *means) for group, (_, means) in ways.items())
    for group, (columns, (of_means, _)) in ways.items():
        recomputed, rounding, source = nan, HALF_DIGIT, NOTHING
        if columns:
            recomputed, source = fmean(column_gain(values[c], others[c]) for c in columns), CELLS
            rounding += fmean(gain_rounding(values[c], others[c]) for c in columns)
        elif group == "overall" and {"general", "vision"} <= ways.keys():
            recomputed, source = whole_of(table, row["relative_gains"]), PARTS
            rounding += HALF_DIGIT
        printed = row["relative_gains"][group]
        verdict = OF_MEANS if is_of_means else UNKNOWN if isnan(recomputed) else OFF
        yield Check(
            **place(table, row, group),
            number="relative gain",
            against=baseline["method"],
            printed=printed,
            recomputed=recomputed,
            gain_of_means=of_means,
            rounding=rounding,
            source=source,
            verdict=FOLLOWS if fits(printed, recomputed, rounding) else verdict,
        )


def means_gain(
    row: Mapping[str, Any],
    baseline: Mapping[str, Any],
    group: str,
    cells: tuple[Mapping[str, float], Mapping[str, float]],
    columns: Sequence[str],
) -> tuple[float, float]:
    """Return the relative gain of the averages, from the cells where there are some, and its rounding."""
    mean, other = row["averages"][group], baseline["averages"][group]
    if columns:
        mean, other = (fmean(values[column] for column in columns) for values in cells)
    return column_gain(mean, other), HALF_DIGIT + gain_rounding(mean, other)


def place(table: Mapping[str, Any], row: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Return where a number is printed."""
    model, size, name = key_of(row)
    return {"table": str(table["source"]["table"]), "model": model, "size": size, "row": name, "group": group}


def baseline_of(table: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the published row that the paper's relative gains are against, which need not be our baseline."""
    name = table.get("printed_against", {}).get(row["method"]) or table["baselines"][row["method"]]
    rows: dict[Key, dict[str, Any]] = {key_of(other): other for other in table["published"]}
    return rows[row["model"], row["size"], name]


def checks(tables: Sequence[dict[str, Any]]) -> Iterator[Check]:
    """Yield every printed average and relative gain of the tables, checked."""
    cells = cells_of(tables)
    for table in tables:
        for row in table.get("published", []):
            for group in GROUPS:
                if group in row.get("averages", {}):
                    yield average_check(table, row, group, cells.get(key_of(row), {}))
            yield from gain_checks(table, row, cells)


@dataclass(frozen=True, kw_only=True)
class Without:
    """A published gain with all columns and without one."""

    model: str
    size: str
    row: str
    group: str
    points: float
    points_without: float
    gain: float  # mean over columns of the relative gains
    gain_without: float


def without_column(table: dict[str, Any], column: str) -> list[Without]:
    """Return the gains of all rows of a table over their baselines, with and without one column."""
    found = []
    for row in table["published"]:
        if row["method"] not in table["baselines"]:
            continue
        values, others = (published_values(table, one) for one in (row, baseline_of(table, row)))
        for group in (group for group in GROUPS if column in columns_of(table, group)):
            columns = columns_of(table, group)
            left = [one for one in columns if one != column]
            numbers = [fmean(values[c] for c in some) - fmean(others[c] for c in some) for some in (columns, left)]
            gains = [fmean(column_gain(values[c], others[c]) for c in some) for some in (columns, left)]
            found.append(
                Without(
                    model=row["model"],
                    size=row["size"],
                    row=row["method"],
                    group=group,
                    points=numbers[0],
                    points_without=numbers[1],
                    gain=gains[0],
                    gain_without=gains[1],
                )
            )
    return found
