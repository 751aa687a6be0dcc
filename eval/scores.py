"""From verdicts to numbers: avg@k with intervals per column, scorer and breakdown, pass@k, maj@k, authors' metrics."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eval.metrics_at_k import metrics_at_k
from eval.rows import tag_values, verdict_table
from eval.statistics import average_at_k, mean_of_columns
from eval.suites import AVERAGES
from eval.tasks import Task
from verify import Verdict

SMALLEST_PART = 2  # items; an interval of one is none


def complete(part: pd.DataFrame, scorer: str) -> pd.DataFrame:
    """Return the items of which every response is scored: unscored ones are counted, never taken as wrong."""
    scored = part[f"score_{scorer}"].notna().groupby(part.sample_id).transform("all")
    return part[scored]


def score_of(part: pd.DataFrame, scorer: str) -> dict[str, Any] | None:
    """Return avg@k of some rows; None where no item is scored."""
    part = complete(part, scorer)
    if part.empty:
        return None
    table = part.pivot(index="sample_id", columns="k", values=f"score_{scorer}")
    clusters = part.drop_duplicates("sample_id").set_index("sample_id").cluster.loc[table.index].tolist()
    return average_at_k(table.to_numpy(dtype=float), clusters).record()


def column_scores(table: pd.DataFrame, scorer: str) -> dict[str, dict]:
    """Return avg@k of every column, of the vision-centric part and of each level of vision need."""
    parts = {str(name): table[table.column == name] for name in table.column.unique()}
    parts |= {str(name): table[table.subset == name] for name in table.subset.unique() if name}
    for level in table.vision_need.unique():
        if level:
            parts[f"vision_need/{level}"] = table[table.vision_need == level]
    found = {name: score_of(part, scorer) for name, part in parts.items()}
    return {name: score for name, score in found.items() if score}


def scorer_record(table: pd.DataFrame, scorer: str) -> dict[str, Any]:
    """Return a scorer's number on one benchmark, with what it did not score and what it guessed."""
    unscored = int(table[f"score_{scorer}"].isna().sum())
    return {
        "avg_at_k": score_of(table, scorer),
        "unscored": unscored,
        "items_left_out": int(table.sample_id.nunique() - complete(table, scorer).sample_id.nunique()),
        "guessed": int((table[f"reason_{scorer}"] == "guessed").sum()),
        "graders": sorted(table[f"grader_{scorer}"].dropna().unique()),
    }


def breakdown(task: Task, table: pd.DataFrame, scorer: str) -> dict[str, dict[str, Any]]:
    """Return avg@k by every tag that the benchmark reports; an item with several values of a tag counts for each."""
    by_id = {sample.id: sample for sample in task.samples}
    found: dict[str, dict[str, Any]] = {}
    for tag in task.benchmark.breakdowns:
        members: dict[str, set[str]] = {}
        for name, sample in by_id.items():
            for value in tag_values(sample.tags.get(tag, "")):
                members.setdefault(value, set()).add(name)
        members.pop("", None)
        parts = {value: table[table.sample_id.isin(ids)] for value, ids in sorted(members.items())}
        large = {value: part for value, part in parts.items() if part.sample_id.nunique() >= SMALLEST_PART}
        if large:
            found[tag] = {value: score_of(part, scorer) for value, part in large.items()}
    return found


def at_k(table: pd.DataFrame, scorer: str) -> dict[str, dict[str, float]]:
    """Return pass@k and maj@k over the items that are right or wrong; graded answers have neither."""
    part = complete(table, scorer)
    part = part[part[f"correct_{scorer}"].notna()]
    if part.empty:
        return {}
    part = part.assign(correct=part[f"correct_{scorer}"].astype(bool), extracted=part[f"extracted_{scorer}"])
    return metrics_at_k(part)


def own_metrics(task: Task, table: pd.DataFrame, scorer: str) -> dict[str, float | None]:
    """Return what the benchmark's authors report beside accuracy, over scored items; None where it is undefined."""
    if task.benchmark.metrics is None:
        return {}
    part = complete(table, scorer)
    part = part[part[f"correct_{scorer}"].notna()]
    if part.empty:
        return {}
    by_id = {sample.id: sample for sample in task.samples}
    columns = [
        part[name] for name in ("sample_id", "k", *(f"{p}_{scorer}" for p in ("extracted", "correct", "score")))
    ]
    judged = [
        (by_id[name], int(k), Verdict(extracted, bool(correct), True, "", "", score))
        for name, k, extracted, correct, score in zip(*columns, strict=True)
    ]
    found = task.benchmark.summary(verdict_table(judged))
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def task_record(task: Task, table: pd.DataFrame, scorers: Sequence[str], too_long: Sequence[str]) -> dict[str, Any]:
    """Return everything about one benchmark."""
    decides = scorers[0]
    return {
        "version": task.version,
        "rows": task.rows,
        "items": len(task.samples),
        "left_out": dict(task.left_out),
        "too_long": list(too_long),
        "deviation": task.deviation,
        "doubtful_golds": list(task.doubtful_golds),
        "unusable": list(task.unusable),
        "files": list(task.files),
        "template": task.template,
        "cut_by_length": int((table.finish_reason == "length").sum()),
        "scorers": {name: scorer_record(table, name) for name in scorers},
        "at_k": at_k(table, decides),
        "breakdowns": breakdown(task, table, decides),
        "metrics": {name: own_metrics(task, table, name) for name in scorers},
    }


def suite_averages(suite: str, table: pd.DataFrame, scorer: str) -> dict[str, dict[str, float]]:
    """Return the averages that a suite's paper prints, with intervals over items; only those with every column."""
    items = complete(table, scorer).groupby("sample_id", sort=False)
    scores_I = items[f"score_{scorer}"].mean().to_numpy(dtype=float)
    columns_I, subsets_I, clusters_I = (items[name].first().to_numpy() for name in ("column", "subset", "cluster"))
    found = {}
    for name, columns in AVERAGES.get(suite, {}).items():
        masks = {column: (columns_I == column) | (subsets_I == column) for column in columns}
        if all(mask.any() for mask in masks.values()):
            found[name] = mean_of_columns(scores_I, columns_I, clusters_I, masks).mean_record()
    return found


def flat_scores(record: dict[str, Any]) -> pd.DataFrame:
    """Return one line per cell for the table on disk: row, column, mean, low, high."""
    lines = []
    for name, bench in record["benchmarks"].items():
        for scorer, found in bench["scorers"].items():
            score = found["avg_at_k"] or dict.fromkeys(("mean", "low", "high"), np.nan)
            lines.append({"row": name, "column": scorer} | {part: score[part] for part in ("mean", "low", "high")})
    decides = record["grader"]
    columns = {name: score for name, score in record["columns"].items() if name not in record["benchmarks"]}
    for name, score in [*columns.items(), *record["averages"].items()]:
        lines.append({"row": name, "column": decides} | {part: score[part] for part in ("mean", "low", "high")})
    return pd.DataFrame(lines)
