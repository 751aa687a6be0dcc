"""Write further numbers of a table's rows: training metrics, onsets of a collapse, other evaluations, attention.

A table names them under `measures`, each with one source:
    {id: k3, name: "k3 per token", metric: dependency/k3_mean, over: last}     last ten steps of metrics.jsonl
    {id: seconds, name: "seconds per step", metric: timing_s/step, over: median}    all steps of timing.jsonl
    {id: onset, name: "onset of collapse", metric: collapse/onset, over: onset}     the first step at which it is 1
    {id: blank, name: "black pictures, %", accuracy: blank}      an evaluation named under `also`
    {id: unseen, name: "blur and rotation, %", accuracy: [blur, rotate]}      the mean of several of them
    {id: fooled, name: "black pictures, wrong suggestion, %", accuracy: blank, hint: broken}    its problems so tagged
    {id: reading, name: "in-picture, %", accuracy: ocr, column: {mini: inpicture}}      one column of it at a scale
    {id: hard, name: "word and logic, %", accuracy: bench, column: word|logic}      some columns of the table's own
    {id: believes, name: "says what is suggested, %", states: suggested, hint: broken}      of that fact; or `true`
    {id: spread, name: "entropy of attention", attention: entropy, column: {mini: geometry}, responses: 100}
`analysis.measuring` reads them; what a paper prints of them stands under `published_measures`. Every number is of one
training; a row of the table is their mean with Student's interval over trainings.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

import pandas as pd

from eval.estimate import Unit, over_trainings


def unit_of(measure: Mapping[str, Any]) -> Unit:
    return "percent" if "accuracy" in measure or "states" in measure else "plain"


def cell(values: pd.Series, measure: Mapping[str, Any], sign: str = "") -> str:
    """Return a mean over trainings with its interval; for onsets the steps themselves."""
    known = values.dropna()
    if measure.get("over") == "onset":
        return ", ".join("none" if value == inf else f"{value:.0f}" for value in known)
    unit = unit_of(measure)
    bounds = (-1.0 if sign else 0.0, 1.0) if unit == "percent" else (-inf, inf)
    return over_trainings(known.tolist(), bounds).text(sign, unit) if len(known) else ""


def measure_rows(measures: pd.DataFrame, table: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return a line per row, and one per difference to its baseline, paired by seed."""
    names, asked = {row["id"]: row["name"] for row in table["rows"]}, table["measures"]
    wide = measures.pivot(index=["row", "seed"], columns="measure", values="value")
    present = list(dict.fromkeys(measures.row))
    rows = [[names[row], *(cell(wide.loc[row][one["id"]], one) for one in asked)] for row in present]
    for row, baseline in table["baselines"].items():
        if row in present and baseline in present:
            gaps = wide.loc[row] - wide.loc[baseline]
            cells = ["" if one.get("over") == "onset" else cell(gaps[one["id"]], one, "+") for one in asked]
            rows.append([f"{names[row]} - {names[baseline]}", *cells])
    rows += [published_row(one, names, asked) for one in table.get("published_measures", [])]
    return ["row", *(one["name"] for one in asked)], rows


def published_row(row: Mapping[str, Any], names: Mapping[str, str], asked: list[Mapping[str, Any]]) -> list[str]:
    """Return what the paper prints of a row, as it prints it."""
    name = f"paper: {names.get(row['method'], row['method'])} {row['model']}-{row['size']}"
    return [name, *(str(row["values"].get(one["id"], "")) for one in asked)]
