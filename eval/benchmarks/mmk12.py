"""MMK12 test (arXiv 2503.07365): 2 000 school questions with options, 500 from each of four subjects."""

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import listed_choice, pictures, sample_id, text_of, with_pictures
from verify import Verdict, extract_boxed
from verify.official import verdict


def read(row: Row, where: Where) -> Sample | str:
    question, gold = text_of(row["question"]), text_of(row["answer"])
    letters, choices = listed_choice(question, gold)
    images = pictures(row["image"], where)
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        question=with_pictures(question, len(images)),
        images=images,
        answer=letters or gold,
        answer_type="choice",
        choices=choices,
        tags={"subject": text_of(row["subject"])},
    )


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    """Return a boxed bare letter speaks for itself; for anything else the authors ask an LLM whether it agrees."""
    boxed = extract_boxed(text)
    if boxed is None or len(boxed) != 1 or not boxed.isupper():
        return None
    correct = boxed == sample.answer
    return verdict("mmk12", boxed, correct, text, "letter" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="mmk12",
    title="MMK12 test",
    version="mmk12/1",
    hub="FanqingM/MMK12",
    parts=(Part("default", "test"),),
    licence="Apache-2.0",
    columns=("id", "question", "answer", "subject", "image"),
    read=read,
    official=official,
    rows=2000,
    breakdowns=("subject",),
    judged="equal",
    source="repository ModalMinds/MM-EUREKA at bccddd7; its own K12 number is of another, free-form set",
)
