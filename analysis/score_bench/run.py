"""Scores of tokens against the truth: a table of AUCs by score and column, with intervals, and a figure."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import rankdata

from analysis.figures import png
from analysis.figures.style import PAGE
from analysis.runs import OpenedRun, open_runs
from analysis.score_bench.settings import ScoreBenchSettings
from analysis.score_bench.tokens import token_table
from common import UserError, atomic_path, atomic_write_bytes, atomic_write_text
from common.progress import progress
from configs import Run
from configs.run import check_clean, in_results
from eval.statistics import average_at_k

KEYS = ("run", "response", "sample_id", "column", "seeing")


def auc(values_T: np.ndarray, seeing_T: np.ndarray) -> float:
    """Return the chance that a seeing token scores higher than another one, ties half."""
    positives = int(seeing_T.sum())
    negatives = len(seeing_T) - positives
    ranks_T = rankdata(values_T)
    return float((ranks_T[seeing_T].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def response_aucs(tokens: pd.DataFrame) -> pd.DataFrame:
    """Return one line per response: its item, its column, and the AUC of every score among its own tokens."""
    names = [name for name in tokens if name not in KEYS]
    rows = []
    for (run, response), part in tokens.groupby(["run", "response"], sort=False):
        seeing_T = part.seeing.to_numpy(dtype=bool)
        first = part.iloc[0]
        row = {"run": run, "response": response, "sample_id": first.sample_id, "column": first["column"]}
        rows.append(row | {name: auc(part[name].to_numpy(dtype=float), seeing_T) for name in names})
    return pd.DataFrame(rows)


def summary(aucs: pd.DataFrame) -> pd.DataFrame:
    """Return mean AUC with its interval by run, score and column, and over all columns."""
    names = [name for name in aucs if name not in KEYS]
    rows = []
    for run, of_run in aucs.groupby("run", sort=False):
        parts = {"all": of_run} | {str(name): part for name, part in of_run.groupby("column", sort=False)}
        for column, part in parts.items():
            for name in names:
                found = average_at_k(part[[name]].to_numpy(), part.sample_id.tolist())
                rows.append(
                    {
                        "run": run,
                        "score": name,
                        "column": column,
                        "auc": found.value,
                        "low": found.low,
                        "high": found.high,
                        "responses": len(part),
                    }
                )
    return pd.DataFrame(rows)


def chosen(run: OpenedRun, responses: int) -> pd.DataFrame:
    """Return the first responses of each column."""
    first = run.predictions[run.predictions.k == 0]
    if "token_ids" not in first:
        raise UserError(f"{run.folder} kept no token ids; evaluate it again")
    return first.groupby("column", sort=False).head(responses).reset_index(drop=True)


def tokens_of(run: OpenedRun, settings: ScoreBenchSettings) -> pd.DataFrame:
    """Return the token table of one run."""
    rows = chosen(run, settings.responses)
    samples = run.samples(rows.sample_id.tolist())
    known = [name for name, sample in samples.items() if "evidence_by_fact" in sample.columns]
    rows = rows[rows.sample_id.isin(known)].reset_index(drop=True)
    if rows.empty:
        raise UserError(f"{run.folder} has no item whose facts are known; the mini world has them")
    with progress(f"scores of {run.name}", len(rows)) as advance:
        return token_table(run.load_model(), rows, samples, (settings.batch, settings.seed), advance).assign(
            run=run.name
        )


def drawn(table: pd.DataFrame) -> Figure:
    """Return a map of AUCs, scores by columns, one panel per run; cells whose interval holds 0.5 are grey."""
    runs = list(table.run.unique())
    scores, columns = list(table.score.unique()), list(table.column.unique())
    figure = Figure(figsize=(PAGE, 0.26 * len(scores) * len(runs) + 0.9 * len(runs)), layout="constrained")
    for place, run in enumerate(runs):
        axes = figure.add_subplot(len(runs), 1, place + 1)
        part = table[table.run == run]
        grid = part.pivot(index="score", columns="column", values="auc").loc[scores, columns]
        axes.imshow(grid.to_numpy(), cmap="PuOr", vmin=0, vmax=1, aspect="auto")
        for line in part.itertuples():
            spot = columns.index(line.column), scores.index(line.score)
            colour = "#777777" if line.low <= 0.5 <= line.high else "#111111" if 0.2 < line.auc < 0.8 else "#ffffff"
            axes.text(*spot, f"{line.auc:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
        axes.set_xticks(range(len(columns)), columns, rotation=25)
        axes.set_yticks(range(len(scores)), scores)
        axes.set_title(f"{run}: AUC for \u201cstates a fact that only the picture shows\u201d", loc="left")
    return figure


def as_markdown(table: pd.DataFrame) -> str:
    """Return one table per run: a line per score, best first, a cell per column."""
    lines = []
    for run, part in table.groupby("run", sort=False):
        columns = list(part.column.unique())
        order = part[part.column == "all"].sort_values("auc", ascending=False).score
        lines += [f"## {run}", "", f"| score | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
        cells = part.set_index(["score", "column"])
        for score in order:
            texts = []
            for column in columns:
                one = cells.loc[(score, column)]
                texts.append(f"{one.auc:.2f} [{one.low:.2f}, {one.high:.2f}]")
            lines.append(f"| {score} | {' | '.join(texts)} |")
        lines.append("")
    return "\n".join(lines)


def run(settings: ScoreBenchSettings) -> None:
    """Score, compare with the truth, write and print."""
    out = Path(settings.out)
    if in_results(out):
        check_clean()
    opened = open_runs(settings.runs)
    tokens = pd.concat([tokens_of(one, settings) for one in opened.views], ignore_index=True)
    table = summary(response_aucs(tokens))
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / "tokens.parquet") as path:
        tokens.to_parquet(path)
    atomic_write_text(out / "scores.csv", table.to_csv(index=False))
    atomic_write_bytes(out / "scores.png", png(drawn(table)))
    record = Run.collect(settings, revisions={one.name: str(one.folder) for one in opened.views})
    record.save(out / "made_by.json")
    text = as_markdown(table)
    atomic_write_text(out / "scores.md", text)
    sys.stdout.write(text)
