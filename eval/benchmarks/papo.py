"""PAPO-Eval: the nine columns of PAPO's Table 1 (arXiv 2507.06448) as its authors filtered and published them.

Rows name pictures by path (`./data/images/...`) and the hub keeps the pictures in archives: unpack each
`<split>_images.zip` into `<folder>/PAPO_eval/data/images` beside local copies of the rows. Every row is an item of its
own, also where two are equal, which is what the authors' grouping comes to.
"""

from data import Sample
from data.sources import turns_by_role
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import listed_choice, pictures, sample_id, text_of, with_pictures
from verify import Verdict, grade

# The stored prompts end with the instruction that the lab's template "papo" puts there itself.
INSTRUCTION = "You first think"
COLUMNS = {
    "papo_geometry3k": ("Geo3K", "hiyouga_geometry3k", 601, "MIT"),
    "papo_mathvista": ("MathVista", "AI4Math_MathVista", 1000, "CC BY-SA 4.0"),
    "papo_wemath": ("We-Math", "We_Math", 1740, "CC BY-NC 4.0"),
    "papo_mmk12": ("MMK12", "PAPO_MMK12", 2000, "Apache-2.0"),
    "papo_mathverse": ("MathVerse", "AI4Math_MathVerse", 2180, "MIT"),
    "papo_logicvista": ("LogicVista", "lscpku_LogicVista", 447, "Apache-2.0"),
    "papo_counting": ("Counting", "BUAADreamer_clevr_count_70k", 200, "not stated"),
    "papo_mmmu_pro": ("MMMU-Pro", "MMMU_MMMU_Pro", 1730, "Apache-2.0"),
    "papo_mathverse_vision": ("MathVerse_V", "AI4Math_MathVerse_vision_dependent", 1308, "MIT"),
}
FILTERS = {
    "papo_mathvista": "the authors speak of multiple choice only, the published split has all rows",
    "papo_mathverse": "multiple choice only: 436 problems in five versions",
    "papo_mmmu_pro": "vision setting: question and options stand in the picture",
    "papo_mathverse_vision": "multiple choice only: 436 problems in three versions, not named",
}


def read(row: Row, where: Where) -> Sample | str:
    turns = turns_by_role(row["messages"], str(where))
    images = pictures(row["images"], where)
    question = without_instruction(turns.get("user", ""))
    gold = text_of(turns.get("assistant"))
    letters, choices = listed_choice(question, gold)
    # The gold stays as it is written ("(C)", "B, D"): the scorer compares strings.
    answer_type = "choice" if letters == gold else None
    question = with_pictures(question, len(images))
    column = COLUMNS[where.bench][0]
    name = sample_id(where, where.number)
    return Sample(name, where.bench, question, images, gold, answer_type, choices, tags={"column": column})


def without_instruction(question: str) -> str:
    start = question.rfind(INSTRUCTION)
    ends_so = start >= 0 and "<think>" in question[start:] and "\\boxed" in question[start:]
    return question[:start].rstrip() if ends_so else question


def official(sample: Sample, text: str, k: int) -> Verdict:
    """Return the last box against the gold by mathruler's rules; no format requirement, no judge."""
    return grade(text, sample.answer, grader="papo")


def column_benchmark(name: str) -> Benchmark:
    column, split, rows, licence = COLUMNS[name]
    return Benchmark(
        name=name,
        title=f"PAPO-Eval, column {column}",
        version=f"{name}/1",
        hub="PAPO-Galaxy/PAPO_eval",
        parts=(Part(None, split),),
        licence=licence,
        columns=("messages", "images"),
        read=read,
        official=official,
        rows=rows,
        filter=FILTERS.get(name, ""),
        breakdowns=("column",),
        max_images=1,
        prompt="PAPO's, as stored",
        source="repository xhguo7/PAPO-Eval at b57d909, papo_eval/run_eval.py and eval_utils.py",
    )


BENCHMARKS = tuple(column_benchmark(name) for name in COLUMNS)
