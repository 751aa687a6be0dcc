"""EMMA and EMMA-mini: maths, physics, chemistry and coding that cannot be reasoned out without the pictures."""

import re

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.benchmarks.mmmu import numbered_pictures, place_pictures
from eval.rows import lettered, option_lines, sample_id, text_list, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.maths import emma_equal, emma_extract

SUBJECTS = ("Math", "Physics", "Chemistry", "Coding")
# The authors' words, with the one of their two strategies that asks for reasons.
ASK_LETTER = 'Answer with the option\'s letter from the given choices and put the letter in one "\\boxed{}".'
ASK_PHRASE = 'Answer the question using a single word or phrase and put the answer in one "\\boxed{}".'
STRATEGY = "Please solve the problem step by step."
# Rows taken from MathVision also hold <image1>, without underscore: the authors send these as text.
_TAG = re.compile(r"<image_(\d{1,2})>")
MAX_IMAGES = 10  # five columns, and a tag may name its picture more than once


def read(row: Row, where: Where) -> Sample | str:
    form = text_of(row["type"]).lower()  # Chemistry spells it otherwise
    is_choice = form == "multiple choice"
    options = text_list(row["options"], where, "options") if is_choice else []
    # As written where the cell is a list: the authors keep a blank at an option's end.
    listed = row["options"] if is_choice and isinstance(row["options"], list) else options
    asked = f"{option_lines(listed, '{}: {}')}\n\n{ASK_LETTER}" if is_choice else ASK_PHRASE
    text = f"{row['context'] or ''}\n{row['question']}\n{asked} {STRATEGY}"
    # The authors send no picture that no tag names.
    named = {number: image for number, image in numbered_pictures(row, where).items() if f"<image_{number}>" in text}
    placed = place_pictures(text, named, _TAG)
    if placed is None:
        return "a tag names a picture that the row lacks"
    answer = text_of(row["answer"])
    return Sample(
        id=sample_id(where, row["pid"]),
        source=where.bench,
        question=placed[0],
        images=placed[1],
        answer=answer.upper() if is_choice else answer,
        answer_type="choice" if is_choice else None,
        choices=options,
        tags={
            "subject": text_of(row["subject"]),
            "form": form,
            "category": text_of(row["category"]),
            "task": text_of(row["task"]),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    answer = emma_extract(text)
    if not answer:
        return verdict("emma", None, False, text, "no_answer")
    correct = emma_equal(answer, sample.answer, lettered(sample.choices).get(sample.answer))
    return verdict("emma", answer, correct, text, "math" if correct else "mismatch")


def benchmark(name: str, title: str, hub: str, rows: int) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        version=f"{name}/2",
        hub=hub,
        parts=tuple(Part(subject, "test") for subject in SUBJECTS),
        licence="none stated",
        columns=("pid", "question", "options", "answer", "image_1", "subject", "task", "category", "type", "context"),
        read=read,
        official=official,
        rows=rows,
        breakdowns=("subject", "form", "category", "task"),
        max_images=MAX_IMAGES,
        prompt="the authors' words, with the strategy that asks for reasons",
        source="EMMA repository 50609fd: its fast rules, without the language model that it offers instead",
    )


BENCHMARKS = (
    benchmark("emma", "EMMA", "luckychao/EMMA", 2788),
    benchmark("emma_mini", "EMMA-mini", "luckychao/EMMA-mini", 400),
)
