"""What the labels of two passes add up to: agreement, class rates and calibration, as data and as Markdown."""

from collections import Counter
from dataclasses import asdict
from math import nan
from typing import Any

import pandas as pd

from analysis.judge.agreement import Interval, agreement, table_of
from analysis.judge.calibration import Labelled, confusion, corrected_rates, labelled, qualities
from analysis.taxonomy import BY_NAME, CLASSES
from eval.estimate import interval_text, number_text
from eval.output import MISSING, markdown
from eval.statistics import mean_over_items


def both_passes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a line per response with the label of each pass, None where it has none."""
    table = rows.pivot(index="key", columns="pass", values="label")
    return table.astype(object).where(table.notna(), None)


def said_rates(items: Labelled) -> list[dict[str, Any]]:
    """Return the shares of the labels themselves, with intervals over problems; nothing is corrected here."""
    rates, clusters = [], items.cluster_I.tolist()
    for name, shares_I in zip(CLASSES, items.shares_IJ.T, strict=True):
        found = mean_over_items(shares_I, clusters)
        rates.append({"name": name, "said": found.value, "interval": (found.low, found.high)})
    return rates


def summary_of(rows: pd.DataFrame, calibration: pd.DataFrame | None, seed: int) -> dict[str, Any]:
    """Return all numbers on the labels; those on the judge's quality only where the truth is known."""
    pairs = both_passes(rows)
    clusters = rows.drop_duplicates("key").set_index("key").cluster.loc[pairs.index]
    quotes = rows.quote_stands.dropna()
    summary: dict[str, Any] = {
        "reasons": {str(number): dict(Counter(one.reason)) for number, one in rows.groupby("pass")},
        "agreement": asdict(agreement(pairs, CLASSES, clusters.to_numpy(), seed)),
        "disagreements": table_of(pairs[1], pairs[2], CLASSES).to_numpy().tolist(),
        "quotes": len(quotes),
        "quotes_not_in_response": int((~quotes.astype(bool)).sum()),
        "rates": None,
        "confusion": None,
        "qualities": None,
        "corrected": None,
    }
    if not rows.label.notna().any():
        return summary
    items = labelled(rows)
    summary["rates"] = said_rates(items)
    if items.truth_I is not None:
        summary["confusion"] = confusion(items).to_numpy().tolist()
        summary["qualities"] = [asdict(quality) for quality in qualities(items)]
    if calibration is not None:
        summary["corrected"] = [asdict(rate) for rate in corrected_rates(labelled(calibration), items, seed)]
    return summary


def share_text(value: float | None, interval: Interval | None) -> str:
    return MISSING if value is None or interval is None else interval_text(value, *interval)


def kappa_text(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return MISSING
    return interval_text(value, *(interval or (nan, nan)), unit="plain")


def agreement_sentences(record: dict[str, Any]) -> list[str]:
    found = record["agreement"]
    reasons = [
        f"pass {number}: " + ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        for number, counts in record["reasons"].items()
    ]
    lines = [f"- Replies, {'; '.join(reasons)}."]
    if not found["units"]:
        return [*lines, "- No response has two labels, so there is no agreement to speak of."]
    lines += [
        f"- {found['units']} responses have two labels, {found['left_out']} fewer; {number_text(found['equal'])} % of "
        "the pairs are equal.",
        f"- Cohen's kappa {kappa_text(found['kappa'], found['kappa_interval'])}, Krippendorff's alpha (nominal) "
        f"{kappa_text(found['alpha'], found['alpha_interval'])}; 95 % intervals from a bootstrap of problems"
        + (f", {found['undefined_draws']} draws of one class only left out." if found["undefined_draws"] else "."),
    ]
    if record["quotes"]:
        lines.append(
            f"- {record['quotes_not_in_response']} of {record['quotes']} quoted statements are not in the response."
        )
    return lines


def rate_table(record: dict[str, Any]) -> str:
    header = ["class", "as the judge says, %"]
    rows = [[rate["name"], share_text(rate["said"], rate["interval"])] for rate in record["rates"]]
    if record["corrected"]:
        header.append("corrected, %")
        for row, rate in zip(rows, record["corrected"], strict=True):
            text = interval_text(rate["corrected"], rate["low"], rate["high"])
            row.append(text if rate["calibrated"] else f"{text}, not calibrated")
    return markdown(header, rows)


def matrix(corner: str, values: list[list[float]]) -> str:
    rows = [[name, *(f"{value:g}" for value in line)] for name, line in zip(CLASSES, values, strict=True)]
    return markdown([corner, *CLASSES], rows)


def quality_table(record: dict[str, Any]) -> str:
    rows = [
        [
            one["name"],
            str(one["items"]),
            share_text(one["recall"], one["recall_interval"]),
            share_text(one["precision"], one["precision_interval"]),
        ]
        for one in record["qualities"]
    ]
    return markdown(["true class", "responses", "recall, %", "precision, %"], rows)


def page_of(record: dict[str, Any]) -> str:
    """Return the summary for people."""
    lines = [
        "# Error classes by a judge",
        "",
        f"{record['drawn']}. Judge: {record['judge']['model']}, {record['prompt']}; two blinded passes. Definitions: "
        "docs/error_classes.md.",
        "",
        *agreement_sentences(record),
        "",
    ]
    if record["rates"]:
        lines += ["## Shares of the classes", "", rate_table(record), ""]
        lines += ["Drawn in equal numbers per true class: not the shares among all errors.", ""] * record["balanced"]
    if record["corrected"]:
        trusted = [BY_NAME[rate["name"]].title for rate in record["corrected"] if not rate["calibrated"]]
        lines += [
            "Corrected: freed from the judge's confusions on the calibration set, if it errs here as it does there. "
            + (f"Taken at the judge's word: {', '.join(trusted)}." if trusted else ""),
            "",
        ]
    lines += ["## First pass (rows) and second pass (columns)", "", matrix("", record["disagreements"]), ""]
    if record["qualities"]:
        lines += [
            "## The judge against the truth by construction",
            "",
            "Rows: true class; columns: judge; the labels of a response share a weight of 1.",
            "",
            matrix("truth", record["confusion"]),
            "",
            quality_table(record),
            "",
            "Precision hangs on the class shares of this set, recall does not.",
            "",
        ]
    return "\n".join(lines)
