"""We-Math testmini (arXiv 2407.01284): 525 composed problems, each asked as a whole and step by step.

What counts is whether a model that knows the steps also solves the whole: every problem falls into one of four
classes, strictly (all steps right) or loosely (at least one).
"""

import pandas as pd

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, listed_choice, sample_id, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.letters import wemath_letter

# The authors' words; their scripts differ in blanks and line breaks.
PROMPT = """Now, we require you to solve a multiple-choice math question.
Please briefly describe your thought process and provide the final answer(option).
Question: {}
Option: {}
Regarding the format, please answer following the template below, and be sure to include two <> symbols:
<Thought process>: <<your thought process>> <Answer>: <<your option>>"""
STEPS = ("2steps", "3steps")
WHOLE = "multi"


def read(row: Row, where: Where) -> Sample | str:
    option, gold = text_of(row["option"]), text_of(row["answer"])
    letters, choices = listed_choice(option, gold)
    group, key = text_of(row["ID"]), text_of(row["key"])
    steps, _, step = key.partition("_")
    return Sample(
        id=sample_id(where, f"{group}/{step}"),
        source=where.bench,
        question=IMAGE_PLACEHOLDER + PROMPT.format(text_of(row["question"]), option),
        images=[first_picture(row, ("image_path",), where)],
        answer=letters or gold,
        answer_type="choice",
        choices=choices,
        tags={"group": group, "steps": steps, "step": step, "concept": text_of(row["knowledge concept"])},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    letter = wemath_letter(text)
    correct = letter == sample.answer
    return verdict("wemath", letter, correct, text, "letter" if correct else "mismatch" if letter else "no_answer")


def metrics(one_round: pd.DataFrame) -> dict[str, float]:
    """Return the authors' metrics of one response an item; their 525 is the number of complete groups here.

    A group that lacks an item belongs to no class and is only counted: the authors' script would count it as mastered.
    """
    classes: dict[str, list[str]] = {"strict": [], "loose": []}
    incomplete = 0
    for _, group in one_round.groupby("group"):
        right = dict(zip(group.step, group.correct.astype(bool), strict=True))
        whole = right.pop(WHOLE, None)
        if whole is None or len(right) != int(group.steps.iloc[0][0]):
            incomplete += 1
            continue
        known = all(right.values())
        classes["strict"].append(class_of(known, known, whole))
        classes["loose"].append(class_of(known, any(right.values()), whole))
    values = {f"{setting}/{name}": rate for setting, found in classes.items() for name, rate in rates(found).items()}
    values["one_step"] = float(one_round[one_round.step != WHOLE].correct.mean())
    for steps, name in zip(STEPS, ("two_step", "three_step"), strict=True):
        values[name] = float(one_round[(one_round.step == WHOLE) & (one_round.steps == steps)].correct.mean())
    return values | {"incomplete_groups": float(incomplete)}


def class_of(all_steps: bool, enough_steps: bool, whole: bool) -> str:
    """IK insufficient knowledge, IG inadequate generalisation, CM complete mastery, RM rote memorisation."""
    if whole:
        return "CM" if enough_steps else "RM"
    return "IG" if all_steps else "IK"


def rates(classes: list[str]) -> dict[str, float]:
    """Return shares of the classes (RM among the solved ones) and the score, which credits IG by half."""
    if not classes:
        return dict.fromkeys(("IK", "IG", "CM", "RM", "score"), float("nan"))
    count = {name: classes.count(name) for name in ("IK", "IG", "CM", "RM")}
    shares = {name: count[name] / len(classes) for name in ("IK", "IG", "CM")}
    solved = count["CM"] + count["RM"]
    shares["RM"] = count["RM"] / solved if solved else float("nan")
    return shares | {"score": shares["CM"] + 0.5 * shares["IG"]}


BENCHMARK = Benchmark(
    name="wemath",
    title="We-Math testmini",
    version="wemath/2",
    hub="We-Math/We-Math",
    parts=(Part("default", "testmini"),),
    licence="CC BY-NC 4.0",
    columns=("ID", "knowledge concept", "question", "option", "answer", "image_path", "key"),
    read=read,
    official=official,
    rows=1740,
    breakdowns=("steps", "step", "concept"),
    cluster="group",
    metrics=metrics,
    prompt="the authors' words",
    source="repository We-Math/We-Math at a57a0e8, evaluation/four_dimensional_metrics.py and accuracy.py",
)
