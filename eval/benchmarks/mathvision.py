"""MATH-Vision (arXiv 2402.14804): 3 040 competition problems with pictures, scored by the authors' rules alone."""

from dataclasses import replace

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import LETTERS, first_picture, lettered, number_or_math, option_lines, sample_id, text_list, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.maths import mathvision_equal, mathvision_extract

# The authors' words.
PROMPT = (
    'Please solve the problem step by step and put your answer in one "\\boxed{}". If it is a multiple choice '
    'question, only one letter is allowed in the "\\boxed{}".'
)


def read(row: Row, where: Where) -> Sample | str:
    gold = text_of(row["answer"])
    options = text_list(row["options"], where, "options")
    # Options that are nothing but their letters stand in the picture, and the prompt leaves them out.
    choices = [] if options == list(LETTERS[: len(options)]) else options
    listed = option_lines(choices) + "\n" if choices else ""
    subject, level = text_of(row["subject"]), text_of(row["level"])
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        # The tags <image1> ... stay: the data set has merged the pictures of an item into one.
        question=f"{IMAGE_PLACEHOLDER}{PROMPT}\n{text_of(row['question'])}\n{listed}",
        images=[first_picture(row, ("decoded_image", "image"), where)],
        answer=gold,
        answer_type="choice" if options else number_or_math(gold),
        choices=choices,
        tags={"subject": subject, "level": level, "subject_level": f"{subject}, level {level}"},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Right if the extracted answer equals the letter or the option's text."""
    answer = mathvision_extract(text)
    golds = [sample.answer]
    if sample.choices:
        golds.append(lettered(sample.choices).get(sample.answer, ""))
    correct = any(mathvision_equal(answer, gold) for gold in golds)
    return verdict("mathvision", answer or None, correct, text, "math" if correct else "mismatch")


FULL = Benchmark(
    name="mathvision",
    title="MATH-Vision test",
    version="mathvision/2",
    hub="MathLLMs/MathVision",
    parts=(Part("default", "test"),),
    licence="MIT",
    columns=("id", "question", "options", "image", "answer", "level", "subject"),
    read=read,
    official=official,
    rows=3040,
    breakdowns=("level", "subject", "subject_level"),
    prompt="the authors' words",
    source="repository mathllm/MATH-V at a1f5cc3, evaluation/evaluate.py and utils.py",
)
BENCHMARKS = (
    FULL,
    replace(
        FULL,
        name="mathvision_mini",
        title="MATH-Vision testmini",
        version="mathvision_mini/2",
        parts=(Part("default", "testmini"),),
        rows=304,
    ),
)
