"""MMMU-Pro: questions of MMMU with up to twelve options, with four, and with question and options in the picture.

The authors' headline number is the mean of `mmmu_pro_standard10` and `mmmu_pro_vision`.
"""

from data import Sample
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmark import Benchmark, Part, Row, Where
from eval.benchmarks.mmmu import (
    DISCIPLINE_OF,
    MAX_IMAGES,
    letter_or_guess,
    numbered_pictures,
    place_pictures,
)
from eval.rows import lettered, option_lines, picture, sample_id, text_list, text_of
from verify import Verdict
from verify.official.letters import mmmu_pro_letter

# The authors' words, direct way.
ASK_LETTER = "Answer with the option letter from the given choices directly."
ASK_VISION = (
    f"{ASK_LETTER} The last line of your response should be of the following format: 'Answer: $LETTER' (without "
    "quotes) where LETTER is one of options."
)
STANDARD_COLUMNS = ("id", "question", "options", "answer", "subject", "topic_difficulty", "image_1")


def subject_tags(row: Row) -> dict[str, str]:
    subject = text_of(row["subject"]).replace(" ", "_")
    return {"subject": subject, "discipline": DISCIPLINE_OF.get(subject, "other")}


def read_standard(row: Row, where: Where) -> Sample | str:
    options = text_list(row["options"], where, "options")
    text = "\n".join([text_of(row["question"]), option_lines(options, "{}. {}"), ASK_LETTER])
    placed = place_pictures(text, numbered_pictures(row, where))
    if placed is None:
        return "a tag names a picture that the row lacks"
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        question=placed[0],
        images=placed[1],
        answer=text_of(row["answer"]),
        answer_type="choice",
        choices=options,
        tags=subject_tags(row) | {"difficulty": text_of(row["topic_difficulty"]), "options": str(len(options))},
    )


def read_vision(row: Row, where: Where) -> Sample | str:
    options = text_list(row["options"], where, "options")
    return Sample(
        id=sample_id(where, row["id"]),
        source=where.bench,
        question=IMAGE_PLACEHOLDER + ASK_VISION,
        images=(picture(row["image"], where),),
        answer=text_of(row["answer"]),
        answer_type="choice",
        choices=options,
        tags=subject_tags(row) | {"options": str(len(options))},
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    return letter_or_guess("mmmu_pro", sample, text, k, mmmu_pro_letter(text, lettered(sample.choices)))


def standard(options: int) -> Benchmark:
    return Benchmark(
        name=f"mmmu_pro_standard{options}",
        title=f"MMMU-Pro, standard, {options} options",
        version=f"mmmu_pro_standard{options}/2",
        hub="MMMU/MMMU_Pro",
        parts=(Part(f"standard ({options} options)", "test"),),
        licence="Apache-2.0",
        columns=STANDARD_COLUMNS,
        read=read_standard,
        official=official,
        rows=1730,
        breakdowns=("discipline", "subject", "difficulty", "options"),
        max_images=MAX_IMAGES,
        prompt="the authors' words, direct way",
        source="MMMU repository bb0b95a: letter rule of its MMMU-Pro evaluation script, direct prompt",
    )


VISION = Benchmark(
    name="mmmu_pro_vision",
    title="MMMU-Pro, vision",
    version="mmmu_pro_vision/2",
    hub="MMMU/MMMU_Pro",
    parts=(Part("vision", "test"),),
    licence="Apache-2.0",
    columns=("id", "image", "options", "answer", "subject"),
    read=read_vision,
    official=official,
    rows=1730,
    breakdowns=("discipline", "subject", "options"),
    prompt="the authors' words, direct way",
    source="MMMU repository bb0b95a: letter rule of its MMMU-Pro evaluation script, direct prompt",
)

BENCHMARKS = (standard(10), standard(4), VISION)
