"""Every response under every scorer; what an official rule leaves open goes to a judge, or stays unscored."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from common.progress import progress
from data import Sample
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmark import Scorer
from eval.checks import OFFICIAL, PAPER
from eval.grading import by_grader, regrade
from eval.tasks import Task
from models.judged import judged_frame
from models.response import Response
from verify import Verdict, grade
from verify.judge_prompts import Case, Judgement
from verify.llm_judge import LlmJudge
from verify.official import verdict

LONGEST_ANSWER = 2000  # characters of a response that are shown to the judge where no answer could be read


def scorer_of(name: str, task: Task) -> Scorer:
    if name == OFFICIAL:
        return task.benchmark.official
    return by_grader("papo" if name == PAPER else name)


def unjudged_table(task: Task, responses: Sequence[Response]) -> pd.DataFrame:
    """Return the record of responses that no scorer has seen."""
    by_id = {sample.id: sample for sample in task.samples}
    asked = [by_id[response.sample_id] for response in responses]
    return judged_frame(
        task.samples,
        responses,
        [None] * len(responses),
        bench=task.name,
        column=[task.column(sample) for sample in asked],
        cluster=[task.cluster(sample) for sample in asked],
    )


def judged_table(
    task: Task, responses: Sequence[Response], names: Sequence[str], judge: LlmJudge | None
) -> pd.DataFrame:
    """Return the record with `correct_<scorer>`, `extracted_<scorer>` ... and `score_<scorer>` of every scorer."""
    by_id = {sample.id: sample for sample in task.samples}
    table = regrade(unjudged_table(task, responses), by_id, {name: scorer_of(name, task) for name in names}, "score")
    for name in names:
        table[f"score_{name}"] = table[f"score_{name}"].astype(float)
    if OFFICIAL in names and judge and task.benchmark.judged:
        ask(task, table, judge)
    decides = names[0]
    for part in ("correct", "extracted", "reason", "grader", "score"):
        table[part] = table[f"{part}_{decides}"]
    if table.correct.notna().all():
        table["correct"] = table.correct.astype(bool)
    return table


def ask(task: Task, table: pd.DataFrame, judge: LlmJudge) -> None:
    """Put the open cases of a table to the judge and write its verdicts in."""
    by_id = {sample.id: sample for sample in task.samples}
    open_rows = table.index[table.correct_official.isna()]
    cases = [case_of(task.benchmark.judged, by_id[table.sample_id[row]], table.text[row]) for row in open_rows]
    with progress(f"judge {task.name}", len(cases)) as advance:
        judgements = judge.ask(cases, advance)
    for row, judgement in zip(open_rows, judgements, strict=True):
        sample, text = by_id[table.sample_id[row]], table.text[row]
        for name, value in decided(task, sample, text, judgement).items():
            table.at[row, f"{name}_official"] = value


def case_of(kind: str, sample: Sample, text: str) -> Case:
    question = sample.question.replace(IMAGE_PLACEHOLDER, "").strip()
    gold = sample.tags.get("reference", sample.answer)
    if kind == "equal":  # the judge compares an answer, so it is read from the response first
        found = grade(text, sample.answer, choices=sample.choices or None, task_type=sample.answer_type).extracted
        text = found or text[-LONGEST_ANSWER:]
    return Case(kind, question, text, gold, tuple(sample.choices))


def decided(task: Task, sample: Sample, text: str, judgement: Judgement) -> dict[str, Any]:
    """Return what a judgement says about a response, in the table's parts; of an unscored one only the reason."""
    name, kind = f"judge-{judgement.reason}", task.benchmark.judged
    if judgement.unscored:
        return {"reason": name}
    if kind == "extract":
        return parts_of(from_extraction(task, sample, text, judgement))
    score = float(judgement.score or 0.0)
    if kind == "hallusion" and judgement.reason == "unclear":
        # Its authors accept "unclear" where a figure is only a supplement and there is none.
        score = float(sample.tags["category"] == "VS" and sample.tags["figure"] == "none")
    if kind == "grade":
        return {"score": score, "reason": name, "grader": f"official-{task.name}/1"}
    return parts_of(verdict(task.name, None, score == 1, text, name))


def from_extraction(task: Task, sample: Sample, text: str, judgement: Judgement) -> Verdict:
    """Return the authors' rule on the answer that the judge has copied out; without one the response is wrong."""
    if judgement.answer is None:
        return verdict(task.name, None, False, text, "judge-no_answer")
    rule: Callable[[Sample, str, str], Verdict] | None = task.benchmark.score_extraction
    if rule is None:
        correct = judgement.answer.strip(" ().") == sample.answer
        return verdict(task.name, judgement.answer, correct, text, "letter" if correct else "mismatch")
    return rule(sample, judgement.answer, text)


def parts_of(found: Verdict) -> dict[str, Any]:
    return {
        "correct": found.correct,
        "extracted": found.extracted,
        "reason": found.reason,
        "grader": found.grader,
        "score": float(found.correct),
    }
