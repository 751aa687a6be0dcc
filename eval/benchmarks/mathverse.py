"""MathVerse testmini (arXiv 2403.14624): 788 problems in five versions that move text into the picture.

Three readings of one data set: all items with the authors' scoring, its vision-dependent versions, and the
multiple-choice items as PAPO evaluates them (bare question, last box), here with version and problem known.
"""

from dataclasses import replace

from common import UserError
from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, listed_choice, number_or_math, sample_id, text_of
from verify import Verdict, grade
from verify.official import verdict

VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
# PAPO's 1 308 = 436 problems x 3 versions of medium or high vision dependency; it does not name the three.
VISION_DEPENDENT = VERSIONS[2:]
COLUMNS = (
    "sample_index",
    "problem_index",
    "problem_version",
    "question",
    "image",
    "answer",
    "question_type",
    "metadata",
    "query_cot",
)
BREAKDOWNS = ("version", "vision_dependent", "question_type", "subject", "subfield")


def version_of(row: Row, where: Where) -> str:
    version = text_of(row["problem_version"])
    if version not in VERSIONS:
        raise UserError(f"{where} has the problem_version {version!r}; expected one of {', '.join(VERSIONS)}")
    return version


def read(row: Row, where: Where) -> Sample | str:
    """Return an item with the authors' prompt that asks for reasons first."""
    gold = text_of(row["answer"])
    letters: str | None = None
    choices: tuple[str, ...] = ()
    if row["question_type"] == "multi-choice":
        letters, choices = listed_choice(text_of(row.get("question_for_eval") or row["question"]), gold)
    # A multiple-choice gold that names no option ("053 ^\circ T") stays as it is.
    answer_type = "choice" if letters else number_or_math(gold)
    return _sample(row, where, text_of(row["query_cot"]), letters or gold, answer_type, choices)


def read_vision_dependent(row: Row, where: Where) -> Sample | str:
    version = version_of(row, where)
    return read(row, where) if version in VISION_DEPENDENT else f"version {version}"


def read_multiple_choice(row: Row, where: Where) -> Sample | str:
    """Return an item as in PAPO's copy: the question alone and the gold as it is written."""
    if row["question_type"] != "multi-choice":
        return "free-form item"
    question, gold = text_of(row["question"]), text_of(row["answer"])
    letters, choices = listed_choice(text_of(row.get("question_for_eval") or question), gold)
    return _sample(row, where, question, gold, "choice" if letters == gold else None, choices)


def _sample(
    row: Row, where: Where, question: str, answer: str, answer_type: str | None, choices: tuple[str, ...]
) -> Sample:
    version = version_of(row, where)
    tags = {
        "version": version,
        "vision_dependent": "yes" if version in VISION_DEPENDENT else "no",
        "problem": text_of(row["problem_index"]),
        "question_type": text_of(row["question_type"]),
        "subject": text_of(row["metadata"]["subject"]),
        "subfield": text_of(row["metadata"]["subfield"]),
    }
    image = first_picture(row, ("image",), where)
    name = sample_id(where, row["sample_index"])
    return Sample(name, where.bench, IMAGE_PLACEHOLDER + question, [image], answer, answer_type, choices, tags=tags)


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    """Return the exact match that spares the judge; the authors let an LLM extract and another one compare."""
    answer = text.strip()
    if not answer:
        return verdict("mathverse", None, False, text, "no_answer")
    return verdict("mathverse", answer, True, text, "string") if answer == sample.answer else None


def last_box(sample: Sample, text: str, k: int) -> Verdict:
    """PAPO's rule, see verify/papo.py."""
    return grade(text, sample.answer, grader="papo")


ALL = Benchmark(
    name="mathverse",
    title="MathVerse testmini, five versions",
    version="mathverse/1",
    hub="AI4Math/MathVerse",
    parts=(Part("testmini", "testmini"),),
    licence="MIT",
    columns=COLUMNS,
    read=read,
    official=official,
    rows=3940,
    breakdowns=BREAKDOWNS,
    cluster="problem",
    judged="equal",
    prompt="the authors' words (stored prompt that asks for reasons)",
    source="repository ZrrSkywalker/MathVerse at 937b090",
)
BENCHMARKS = (
    ALL,
    replace(
        ALL,
        name="mathverse_vision",
        title="MathVerse testmini, vision-dependent versions",
        version="mathverse_vision/1",
        read=read_vision_dependent,
        rows=2364,
        filter="Vision Intensive, Vision Dominant and Vision Only",
    ),
    replace(
        ALL,
        name="mathverse_mc",
        title="MathVerse testmini, multiple choice as in PAPO-Eval",
        version="mathverse_mc/1",
        read=read_multiple_choice,
        official=last_box,
        rows=2180,
        filter="multiple-choice items of the five versions",
        judged="",
        prompt="the bare question",
        source="repository xhguo7/PAPO-Eval at b57d909: question column, last box",
    ),
)
