"""Measure every training of a table: what its measures name, from curves, evaluations and weights.

Numbers are shares or plain values; nan where a training has none, as the base has no curve; inf for an onset that
never came.
"""

from collections.abc import Mapping, Sequence
from math import inf, nan
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import suggested_facts
from analysis.experiments import Experiment
from analysis.runs import open_runs
from analysis.table_schema import OWN
from common import UserError
from eval.output import read_predictions

LAST = 10  # steps
TOGETHER = 16  # responses that pass the model at once


def metric_value(curves: pd.DataFrame, metric: str, over: str) -> float:
    """Return one number of a training's curve: nan where the run does not log it, inf for an onset that never came."""
    if metric not in curves:
        return nan
    values_S = curves[metric].to_numpy(dtype=float)
    if over == "onset":
        return float(curves.step.iloc[int(np.argmax(values_S > 0))]) if (values_S > 0).any() else inf
    return float(np.nanmean(values_S[-LAST:]) if over == "last" else np.nanmedian(values_S))


def at_scale(value: str | Mapping[str, str] | None, scale: str) -> str | None:
    """Return what a measure says of a scale: one text for all, or a text by scale."""
    return value.get(scale) if isinstance(value, Mapping) else value


def chosen_rows(evaluation: Path, needed: Sequence[str], column: str | None, hint: str | None) -> pd.DataFrame:
    """Return the responses of some columns or of one state of the suggestion where these are given."""
    wanted = {"column": column, "hint": hint}
    chosen = {name: value for name, value in wanted.items() if value is not None}
    frame = read_predictions(evaluation, [*needed, *chosen])
    for name, value in chosen.items():
        frame = frame[frame[name].isin(value.split("|"))]
    if frame.empty:
        raise UserError(f"{evaluation} has no responses with {chosen}; mend the measure")
    return frame


def share_right(evaluation: Path, column: str | None, hint: str | None) -> float:
    """Return the share of right responses."""
    return float(chosen_rows(evaluation, ["score"], column, hint).score.mean())


def share_stating(evaluation: Path, what: str, column: str | None, hint: str | None) -> float:
    """Return the share of responses that state the suggested or the true value of the fact that the question suggests.

    Responses to questions that suggest nothing are left out.
    """
    facts = suggested_facts(chosen_rows(evaluation, ["sample_id", "text", "correct"], column, hint))
    if facts.empty:
        raise UserError(f"no question of {evaluation} suggests a fact; take the measure of what responses state out")
    return float((facts.stated == facts[what]).mean())


def attention_spread(evaluation: Path, column: str | None, responses: int) -> float:
    """Return how evenly attention lies on the picture (1: evenly): the mean over responses, their tokens, layers."""
    from models.attention_mass import attention_mass
    from models.parts import Group

    (opened,) = open_runs([evaluation]).views
    first = opened.predictions[opened.predictions.k == 0]
    rows = (first if column is None else first[first["column"] == column]).head(responses)
    samples, model = opened.samples(rows.sample_id.tolist()), opened.load_model()
    groups = []
    for name, token_ids in zip(rows.sample_id, rows.token_ids, strict=True):
        response_ids = model.encoder.response_ids(name, [int(one) for one in token_ids]).tolist()
        groups.append(Group(model.encoder.encode(samples[name]), [response_ids]))
    parts = [groups[start : start + TOGETHER] for start in range(0, len(groups), TOGETHER)]
    found = [one for part in parts for one in attention_mass(model, part)]
    return float(np.mean([one.entropy_ST.nanmean().item() for one in found]))


def one_value(experiment: Experiment, measure: Mapping[str, Any]) -> float:
    """Return a measure of one training; nan where it has none, as the base has no curve."""
    column, hint = (at_scale(measure.get(name), experiment.suite.scale) for name in ("column", "hint"))
    if "accuracy" in measure:
        names = [measure["accuracy"]] if isinstance(measure["accuracy"], str) else measure["accuracy"]
        folders = [experiment.evaluation if name == OWN else experiment.folder / "eval" / name for name in names]
        return fmean(share_right(folder, column, hint) for folder in folders)
    if "states" in measure:
        return share_stating(experiment.evaluation, measure["states"], column, hint)
    if "attention" in measure:
        return attention_spread(experiment.evaluation, column, measure["responses"])
    if not experiment.is_trained:
        return nan
    is_timed = measure["metric"].startswith(("timing_s/", "perf/"))
    curves = experiment.timing if is_timed else experiment.metrics
    return nan if curves is None else metric_value(curves, measure["metric"], measure["over"])


def measured(experiments: Sequence[Experiment], table: Mapping[str, Any]) -> pd.DataFrame:
    """Return one line per row of the table, seed and measure."""
    rows = [
        {"row": one.method, "seed": one.seed, "measure": measure["id"], "value": one_value(one, measure)}
        for measure in table.get("measures", [])
        for one in experiments
    ]
    return pd.DataFrame(rows, columns=["row", "seed", "measure", "value"])
