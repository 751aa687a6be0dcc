"""Run benchmarks: sample k responses per item, score them, write predictions, scores and a page with provenance."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from common import UserError, atomic_write_text
from common.lock import folder_lock
from common.progress import progress
from configs import Run, save_resolved
from configs.layout import PREDICTIONS
from eval.audit import write_audit
from eval.board import send
from eval.checks import check_names
from eval.folder import check_folder, checked, record_of
from eval.output import with_text, write_scores
from eval.page import write_page
from eval.sampling import make_sampler, missing_of, open_stores, sample_tasks
from eval.scores import column_scores, flat_scores, suite_averages, task_record
from eval.settings import EvalSettings
from eval.tasks import Task, tasks_of
from eval.verdicts import judged_table
from eval.workers import sample_by_workers, take_over_parts
from models.judged import write_judged
from verify.llm_judge import LlmJudge


def suite_of(settings: EvalSettings, tasks: Sequence[Task]) -> str:
    """Return the suite that was evaluated: a generated benchmark stands in for the one that was asked for."""
    return tasks[0].name if tasks[0].benchmark.generate else settings.bench


def sampled(settings: EvalSettings, tasks: Sequence[Task], revision: str, out: Path) -> tuple[dict, dict]:
    """Return responses of every task and the prompts that were too long; load a model only if any is missing."""
    stores = open_stores(tasks, settings, revision, out)
    take_over_parts(stores, out)
    too_long: dict[str, list[str]] = {task.name: [] for task in tasks}
    missing = missing_of(tasks, stores, settings.k)
    if missing:
        total = sum(len(task.samples) for task in tasks) * settings.k
        with progress(f"eval {settings.run or settings.model.name}", total) as advance:
            if settings.gpus > 1:
                too_long = sample_by_workers(tasks, missing, stores, settings, out, advance)
            else:
                too_long = sample_tasks(make_sampler(settings), tasks, stores, settings, advance)
    responses = {}
    for task in tasks:
        store = stores[task.name]
        asked = [sample.id for sample in task.samples if sample.id not in set(too_long[task.name])]
        responses[task.name] = [store.responses[name, k] for name in asked for k in range(settings.k)]
        store.close()
    return responses, too_long


def evaluate(settings: EvalSettings) -> None:
    """Sample, judge, and write predictions, scores and provenance; what is there already is not sampled again."""
    settings, out = checked(settings)
    tasks = tasks_of(settings)
    judge = LlmJudge(settings.judge) if settings.judge else None
    record = record_of(settings, tasks)
    with folder_lock(out):
        check_folder(settings, record, out)
        save_resolved(settings, out / "config.yaml")
        sample_and_score(settings, tasks, record, judge, out)


def sample_and_score(
    settings: EvalSettings, tasks: Sequence[Task], record: Run, judge: LlmJudge | None, out: Path
) -> None:
    """Fill the folder of an evaluation."""
    names = check_names(settings)
    responses, too_long = sampled(settings, tasks, record.revisions["model"], out)
    answered = [task for task in tasks if responses[task.name]]
    if not answered:
        raise UserError("every prompt is longer than model.max_prompt_tokens; raise it")
    for task in tasks:
        if not responses[task.name]:
            print(f"{task.name}: no score, every prompt is longer than model.max_prompt_tokens")
    tables = {task.name: judged_table(task, responses[task.name], names, judge) for task in answered}
    predictions = pd.concat(tables.values(), ignore_index=True)
    scores: dict[str, Any] = {
        "bench": record.revisions["bench"],
        "k": settings.k,
        "grader": names[0],
        "left_out": sum(map(len, too_long.values())) + sum(sum(task.left_out.values()) for task in tasks),
        "cut_by_length": int((predictions.finish_reason == "length").sum()),
        "columns": column_scores(predictions, names[0]),
        "averages": suite_averages(suite_of(settings, tasks), predictions, names[0]),
        "benchmarks": {t.name: task_record(t, tables[t.name], names, too_long[t.name]) for t in answered},
        "judge": judge.provenance() if judge else None,
    }
    write(settings, out, record, predictions, scores, answered, names)
    send(settings, out, predictions, scores, {sample.id: sample for task in answered for sample in task.samples})
    tell(out, scores)


def write(
    settings: EvalSettings,
    out: Path,
    record: Run,
    predictions: pd.DataFrame,
    scores: dict[str, Any],
    tasks: Sequence[Task],
    names: Sequence[str],
) -> None:
    """Write everything that an evaluation leaves; scores.json comes last and says that it is complete."""
    write_judged(predictions, out / PREDICTIONS)
    if len(names) > 1:
        write_audit(predictions, names, out, record={"run": asdict(record)})
    if settings.page:
        samples = {sample.id: sample for task in tasks for sample in task.samples}
        write_page(predictions, samples, out / "page.html", f"{settings.run or settings.model.name}", settings.page)
    write_scores(flat_scores(scores), out)
    record.save(out / "run.json")
    atomic_write_text(out / "scores.json", json.dumps(scores, indent=2, allow_nan=False) + "\n")


def notes(name: str, bench: dict[str, Any]) -> list[str]:
    """Return what a benchmark's numbers leave out or rest on."""
    found = [f"{count} {reason}" for reason, count in bench["left_out"].items()]
    found += [f"the first of these: {bench['unusable'][0]}"] if bench["unusable"] else []
    subset = bench["items"] < bench["rows"] - sum(bench["left_out"].values())
    found += ["a subset, as items= asks"] if subset else []
    found += [f"{len(bench['too_long'])} prompts too long"] if bench["too_long"] else []
    doubts = bench["doubtful_golds"]
    found += (
        [f"{len(doubts)} kept with a gold letter that no option of the question has ({doubts[0]})"] if doubts else []
    )
    cut = bench["cut_by_length"]
    found += [f"{cut} responses cut by the length limit (counted as they stand)"] if cut else []
    for scorer, one in bench["scorers"].items():
        found += [f"{one['unscored']} responses unscored by {scorer}"] if one["unscored"] else []
        found += [f"{one['guessed']} responses guessed by {scorer}"] if one["guessed"] else []
    return [f"{name}: scored on {scored_items(bench)}; {', '.join(found)}"] if found else []


def scored_items(bench: dict[str, Any]) -> str:
    """Return how many items have a score, by each scorer where they differ."""
    answered, all_items = bench["items"] - len(bench["too_long"]), bench["rows"] or bench["items"]
    counts = {scorer: answered - one["items_left_out"] for scorer, one in bench["scorers"].items()}
    if len(set(counts.values())) == 1:
        return f"{next(iter(counts.values()))} of {all_items} items"
    return f"{', '.join(f'{count} by {scorer}' for scorer, count in counts.items())} of {all_items} items"


def tell(out: Path, scores: dict[str, Any]) -> None:
    """Print the table of scores.md for a terminal, then what was left out, then where everything lies."""
    from rich.console import Console
    from rich.table import Table

    cells = with_text(flat_scores(scores))
    table = Table("", *cells.column.unique(), title=f"accuracy in %, avg@{scores['k']} with 95 % interval")
    for row, part in cells.groupby("row", sort=False):
        texts = dict(zip(part.column, part.text, strict=True))
        style = "bold" if row in scores["averages"] else ""
        table.add_row(str(row), *(texts.get(column, "") for column in cells.column.unique()), style=style)
    Console().print(table)
    for line in [line for name, bench in scores["benchmarks"].items() for line in notes(name, bench)]:
        print(line)
    print(f"scores: {out / 'scores.md'}")
