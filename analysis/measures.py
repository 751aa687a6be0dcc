"""Further numbers of a table's rows: means of training metrics, the onset of a collapse, and other evaluations.

A table names them under `measures`, each with one source:
    {id: k3, name: "k3 per token", metric: dependency/k3_mean, over: last}     last ten steps of metrics.jsonl
    {id: seconds, name: "seconds per step", metric: timing_s/step, over: median}    all steps of timing.jsonl
    {id: onset, name: "onset of collapse", metric: collapse/onset, over: onset}     the first step at which it is 1
    {id: blank, name: "black pictures, %", accuracy: blank}      an evaluation named under `also`
    {id: fooled, name: "black pictures, wrong suggestion, %", accuracy: blank, hint: broken}    its problems so tagged
Every number is of one training; a row of the table is their mean with Student's interval over trainings.
"""

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd

from analysis.experiments import Experiment
from common import UserError
from eval.estimate import Unit, over_trainings
from eval.output import read_predictions

LAST = 10  # steps
OVER = ("last", "median", "onset")


def metric_value(curves: pd.DataFrame, metric: str, over: str) -> float:
    """Return one number of a training's curve: nan where the run does not log it, inf for an onset that never came."""
    if over not in OVER:
        raise UserError(f"a measure's over is '{over}'; use one of {', '.join(OVER)}")
    if metric not in curves:
        return nan
    values_S = curves[metric].to_numpy(dtype=float)
    if over == "onset":
        return float(curves.step.iloc[int(np.argmax(values_S > 0))]) if (values_S > 0).any() else inf
    return float(np.nanmean(values_S[-LAST:]) if over == "last" else np.nanmedian(values_S))


def one_value(experiment: Experiment, measure: Mapping[str, Any]) -> float:
    """Return a measure of one training; nan where it has none, as the base has no curve."""
    if "accuracy" in measure:
        named = ["hint"] if "hint" in measure else []
        frame = read_predictions(experiment.folder / "eval" / measure["accuracy"], ["correct", *named])
        return float(frame[frame.hint == measure["hint"]].correct.mean() if named else frame.correct.mean())
    if not experiment.is_trained:
        return nan
    name = "timing.jsonl" if measure["metric"].startswith(("timing_s/", "perf/")) else "metrics.jsonl"
    return metric_value(pd.read_json(experiment.folder / name, lines=True), measure["metric"], measure["over"])


def measured(experiments: Sequence[Experiment], table: Mapping[str, Any]) -> pd.DataFrame:
    """Return one line per row of the table, seed and measure."""
    rows = [
        {"row": one.method, "seed": one.seed, "measure": measure["id"], "value": one_value(one, measure)}
        for measure in table.get("measures", [])
        for one in experiments
    ]
    return pd.DataFrame(rows, columns=["row", "seed", "measure", "value"])


def unit_of(measure: Mapping[str, Any]) -> Unit:
    return "percent" if "accuracy" in measure else "plain"


def cell(values: pd.Series, measure: Mapping[str, Any], sign: str = "") -> str:
    """Return a mean over trainings with its interval; for onsets the steps themselves."""
    known = values.dropna()
    if measure.get("over") == "onset":
        return ", ".join("none" if value == inf else f"{value:.0f}" for value in known)
    return over_trainings(known.tolist(), (-inf, inf)).text(sign, unit_of(measure)) if len(known) else ""


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
    return ["row", *(one["name"] for one in asked)], rows
