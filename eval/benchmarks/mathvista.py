"""MathVista testmini (arXiv 2310.02255): 1 000 questions on figures, tables and scenes; options, numbers or lists.

The official rule lets an LLM extract a short answer, then normalises it and compares texts; without an LLM only
responses that are a short answer already, or quote one, can be scored.
"""

from common import UserError
from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import LETTERS, first_picture, joined, lettered, number_or_math, sample_id, text_list, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.values import mathvista_extract, mathvista_normalise

FACETS = ("language", "source", "category", "task", "context", "grade")


def read(row: Row, where: Where) -> Sample | str:
    gold = text_of(row["answer"])
    if not gold:
        return "no gold answer (test split)"
    choices = text_list(row["choices"], where, "choices")
    if row["question_type"] == "multi_choice":
        if gold not in choices:
            raise UserError(f"{where} has the gold answer {gold!r}, which is none of its choices; correct the row")
        # Options with equal texts are equally right; the official rule compares texts, so the first may stand for all.
        answer, answer_type = LETTERS[choices.index(gold)], "choice"
    else:
        answer, answer_type = gold, number_or_math(gold)
    metadata = row["metadata"]
    tags = {name: text_of(metadata[name]) for name in FACETS}
    tags["skills"] = joined(text_list(metadata["skills"], where, "skills"))
    for name in ("question_type", "answer_type", "unit", "precision"):
        tags[name] = text_of(row[name])
    return Sample(
        id=sample_id(where, row["pid"]),
        source=where.bench,
        question=IMAGE_PLACEHOLDER + text_of(row["query"]),
        images=[first_picture(row, ("decoded_image", "image"), where)],
        answer=answer,
        answer_type=answer_type,
        choices=choices,
        tags=tags,
    )


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    """Return the authors' rule in quick mode; None where their LLM would have to extract the answer."""
    question_type, answer_type = sample.tags["question_type"], sample.tags["answer_type"]
    extraction = mathvista_extract(text, question_type, answer_type, sample.choices, quick=True)
    return None if extraction is None else score_extraction(sample, extraction, text)


def score_extraction(sample: Sample, extraction: str, text: str) -> Verdict:
    """Second half of the rule, also for an answer that a judge extracted: normalise, compare with the gold's text."""
    precision = float(sample.tags["precision"]) if sample.tags["precision"] else None
    normal = mathvista_normalise(
        extraction, sample.tags["question_type"], sample.tags["answer_type"], sample.choices, precision
    )
    gold = lettered(sample.choices)[sample.answer] if sample.answer_type == "choice" else sample.answer
    return verdict("mathvista", normal, normal == gold, text, "text" if normal == gold else "mismatch")


BENCHMARK = Benchmark(
    name="mathvista",
    title="MathVista testmini",
    version="mathvista/1",
    hub="AI4Math/MathVista",
    parts=(Part("default", "testmini"),),
    licence="CC BY-SA 4.0",
    columns=(
        "pid",
        "question",
        "image",
        "choices",
        "unit",
        "precision",
        "answer",
        "question_type",
        "answer_type",
        "metadata",
        "query",
    ),
    read=read,
    official=official,
    rows=1000,
    breakdowns=("question_type", "answer_type", *FACETS, "skills"),
    judged="extract",
    score_extraction=score_extraction,
    prompt="the authors' words (stored prompt)",
    source="repository lupantech/MathVista at 53d5258, evaluation/extract_answer.py and calculate_score.py",
)
