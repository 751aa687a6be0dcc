"""MATH-Vision (arXiv 2402.14804): 3 040 competition problems with pictures, scored by the authors' rules alone."""

from dataclasses import replace

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import LETTERS, first_picture, lettered, number_or_math, option_lines, sample_id, text_list, text_of
from verify import Verdict
from verify.official import verdict
from verify.official.maths import mathvision_equal, mathvision_extract

STEP_BY_STEP = "Solve the problem step by step and put the final answer into one \\boxed{}."
ONE_LETTER = " Only the letter of the right option may stand in the box."


def read(row: Row, where: Where) -> Sample | str:
    gold = text_of(row["answer"])
    options = text_list(row["options"], where, "options")
    # Options that are nothing but their letters stand in the picture, and the prompt leaves them out.
    choices = [] if options == list(LETTERS[: len(options)]) else options
    prompt = STEP_BY_STEP + (ONE_LETTER if options else "") + "\n" + text_of(row["question"])
    if choices:
        prompt += "\n" + option_lines(choices)
    subject, level = text_of(row["subject"]), text_of(row["level"])
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        # The tags <image1> ... stay: the data set has merged the pictures of an item into one.
        question=IMAGE_PLACEHOLDER + prompt,
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
        golds.append(lettered(sample.choices)[sample.answer])
    correct = any(mathvision_equal(answer, gold) for gold in golds)
    return verdict("mathvision", answer or None, correct, text, "math" if correct else "mismatch")


FULL = Benchmark(
    name="mathvision",
    title="MATH-Vision test",
    version="mathvision/1",
    hub="MathLLMs/MathVision",
    parts=(Part("default", "test"),),
    licence="MIT",
    columns=("id", "question", "options", "image", "answer", "level", "subject"),
    read=read,
    official=official,
    rows=3040,
    breakdowns=("level", "subject", "subject_level"),
    source="repository mathllm/MATH-V at a1f5cc3, evaluation/evaluate.py and utils.py",
)
BENCHMARKS = (
    FULL,
    replace(
        FULL,
        name="mathvision_mini",
        title="MATH-Vision testmini",
        version="mathvision_mini/1",
        parts=(Part("default", "testmini"),),
        rows=304,
    ),
)
