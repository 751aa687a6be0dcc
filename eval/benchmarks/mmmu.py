"""MMMU: college questions of 30 subjects on the validation split; options and questions may hold several pictures."""

import re
from collections.abc import Mapping

from data import Sample
from data.images import ImageSource
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import joined, lettered, option_lines, picture, sample_id, tag_values, text_list, text_of
from verify import Verdict
from verify.official import guess, verdict
from verify.official.letters import mmmu_letter
from verify.official.values import mmmu_open_accepts

DISCIPLINES = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Psychology", "Sociology"),
    "Tech and Engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
DISCIPLINE_OF = {subject: discipline for discipline, subjects in DISCIPLINES.items() for subject in subjects}
# The authors' words.
ASK_LETTER = "Answer with the option's letter from the given choices directly."
ASK_PHRASE = "Answer the question using a single word or phrase."
MAX_IMAGES = 35  # test_Geography_252 of MMMU-Pro names its seven pictures in as many tags
_TAG = re.compile(r"<image (\d{1,2})>")


def numbered_pictures(row: Row, where: Where) -> dict[int, ImageSource]:
    """Return pictures of the columns image_1, image_2 ... by their number."""
    columns = [(int(column[6:]), column) for column in row if re.fullmatch(r"image_\d{1,2}", column)]
    return {number: picture(row[column], where) for number, column in sorted(columns) if row[column]}


def place_pictures(
    text: str, pictures: Mapping[int, ImageSource], tag: re.Pattern[str] = _TAG
) -> tuple[str, list[ImageSource]] | None:
    """Return the text with a placeholder for each numbered tag, and the pictures in the order of the tags.

    Pictures that no tag names go in front. None where a tag names a picture that is not there.
    """
    named = [int(number) for number in tag.findall(text)]
    if not pictures.keys() >= set(named):
        return None
    unnamed = [number for number in pictures if number not in named]
    question = IMAGE_PLACEHOLDER * len(unnamed) + tag.sub(IMAGE_PLACEHOLDER, text)
    return question, [pictures[number] for number in [*unnamed, *named]]


def letter_or_guess(name: str, sample: Sample, text: str, k: int, letter: str | None) -> Verdict:
    """Return the verdict on a letter; where the official script rolls dice, a guess that depends on item and k
    alone.
    """
    if letter is None:
        guessed = guess(sample.id, k, list(lettered(sample.choices)))
        return verdict(name, guessed, guessed == sample.answer, text, "guessed")
    correct = letter == sample.answer
    return verdict(name, letter, correct, text, "letter" if correct else "mismatch")


def read(row: Row, where: Where) -> Sample | str:
    identity = text_of(row["id"])
    subject = identity.split("_", 1)[-1].rsplit("_", 1)[0]
    options = text_list(row["options"], where, "options")
    is_choice = row["question_type"] == "multiple-choice"
    question = text_of(row["question"])
    lines = [question, option_lines(options), "", ASK_LETTER] if is_choice else [question, "", ASK_PHRASE]
    placed = place_pictures("\n".join(lines), numbered_pictures(row, where))
    if placed is None:
        return "a tag names a picture that the row lacks"
    answer = text_of(row["answer"])
    golds = text_list(answer, where, "answer") if not is_choice and answer.startswith("[") else [answer]
    return Sample(
        id=sample_id(where, identity),
        source=where.bench,
        question=placed[0],
        images=placed[1],
        answer=golds[0],
        answer_type="choice" if is_choice else None,
        choices=options if is_choice else (),
        tags={
            "subject": subject,
            "discipline": DISCIPLINE_OF.get(subject, "other"),
            "golds": joined(golds),
            "form": text_of(row["question_type"]),
            "difficulty": text_of(row["topic_difficulty"]),
        },
    )


def official(sample: Sample, text: str, k: int) -> Verdict:
    if sample.answer_type == "choice":
        return letter_or_guess("mmmu", sample, text, k, mmmu_letter(text, lettered(sample.choices)))
    correct = mmmu_open_accepts(text, tag_values(sample.tags["golds"]))
    return verdict("mmmu", text.strip() or None, correct, text, "text" if correct else "mismatch")


BENCHMARK = Benchmark(
    name="mmmu",
    title="MMMU",
    version="mmmu/2",
    hub="MMMU/MMMU",
    parts=tuple(Part(subject, "validation") for subject in sorted(DISCIPLINE_OF)),
    licence="Apache-2.0",
    columns=("id", "question", "options", "answer", "question_type", "topic_difficulty", "image_1"),
    read=read,
    official=official,
    rows=900,
    breakdowns=("discipline", "subject", "form", "difficulty"),
    max_images=MAX_IMAGES,
    prompt="the authors' words",
    source="MMMU repository bb0b95a: letter and open-answer rules of its evaluation script",
)
