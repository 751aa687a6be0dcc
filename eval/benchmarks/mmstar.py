"""MMStar (arXiv 2403.20330): 1 500 questions that cannot be answered without looking at the picture."""

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import ASK_FOR_LETTER, first_picture, listed_choice, sample_id, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.letters import mmstar_accepts


def read(row: Row, where: Where) -> Sample | str:
    question, gold = text_of(row["question"]), text_of(row["answer"])
    letters, choices = listed_choice(question, gold)
    return Sample(
        id=sample_id(where, row["index"]),
        source=where.bench,
        question=f"{IMAGE_PLACEHOLDER}{question}\n{ASK_FOR_LETTER}",
        images=[first_picture(row, ("image",), where)],
        answer=letters or gold,
        answer_type="choice",
        choices=choices,
        tags={
            "category": text_of(row["category"]),
            "l2_category": text_of(row["l2_category"]),
            "origin": text_of(row["meta_info"]["source"]),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Return the rule accepts or not and never says which letter it read."""
    correct = mmstar_accepts(text, sample.answer)
    return verdict("mmstar", sample.answer if correct else None, correct, text, "letter" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="mmstar",
    title="MMStar val",
    version="mmstar/1",
    hub="Lin-Chen/MMStar",
    parts=(Part("val", "val"),),
    licence="none stated",
    columns=("index", "question", "image", "answer", "category", "l2_category", "meta_info"),
    read=read,
    official=official,
    rows=1500,
    breakdowns=("category", "l2_category", "origin"),
    prompt="ours",
    source="repository MMStar-Benchmark/MMStar at 88f243a: hits / 1500",
)
