"""MM-Vet: open questions on integrated capabilities, graded from 0 to 1 by a judge; no rule decides anything."""

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, joined, sample_id, text_of, with_pictures


def read(row: Row, where: Where) -> Sample | str:
    # The hub copies hold a list or a text with commas.
    value = row["capability"]
    capabilities = sorted(part.strip() for part in (value.split(",") if isinstance(value, str) else value))
    return Sample(
        id=sample_id(where, row["question_id"]),
        source=where.bench,
        question=with_pictures(text_of(row["question"]), 1),
        images=(first_picture(row, ("image",), where),),
        answer=text_of(row["answer"]),  # alternatives joined by <OR>, parts by <AND>: the judge is told
        answer_type="text",
        tags={"capability": joined(capabilities), "combination": "+".join(capabilities)},
    )


def official(sample: Sample, text: str, k: int) -> None:
    """Score nothing: the authors' rule is a judge's grade for every response."""
    return None


BENCHMARK = Benchmark(
    name="mmvet",
    title="MM-Vet",
    version="mmvet/1",
    hub="lmms-lab/MMVet",
    parts=(Part(None, "test"),),
    licence="CC BY-NC 4.0",
    columns=("question_id", "image", "question", "answer", "capability"),
    read=read,
    official=official,
    rows=218,
    breakdowns=("capability", "combination"),
    judged="grade",
    source="MM-Vet repository acde843: a judge grades in tenths; scores of different judges are not comparable",
)
