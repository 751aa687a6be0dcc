"""LogicVista (arXiv 2407.04973): 447 puzzles with pictures from aptitude tests; a few have two right letters.

The official rule lets an LLM turn the response into letters and compares them, sorted, with the gold's; without an
LLM only a response that is nothing but letters can be scored.
"""

import re

from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import first_picture, joined, listed_choice, number_or_math, sample_id, text_list, text_of
from verify import Verdict
from verify.official import verdict

_LETTER_LIST = re.compile(r"\(?[A-Z]\)?(?:(?:, ?| ?and | )\(?[A-Z]\)?){0,9}\.?")
_LABELLED_LETTER = re.compile(r"(\([A-Z]\)) [A-Z]")  # "(A) A": an option whose text is a letter


def read(row: Row, where: Where) -> Sample | str:
    question, gold = text_of(row["question"]), text_of(row["answer"])
    if not gold:
        return "no gold answer"
    letters, choices = listed_choice(question, gold)
    tags = {name: joined(facet(row, where, name)) for name in ("skill", "broad_capability", "specific_capability")}
    return Sample(
        id=sample_id(where, where.number if row.get("id") is None else row["id"]),
        source=where.bench,
        question=IMAGE_PLACEHOLDER + question,
        images=[first_picture(row, ("image",), where)],
        answer=letters or gold,
        # One puzzle numbers its options: its gold is "3".
        answer_type="choice" if letters else number_or_math(gold),
        choices=choices,
        tags=tags,
    )


def facet(row: Row, where: Where, name: str) -> list[str]:
    """Return a list of labels, which some copies keep as one word."""
    value = row.get(name)
    return [value] if isinstance(value, str) and not value.startswith("[") else text_list(value, where, name)


def official(sample: Sample, text: str, k: int) -> Verdict | None:
    """Compare letters with letters; None where only the authors' LLM could say which letters are meant."""
    answer = text.strip()
    if len(answer) == 1 and answer.isalpha():  # read without their LLM, and none but these five
        return score_letters(sample, answer.upper() if answer in "ABCDEabcde" else "", text)
    labelled = _LABELLED_LETTER.fullmatch(answer)
    if labelled:
        return score_letters(sample, labelled[1], text)
    return score_letters(sample, answer, text) if _LETTER_LIST.fullmatch(answer) else None


def score_letters(sample: Sample, letters: str, text: str) -> Verdict:
    """Second half of the rule, also for letters that a judge extracted."""
    # "4D" is no letter to the authors' comparison of lists.
    wanted = r"(?<!\d)[A-Z]" if sample.answer_type == "choice" else r"(?<!\d)[A-Z]|\d+"
    found = sorted(re.findall(wanted, letters.replace("and", "")))
    correct = found == sorted(sample.answer.split(", "))
    reason = "letter" if correct else "mismatch" if found else "no_answer"
    return verdict("logicvista", ", ".join(found) or None, correct, text, reason)


BENCHMARK = Benchmark(
    name="logicvista",
    title="LogicVista",
    version="logicvista/2",
    hub="lscpku/LogicVista",
    parts=(Part("default", "test"),),
    licence="Apache-2.0",
    columns=("question", "answer", "image", "skill", "broad_capability"),
    read=read,
    official=official,
    rows=447,
    filter="the authors' file has 448 items, one of them without a gold",
    breakdowns=("skill", "broad_capability", "specific_capability"),
    judged="extract",
    score_extraction=score_letters,
    source="repository Yijia-Xiao/LogicVista at e5795f1, data/dataset.json and the evaluation scripts",
)
