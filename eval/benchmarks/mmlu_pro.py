"""MMLU-Pro (arXiv 2406.01574) with a picture of random noise, as PAPO's Table 13 asks whether text skills survive.

The questions need no picture. The prompt is the authors' without their five worked examples; PAPO's own way is
`prompt=papo grader=paper`.
"""

import zlib

from data import IMAGE_PLACEHOLDER, Sample
from data.images import NoiseImage
from eval.benchmark import Benchmark, Part, Row, Where
from eval.benchmarks.mmmu import letter_or_guess
from eval.rows import option_lines, sample_id, text_list, text_of
from verify import Verdict
from verify.official.letters import mmlu_pro_letter

PROMPT = (
    "The following are multiple choice questions (with answers) about {}. Think step by step and then output the "
    'answer in the format of "The answer is (X)" at the end.\n\n'
    "Question: {}\nOptions: {}\nAnswer: Let's think step by step.\n\n"
)


def read(row: Row, where: Where) -> Sample | str:
    options = [option for option in text_list(row["options"], where, "options") if option != "N/A"]
    category, name = text_of(row["category"]), text_of(row["question_id"])
    # A seed from the id alone: the same picture in every run, another one for every question.
    picture = NoiseImage(zlib.crc32(name.encode()))
    return Sample(
        id=sample_id(where, name),
        source=where.bench,
        question=IMAGE_PLACEHOLDER
        + PROMPT.format(category, text_of(row["question"]), option_lines(options, "{}. {}")),
        images=(picture,),
        answer=text_of(row["answer"]),
        answer_type="choice",
        choices=options,
        tags={"category": category, "options": str(len(options))},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    return letter_or_guess("mmlu_pro", sample, text, k, mmlu_pro_letter(text))


BENCHMARK = Benchmark(
    name="mmlu_pro_noise",
    title="MMLU-Pro with a picture of noise",
    version="mmlu_pro_noise/1",
    hub="TIGER-Lab/MMLU-Pro",
    parts=(Part("default", "test"),),
    licence="MIT",
    columns=("question_id", "question", "options", "answer", "category"),
    read=read,
    official=official,
    rows=12032,
    breakdowns=("category", "options"),
    prompt="the authors' words, without their five worked examples",
    source="MMLU-Pro repository 007ab5c, evaluate_from_api.py; PAPO's Table 13 names the noise and no protocol",
)
