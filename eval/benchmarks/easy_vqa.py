"""easy-VQA: one coloured shape on a small picture, questions with thirteen possible answers, three in four yes or no.

Pictures and questions come with the package of the same name: `python -m data.easy_vqa out=<folder>` writes its rows
for this benchmark and for training. Always saying the likelier of yes and no is right in 37 % of the test items, so
accuracy without the yes/no questions stands beside the whole.
"""

import pandas as pd

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of, with_pictures
from verify import Verdict, extract_boxed
from verify.official import verdict

YES_NO = ("yes", "no")


def read(row: Row, where: Where) -> Sample | str:
    answer, picture = text_of(row["answer"]), text_of(row["picture"])
    return Sample(
        id=sample_id(where, f"{picture}/{where.number}"),
        source=where.bench,
        question=with_pictures(text_of(row["question"]), 1),
        images=(first_picture(row, ("image",), where),),
        answer=answer,
        answer_type="text",
        tags={"picture": picture, "kind": "yes or no" if answer in YES_NO else "open"},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Compare the box, or the whole response without one, with the one word that is right."""
    answer = (extract_boxed(text) or text).strip().rstrip(".").lower()
    return verdict(
        "easy_vqa", answer or None, answer == sample.answer, text, "text" if answer == sample.answer else "mismatch"
    )


def without_yes_no(verdicts: pd.DataFrame) -> dict[str, float]:
    return {"open_accuracy": float(verdicts[verdicts.kind == "open"].correct.mean())}


BENCHMARK = Benchmark(
    name="easy_vqa",
    title="easy-VQA test",
    version="easy_vqa/1",
    parts=(Part(None, "test"),),
    licence="MIT",
    columns=("question", "answer", "image", "picture"),
    read=read,
    official=official,
    rows=9673,
    breakdowns=("kind",),
    cluster="picture",
    metrics=without_yes_no,
    source="package easy-vqa 1.0; its authors classify into the thirteen answers and give no rule for free responses",
)
