"""HallusionBench: yes/no questions about original, edited and absent figures, scored alone and in groups."""

import pandas as pd

from common import UserError
from data import Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, sample_id, text_of, with_pictures
from verify import Verdict
from verify.official import verdict
from verify.official.values import yes_no_words

WORDS = {"1": "yes", "0": "no"}
CATEGORIES = {"VD": "visual dependent", "VS": "visual supplement"}
FIGURES = {"0": "none", "1": "original", "2": "edited"}


def read(row: Row, where: Where) -> Sample | str:
    names = ("category", "subcategory", "set_id", "figure_id", "question_id")
    category, subcategory, set_id, figure, question = (text_of(row[name]) for name in names)
    gold, shown = WORDS.get(text_of(row["gt_answer"])), text_of(row["visual_input"])
    if gold is None or shown not in FIGURES or category not in CATEGORIES:
        raise UserError(f"{where} has an unknown gt_answer, visual_input or category; correct it")
    images = [] if shown == "0" else [first_picture(row, ("image",), where)]
    in_set = f"{category}/{subcategory}/{set_id}"
    return Sample(
        id=sample_id(where, f"{in_set}/{figure}/{question}"),
        source=where.bench,
        question=with_pictures(text_of(row["question"]), len(images)),
        images=images,
        answer=gold,
        answer_type="text",
        tags={
            "category": category,
            "subcategory": subcategory,
            "figure": FIGURES[shown],
            "set": in_set,
            "question_group": f"{in_set}/{question}",
            # Without a figure there is no figure to be consistent about.
            "figure_group": "" if category == "VS" and figure == "0" else f"{in_set}/{figure}",
            "reference": text_of(row["gt_answer_details"]),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    word = yes_no_words(text)
    if word is None:
        return None
    correct = word == sample.answer
    return verdict("hallusionbench", word, correct, text, "text" if correct else "mismatch")


def group_accuracies(verdicts: pd.DataFrame) -> dict[str, float]:
    """aAcc: questions right; qAcc, fAcc: groups of a question or figure with all of it right; and their mean."""
    with_figure = verdicts[verdicts.figure_group != ""]
    shares = {
        "aAcc": float(verdicts.correct.mean()),
        "qAcc": float(verdicts.groupby("question_group").correct.all().mean()),
        "fAcc": float(with_figure.groupby("figure_group").correct.all().mean()),
    }
    return shares | {"mean_of_three": sum(shares.values()) / 3}


BENCHMARK = Benchmark(
    name="hallusionbench",
    title="HallusionBench",
    version="hallusionbench/1",
    hub="lmms-lab/HallusionBench",
    parts=(Part(None, "image"), Part(None, "non_image")),
    licence="BSD 3-Clause",
    columns=(
        "category",
        "subcategory",
        "visual_input",
        "set_id",
        "figure_id",
        "question_id",
        "question",
        "gt_answer",
        "gt_answer_details",
    ),
    read=read,
    official=official,
    rows=1129,
    breakdowns=("category", "subcategory", "figure"),
    cluster="set",
    metrics=group_accuracies,
    judged="hallusion",
    source="HallusionBench repository 744007c for the groups; the words yes and no decide as in VLMEvalKit e8e78f0, "
    "a judge the rest (its authors ask GPT-4 for every response)",
)
