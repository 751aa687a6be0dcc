"""POPE: is an object in the picture? Yes or no, with objects drawn at random, by frequency, or to mislead."""

import pandas as pd

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.values import pope_answer


def read(row: Row, where: Where) -> Sample | str:
    category = text_of(row["category"])
    return Sample(
        id=sample_id(where, f"{category}/{text_of(row['question_id'])}"),
        source=where.bench,
        question=with_pictures(text_of(row["question"]), 1),
        images=(first_picture(row, ("image",), where),),
        answer=text_of(row["answer"]).lower(),
        answer_type="text",
        tags={"category": category, "picture": text_of(row["image_source"])},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    answer = pope_answer(text)
    correct = answer == sample.answer
    return verdict("pope", answer, correct, text, "text" if correct else "mismatch")


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def yes_no_metrics(verdicts: pd.DataFrame) -> dict[str, float]:
    """Return accuracy, and what is known of binary tests where "yes" is the positive answer."""
    # Another grader may keep the answer as it was written; no answer at all is not a yes.
    says_yes = verdicts.extracted.map(text_of).str.lower().str.rstrip(".") == "yes"
    is_yes = verdicts.gold == "yes"
    hits = int((says_yes & is_yes).sum())
    precision, recall = share(hits, int(says_yes.sum())), share(hits, int(is_yes.sum()))
    return {
        "accuracy": float(verdicts.correct.mean()),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if hits else 0.0,
        "yes_ratio": float(says_yes.mean()),
    }


def by_category(verdicts: pd.DataFrame) -> dict[str, float]:
    """Return the metrics over everything, and for each of the three categories."""
    metrics = yes_no_metrics(verdicts)
    for category, part in verdicts.groupby("category"):
        metrics |= {f"{category}/{name}": value for name, value in yes_no_metrics(part).items()}
    return metrics


BENCHMARK = Benchmark(
    name="pope",
    title="POPE",
    version="pope/1",
    hub="lmms-lab/POPE",
    parts=(Part(None, "test"),),
    licence="MIT",
    columns=("question_id", "question", "answer", "image_source", "image", "category"),
    read=read,
    official=official,
    rows=9000,
    breakdowns=("category",),
    cluster="picture",
    metrics=by_category,
    source="POPE repository 3df3ba1: the word no or not in the first sentence means no, everything else yes",
)
