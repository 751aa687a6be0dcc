"""DynaMath: 501 seed problems in ten variants each; what counts is the average and the worst case of a seed."""

import re

import pandas as pd

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.values import dynamath_accepts, dynamath_short_answer

VARIANTS = 10
# The authors' words, line breaks and blanks included.
ASK_FLOAT = "Please answer in a floating-point number."
GUIDE = (
    "\n## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere \n"
    "to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can "
    "contain \ndetailed steps needed to solve the question, and the 'short answer' key should provide a concise "
    "response. If the problem is a multiple choice problem, just provide the corresponing choice option, \n"
    "such as 'A', 'B', 'C', or 'D'. If the answer is a numerical value, format it as a three-digit floating-point "
    "number.\n\nExample of expected JSON response format:\n\n"
    '{\n    "solution": "[Detailed step-by-step explanation]",\n    "short answer": "[Concise Answer]"\n}'
)
_LETTER = re.compile(r"[A-Z]")


def read(row: Row, where: Where) -> Sample | str:
    kind = text_of(row["answer_type"]).lower()
    request = (ASK_FLOAT if kind == "float" else "") + GUIDE
    seed, gold = text_of(row["id"]), text_of(row["ground_truth"])
    is_number = kind in ("float", "integer", "int")
    variant = where.part.split.removeprefix("sample_variant")
    return Sample(
        id=sample_id(where, f"{seed}/{variant}"),
        source=where.bench,
        question=f"{IMAGE_PLACEHOLDER}## Question\n{row['question']}{request}",
        images=(first_picture(row, ("decoded_image", "image"), where),),
        answer=gold,
        answer_type="number" if is_number else "choice" if _LETTER.fullmatch(gold) and "choice" in kind else None,
        tags={
            "seed": seed,
            "variant": variant,
            "kind": kind,
            "subject": text_of(row["subject"]),
            "level": text_of(row["knowledge_level"]),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    answer = dynamath_short_answer(text)
    if answer is None:
        return verdict("dynamath", None, False, text, "no_answer")
    correct = dynamath_accepts(answer, sample.answer, sample.tags["kind"])
    return verdict("dynamath", answer, correct, text, "text" if correct else "mismatch")


def average_and_worst(verdicts: pd.DataFrame) -> dict[str, float]:
    """Mean over all items; share of seeds with every variant right, over seeds whose variants are all there."""
    seeds = verdicts.groupby("seed").correct.agg(["size", "all"])
    complete = seeds[seeds["size"] == VARIANTS]
    average = float(verdicts.correct.mean())
    shares = {"average": average}
    if len(complete):
        worst = float(complete["all"].mean())
        shares |= {"worst_case": worst, "robustness": worst / average if average else 0.0}
    return shares


BENCHMARK = Benchmark(
    name="dynamath",
    title="DynaMath",
    version="dynamath/2",
    hub="DynaMath/DynaMath_Sample",
    parts=tuple(Part(None, f"sample_variant{variant}") for variant in range(1, VARIANTS + 1)),
    licence="Apache-2.0",
    columns=("id", "question", "ground_truth", "answer_type", "subject", "knowledge_level"),
    read=read,
    official=official,
    rows=5010,
    breakdowns=("subject", "level", "kind", "variant"),
    cluster="seed",
    metrics=average_and_worst,
    prompt="the authors' words",
    source="DynaMath repository 598c3c3: JSON reply, 0.001 absolute for floats, worst case over ten variants",
)
