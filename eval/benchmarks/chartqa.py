"""ChartQA: questions about charts, written by people or made by a model; numbers may be off by five per cent.

Two hub copies name the columns differently; both are read.
"""

from common import UserError
from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.values import chartqa_accepts

ASK = "Answer with the bare value: one word or number."
ORIGINS = {"0": "human", "1": "augmented", "human_test": "human", "augmented_test": "augmented"}


def columns_of(row: Row, where: Where) -> tuple[str, str, str]:
    """Question, gold and origin under either set of column names."""
    if "query" in row and "label" in row:
        labels = row["label"]
        gold = labels[0] if isinstance(labels, list | tuple) and labels else labels
        question, origin = row["query"], row.get("human_or_machine")
    elif "question" in row and "answer" in row:
        question, gold, origin = row["question"], row["answer"], row.get("type")
    else:
        raise UserError(f"{where} has neither query and label nor question and answer; rename its columns")
    if text_of(origin) not in ORIGINS:
        raise UserError(f"{where} does not say who wrote the question; fill human_or_machine (0, 1) or type")
    return text_of(question), text_of(gold), ORIGINS[text_of(origin)]


def read(row: Row, where: Where) -> Sample | str:
    question, gold, origin = columns_of(row, where)
    return Sample(
        id=sample_id(where, where.number),
        source=where.bench,
        question=with_pictures(f"{question}\n{ASK}", 1),
        images=(first_picture(row, ("image",), where),),
        answer=gold,
        tags={"origin": origin},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    correct = chartqa_accepts(text, sample.answer)
    return verdict("chartqa", text.strip() or None, correct, text, "number" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="chartqa",
    title="ChartQA",
    version="chartqa/1",
    hub="HuggingFaceM4/ChartQA",
    parts=(Part(None, "test"),),
    licence="GPL-3.0",
    columns=("image",),
    read=read,
    official=official,
    rows=2500,
    breakdowns=("origin",),
    prompt="ours",
    source="relaxed accuracy as in VLMEvalKit e8e78f0 and lmms-eval 75571cf; reads lmms-lab/ChartQA too",
)
