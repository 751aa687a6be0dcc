"""A paper table at our scale: our rows with intervals and seeds, the paper's rows, and both gains side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean

import pandas as pd

from analysis.items import Items
from eval.estimate import Estimate, difference_sentence

GROUPS = ("general", "vision", "overall")
NAMES = {"grpo": "GRPO", "papo_g": "PAPO_G", "papo_off": "PAPO_G, coef 0", "dapo": "DAPO", "papo_d": "PAPO_D"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method against its baseline on one group of columns."""

    method: str  # the names that the table shows
    baseline: str
    seeds: int
    group: str
    over_items: Estimate
    over_trainings: Estimate | None  # from two trainings on
    only_baseline: int
    only_method: int
    p_value: float
    published: str  # the paper's own differences, empty where it has none


def names_of(paper: dict) -> dict[str, str]:
    """Return what the table calls its rows."""
    return {row["id"]: row["name"] for row in paper["rows"]}


def columns_of(paper: dict, group: str) -> list[str]:
    return [c["id"] for c in paper["columns"] if group in ("overall", c["group"])]


def groups_of(paper: dict) -> list[str]:
    """Return the groups of columns with a mean of their own; where all columns are of one, only the mean of all."""
    there = [group for group in GROUPS if group == "overall" or columns_of(paper, group)]
    return there if len(there) > 2 else ["overall"]


def ordered(paper: dict) -> list[str]:
    """Return headings in the paper's order: general columns, their mean, vision columns, their mean, all's."""
    *parts, whole = groups_of(paper)
    columns = [name for part in parts for name in [*columns_of(paper, part), part]]
    return [*(columns or columns_of(paper, whole)), whole]


def our_rows(items: Items, paper: dict, methods: list[str]) -> pd.DataFrame:
    """Return one row per method and heading: value and interval in percent, and their text."""
    rows = []
    for method in methods:
        for heading in ordered(paper):
            columns = columns_of(paper, heading) if heading in GROUPS else [heading]
            found = items.mean(method, columns)
            rows.append(
                {
                    "method": method,
                    "heading": heading,
                    "value": 100 * found.value,
                    "low": 100 * found.low,
                    "high": 100 * found.high,
                    "seeds": found.seeds,
                    "text": found.text(),
                }
            )
    return pd.DataFrame(rows)


def published_values(paper: dict, row: dict) -> dict[str, float]:
    """Return a published row's values by column; none where the paper prints averages alone."""
    return dict(zip([c["id"] for c in paper["columns"]], row["values"], strict=True)) if "values" in row else {}


def paper_rows(paper: dict) -> pd.DataFrame:
    """Return the paper's values in the same shape, without intervals (it prints none)."""
    rows, names = [], names_of(paper)
    for row in paper["published"]:
        values = published_values(paper, row) | row["averages"]
        label = f"{names.get(row['method'], row['method'])} {row['model']}-{row['size']}"
        rows += [
            {"method": row["method"], "label": label, "heading": h, "value": values.get(h, nan)}
            for h in ordered(paper)
        ]
    return pd.DataFrame(rows, columns=["method", "label", "heading", "value"])


def comparisons(items: Items, paper: dict, methods: list[str]) -> list[Comparison]:
    """Return every method against its baseline of the paper (and trained baselines against the base)."""
    found, names = [], names_of(paper)
    for method in methods:
        baseline = paper["baselines"].get(method, "base")
        if method == "base" or baseline not in methods:
            continue
        for group in groups_of(paper):
            columns = columns_of(paper, group)
            test = items.mcnemar(baseline, method, columns)
            found.append(
                Comparison(
                    method=names.get(method, method),
                    baseline=names.get(baseline, baseline),
                    seeds=len(items.per_seed[method]),
                    group=group,
                    over_items=items.difference(baseline, method, columns),
                    over_trainings=items.over_trainings(baseline, method, columns),
                    only_baseline=test.only_first,
                    only_method=test.only_second,
                    p_value=test.p_value,
                    published=paper_gains(paper, method, group),
                )
            )
    return found


def paper_gains(paper: dict, method: str, group: str) -> str:
    """Return the paper's own difference in points at each size, recomputed from its values."""
    baseline = paper["baselines"].get(method)
    if baseline is None:
        return ""
    gains = []
    for row in paper["published"]:
        if row["method"] != method:
            continue
        twin = next(
            r
            for r in paper["published"]
            if (r["model"], r["size"]) == (row["model"], row["size"]) and r["method"] == baseline
        )
        value, other = published_mean(paper, row, group), published_mean(paper, twin, group)
        if value is not None and other is not None:
            gains.append(f"{value - other:+.2f} ({row['size']})")
    return ", ".join(gains)


def published_mean(paper: dict, row: dict, group: str) -> float | None:
    """Return a published average, recomputed where the row has its values; None where the paper prints neither."""
    values = published_values(paper, row)
    return fmean(values[c] for c in columns_of(paper, group)) if values else row["averages"].get(group)


def wide(ours: pd.DataFrame, paper: dict, published: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the printed table."""
    header, names = ["row", *ordered(paper)], names_of(paper)
    rows = []
    for method in ours.method.unique():
        part = ours[ours.method == method].set_index("heading")
        seeds = int(part.seeds.iloc[0])
        cells = [part.text[h] for h in ordered(paper)]
        rows.append([f"ours: {names.get(method, method)} ({seeds} seed{'s' * (seeds > 1)})", *cells])
    for label in published.label.unique():
        part = published[published.label == label].set_index("heading")
        shown = ("" if isnan(part.value[h]) else f"{part.value[h]:.2f}" for h in ordered(paper))
        rows.append([f"paper: {label}", *shown])
    return header, rows


def comparison_rows(found: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    header = [
        "comparison",
        "columns",
        "difference in points (95 % over problems)",
        "95 % over trainings",
        "items only one gets right",
        "McNemar exact p",
    ]
    printed = any(c.published for c in found)  # a study has no paper's rows
    rows = [
        [
            f"{c.method} - {c.baseline}",
            c.group,
            c.over_items.text("+"),
            "one training" if c.over_trainings is None else c.over_trainings.text("+"),
            f"{c.only_method} against {c.only_baseline}",
            f"{c.p_value:.2g}",
            *([c.published or "not in the paper"] if printed else []),
        ]
        for c in found
    ]
    return [*header, *(["paper's difference"] if printed else [])], rows


def verdict(c: Comparison) -> str:
    """Return one sentence a reader can rely on."""
    where = f", on the {c.group} average"
    return difference_sentence(c.method, c.baseline, c.over_items, c.over_trainings, where)
