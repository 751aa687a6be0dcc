"""Fill the HTML report from run folders: findings, table, figures, and a browser of samples seen by every model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.dependency import TokenDependency, token_dependency
from analysis.errors import diagnose
from analysis.experiments import BASE, Experiment
from analysis.figures import curves_figure, errors_figure, png, table_figure
from analysis.gather import Gathered, error_shares, with_classes
from analysis.outputs import error_rows
from analysis.report import Answer, Fact, Figure, Item, Report, Table, Token, write_report
from analysis.settings import AnalysisSettings
from analysis.table import (
    NAMES,
    Comparison,
    comparison_rows,
    ordered,
    our_rows,
    paper_rows,
    verdict,
    wide,
)
from configs import compose
from configs.progress import progress
from data import IMAGE_PLACEHOLDER, Sample
from data.images import png_bytes
from data.mini.world import sample_by_id
from data.views import ViewSettings, apply_view
from eval.settings import EvalSettings
from models.encode import view_seed
from models.loader import VisionLanguageModel, load

MASK = ViewSettings("patch_black", size=14, ratio=0.6)  # PAPO's default corruption
MASK_SEED = 0
REPORT_SEED = 0  # the browser shows the first seed of every method


def shown_samples(predictions: pd.DataFrame, per_column: int) -> list[str]:
    """The first items of every column: chosen by position, never by outcome."""
    ids = predictions.drop_duplicates("sample_id")
    order = ids.sample_id.str.rsplit("/", n=1).str[1].astype(int)
    return (
        ids.assign(order=order).sort_values(["column", "order"]).groupby("column").head(per_column).sample_id.tolist()
    )


def load_policy(experiment: Experiment) -> VisionLanguageModel:
    settings = compose(EvalSettings, ["model=tiny"]).model
    if experiment.method != BASE:
        settings.path = str(experiment.folder / "final")
    return load(settings)


def answer_of(method: str, sample: Sample, rows: pd.DataFrame, dependency: TokenDependency) -> Answer:
    """The first response of a method to a sample, taken apart."""
    first = rows[rows.k == 0].iloc[0]
    found = diagnose(sample, first.text, bool(first.correct))
    facts = [Fact(fact.name, fact.stated, fact.truth, fact.ok) for fact in found.facts]
    tokens = [
        Token(*values)
        for values in zip(dependency.texts, dependency.logprobs, dependency.masked_logprobs, strict=True)
    ]
    return Answer(
        NAMES.get(method, method), first.text, bool(first.correct), first.extracted, found.primary, facts, tokens,
        (int(rows.correct.sum()), len(rows)),
    )  # fmt: skip


def browser_items(gathered: Gathered, per_column: int) -> tuple[list[Item], dict[str, float]]:
    """Samples with every method's answer, and the mean drop per token of each method on them."""
    ids = shown_samples(gathered.predictions, per_column)
    samples = [sample_by_id(sample_id) for sample_id in ids]
    answers: dict[str, list[Answer]] = {sample_id: [] for sample_id in ids}
    drops: dict[str, float] = {}
    chosen = [e for e in gathered.experiments if e.seed == REPORT_SEED]
    with progress("report: token dependency", len(chosen)) as advance:
        for number, experiment in enumerate(chosen, start=1):
            rows = gathered.predictions
            rows = rows[(rows.method == experiment.method) & (rows.seed == REPORT_SEED) & rows.sample_id.isin(ids)]
            by_id = {str(name): part for name, part in rows.groupby("sample_id")}
            tokens = [by_id[i][by_id[i].k == 0].iloc[0].token_ids for i in ids]
            scored = token_dependency(load_policy(experiment), samples, tokens, MASK, MASK_SEED)
            for sample, dependency in zip(samples, scored, strict=True):
                answers[sample.id].append(answer_of(experiment.method, sample, by_id[sample.id], dependency))
            every = [np.subtract(d.logprobs, d.masked_logprobs) for d in scored]
            drops[experiment.method] = float(np.concatenate(every).mean())
            advance(number, "")
    return [item_of(sample, answers[sample.id]) for sample in samples], drops


def item_of(sample: Sample, answers: list[Answer]) -> Item:
    picture = sample.images[0].open()
    masked = apply_view(picture, MASK, [*view_seed(MASK_SEED, sample.id), 0])
    question = sample.question.replace(IMAGE_PLACEHOLDER, "")
    return Item(
        sample.id, sample.tags["column"], sample.tags["dependency"], sample.tags.get("version"), question,
        sample.answer, png_bytes(picture), png_bytes(masked), answers,
    )  # fmt: skip


def summary(found: Sequence[Comparison], shares: pd.DataFrame, drops: dict[str, float], seeds: int) -> list[str]:
    """The findings in plain sentences, numbers included."""
    lines = [verdict(c) for c in found if c.group == "overall"]
    for method, row in shares.iterrows():
        wrong = max(1e-9, 1 - row.right)
        lines.append(
            f"{NAMES.get(str(method), str(method))}: {100 * row.right:.1f} % of {row.n:.0f} responses are right; "
            f"{100 * row.perception / wrong:.0f} % of the wrong ones are perception errors; "
            f"{100 * row.guess:.1f} % begin by guessing; masking 60 % of the picture costs a token "
            f"{drops[str(method)]:.2f} nats on average."
        )
    lines.append(f"Trained rows: {seeds} seed(s). The browser shows the first seed, samples chosen by position.")
    return lines


def make_report(gathered: Gathered, settings: AnalysisSettings, found: list[Comparison], out: Path) -> Path:
    """One HTML file that needs nothing else."""
    ours = our_rows(gathered.items, gathered.paper, gathered.methods)
    header, rows = wide(ours, gathered.paper, paper_rows(gathered.paper))
    shares = error_shares(with_classes(gathered.predictions), gathered.methods)
    items, drops = browser_items(gathered, settings.samples)
    tables = [
        Table("Table 1 at mini scale, and the paper's", "Accuracy in percent, avg@k, with half the 95 % interval. The "
              "paper's rows are other models on other benchmarks: compare differences.", header, rows,
              range(len(gathered.methods))),
        Table("Who beats whom", "The same items, paired; bootstrap over problems and exact McNemar test by majority.",
              *comparison_rows(found, gathered.paper)),
        Table("Error classes", "Percent of all responses; of the wrong ones in brackets. Classes are exact: the mini "
              "world knows every fact.", *error_rows(shares)),
    ]  # fmt: skip
    figures = [
        Figure("Accuracy", "Points with 95 % intervals.", png(table_figure(ours, ordered(gathered.paper))),
               "accuracy per column and method"),
        Figure("Errors", "What is wrong with wrong answers.", png(errors_figure(shares)), "error classes per method"),
        Figure("Training", "Running mean over 8 steps.", png(curves_figure(gathered.curves)), "training curves"),
    ]  # fmt: skip
    record = gathered.experiments[-1].record()
    seeds = max(len(s) for s in gathered.items.per_seed.values())
    facts = [("commit", record.commit + (" with changes" if record.dirty else "")), ("evaluated", record.started),
             ("hardware", str(record.hardware)), ("packages", str(record.packages)),
             *((f"{e.method} seed {e.seed}", e.record().revisions["model"])
               for e in gathered.experiments)]  # fmt: skip
    report = Report(
        "GRPO and PAPO in the mini world", summary(found, shares, drops, seeds), tables, figures, items, facts
    )
    return write_report(report, out / "report.html")
