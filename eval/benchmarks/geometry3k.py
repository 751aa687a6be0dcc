"""Geometry3K test (arXiv 2105.04165) in the copy that RL work uses: 601 problems, free answers, options not shown."""

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import number_or_math, pictures, sample_id, text_of, with_pictures
from verify import Verdict, grade


def read(row: Row, where: Where) -> Sample | str:
    images = pictures(row["images"], where)
    gold = text_of(row["answer"])
    return Sample(
        id=sample_id(where, where.number if row.get("id") is None else row["id"]),
        source=where.bench,
        question=with_pictures(text_of(row["problem"]), len(images)),
        images=images,
        answer=gold,
        answer_type=number_or_math(gold),
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Return the copy's authors give no rule; EasyR1 and PAPO compare the last box by mathruler."""
    return grade(text, sample.answer, grader="papo")


BENCHMARK = Benchmark(
    name="geometry3k",
    title="Geometry3K test",
    version="geometry3k/1",
    hub="hiyouga/geometry3k",
    parts=(Part("default", "test"),),
    licence="MIT",
    columns=("images", "problem", "answer"),
    read=read,
    official=official,
    rows=601,
    source="data card of hiyouga/geometry3k; mathruler at 14dadeb",
)
