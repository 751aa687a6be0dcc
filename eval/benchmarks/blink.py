"""BLINK: fourteen visual tasks with one to four pictures an item; the score is the mean of the tasks."""

import re

import pandas as pd

from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.benchmarks.mmmu import numbered_pictures
from eval.rows import sample_id, text_list, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.letters import blink_letter

TASKS = (
    "Art_Style",
    "Counting",
    "Forensic_Detection",
    "Functional_Correspondence",
    "IQ_Test",
    "Jigsaw",
    "Multi-view_Reasoning",
    "Object_Localization",
    "Relative_Depth",
    "Relative_Reflectance",
    "Semantic_Correspondence",
    "Spatial_Relation",
    "Visual_Correspondence",
    "Visual_Similarity",
)
_GOLD = re.compile(r"\(?([A-Z])\)?")


def read(row: Row, where: Where) -> Sample | str:
    gold = _GOLD.fullmatch(text_of(row["answer"]))
    if gold is None:
        return "the answer is hidden"
    pictures = list(numbered_pictures(row, where).values())
    return Sample(
        id=sample_id(where, row["idx"]),
        source=where.bench,
        question=with_pictures(text_of(row["prompt"]), len(pictures)),
        images=pictures,
        answer=gold[1],
        answer_type="choice",
        choices=text_list(row["choices"], where, "choices"),
        tags={"task": text_of(row["sub_task"]), "pictures": str(len(pictures))},
    )


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    letter = blink_letter(text, "ABCDE"[: len(sample.choices)])
    if letter is None:  # the authors then let a language model match the response to an option
        return None
    correct = letter == sample.answer
    return verdict("blink", letter, correct, text, "letter" if correct else "mismatch")


def mean_of_tasks(verdicts: pd.DataFrame) -> dict[str, float]:
    return {"mean_of_tasks": float(verdicts.groupby("task").correct.mean().mean())}


BENCHMARK = Benchmark(
    name="blink",
    title="BLINK",
    version="blink/2",
    hub="BLINK-Benchmark/BLINK",
    parts=tuple(Part(task, "val") for task in TASKS),
    licence="Apache-2.0",
    columns=("idx", "sub_task", "image_1", "choices", "answer", "prompt"),
    read=read,
    official=official,
    rows=1901,
    breakdowns=("task", "pictures"),
    metrics=mean_of_tasks,
    judged="extract",
    max_images=4,
    prompt="the authors' words (stored prompt)",
    source="BLINK repository 2d6a779: letter rule of its evaluation script, the rest asks a language model",
)
