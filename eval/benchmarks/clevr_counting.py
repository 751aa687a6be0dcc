"""Counting objects: the test split of clevr_count_70k that PAPO uses, and R1-V's 200 Super-CLEVR questions."""

from common import UserError
from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, pictures, sample_id, text_of, with_pictures
from verify import Verdict, extract_boxed
from verify.official import verdict
from verify.official.values import boxed_integer_accepts, integer_in_tag

THINK_AND_TAG = "Think first, inside <think> </think> tags, then give the number inside <answer> </answer> tags."


def count_of(value: object, where: Where) -> str:
    gold = text_of(value)
    if not gold.isdecimal():
        raise UserError(f"{where} has the gold answer {gold!r}, which is no count; correct the row")
    return str(int(gold))


def read(row: Row, where: Where) -> Sample | str:
    images = pictures(row["images"], where)
    question = with_pictures(text_of(row["problem"]), len(images))
    name = sample_id(where, where.number)
    return Sample(name, where.bench, question, images, count_of(row["answer"], where), "number")


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Integer equality on the last box."""
    correct = boxed_integer_accepts(text, sample.answer)
    boxed = extract_boxed(text)
    reason = "number" if correct else "no_box" if boxed is None else "mismatch"
    return verdict("clevr_counting", boxed, correct, text, reason)


def read_superclevr(row: Row, where: Where) -> Sample | str:
    question = f"{IMAGE_PLACEHOLDER}{text_of(row['question'])}\n{THINK_AND_TAG}"
    images = [first_picture(row, ("image_path",), where)]
    gold = count_of(row["ground_truth"], where)
    return Sample(sample_id(where, where.number), where.bench, question, images, gold, "number")


def official_superclevr(sample: Sample, text: str, k: int) -> Verdict:
    """Return the digits inside the answer tag as one integer; no tag is wrong."""
    number = integer_in_tag(text)
    correct = number == int(sample.answer)
    reason = "number" if correct else "no_answer" if number is None else "mismatch"
    return verdict("superclevr", None if number is None else str(number), correct, text, reason)


BENCHMARKS = (
    Benchmark(
        name="clevr_counting",
        title="CLEVR counting test",
        version="clevr_counting/1",
        hub="BUAADreamer/clevr_count_70k",
        parts=(Part("default", "test"),),
        licence="not stated",
        columns=("images", "problem", "answer"),
        read=read,
        official=official,
        rows=200,
        source="data card of BUAADreamer/clevr_count_70k; the pictures are of Super-CLEVR",
    ),
    Benchmark(
        name="superclevr",
        title="SuperCLEVR-200",
        version="superclevr/1",
        hub="",  # questions in R1-V's repository, pictures in an archive: only local copies
        parts=(Part("default", "test"),),
        licence="not stated",
        columns=("image_path", "question", "ground_truth"),
        read=read_superclevr,
        official=official_superclevr,
        rows=200,
        prompt="ours",
        source="repository Deep-Agent/R1-V, src/eval/prompts/superclevr_test200_counting_problems.jsonl",
    ),
)
