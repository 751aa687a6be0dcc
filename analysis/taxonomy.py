"""Why a wrong response is wrong: seven classes, in one place for the classifier by construction, the judge and people.

Four of them (perception, reasoning, calculation, inconsistency) are those of PAPO's Figure 1 (arXiv 2507.06448); the
definitions are ours, because the paper gives a line to each and no rule for mixed errors. A response has one primary
class: of all errors that its answer rests on, the one that comes first in `PRIMACY`. That order follows a response
from its inputs to its box, and `analysis.errors` applies the same one to the mini world.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from common import atomic_write_text
from configs import command, setting

VERSION = 1  # raised with every change of meaning: labels of two versions are not the same labels


@dataclass(frozen=True)
class Borderline:
    """A case that two careful people could see differently, and how it is decided here."""

    case: str
    decided: str  # name of a class
    because: str


@dataclass(frozen=True)
class ErrorClass:
    """One class; `rule` tells it from its neighbours."""

    name: str
    title: str
    definition: str
    rule: str
    examples: tuple[Borderline, ...]
    constructed: bool = True  # whether the mini world's classifier can give it


PERCEPTION = ErrorClass(
    "perception",
    "Perception",
    "The response claims something about the picture that the picture does not show, or overlooks something that it "
    "shows, and goes on from there.",
    "Note what a careful reader takes from the picture: where the response starts from anything else, it is "
    "perception, whatever it does next. Text inside the picture belongs to the picture; misreading the written "
    "question is reasoning. What a sign stands for is knowledge; that it is there is perception.",
    (
        Borderline(
            "A side is labelled 8; the response works with 6 and makes no further mistake.",
            "perception",
            "only the input is false",
        ),
        Borderline(
            "'The picture shows a right angle at C', where nothing marks one.",
            "perception",
            "it is presented as seen; 'let us assume a right angle' would be reasoning",
        ),
        Borderline(
            "A bar is read as 40 instead of 30, and then 40 + 20 becomes 70.",
            "perception",
            "both are errors; the one in the inputs comes first, calculation is secondary",
        ),
    ),
)
REASONING = ErrorClass(
    "reasoning",
    "Reasoning",
    "The inputs are right, but what is done with them does not lead to an answer of this question: a conclusion that "
    "does not follow, another operation than the one needed, a step left out, a question misunderstood, a guess.",
    "Replace every number by a letter: if the plan is still wrong, it is reasoning; if the plan is right and only a "
    "result is off, it is calculation. A general statement that is false by itself is knowledge; a true one used "
    "where it does not apply is reasoning.",
    (
        Borderline(
            "The perimeter is asked for; width times height is worked out without a slip.",
            "reasoning",
            "facts and arithmetic are right, the plan is not",
        ),
        Borderline(
            "Pythagoras' theorem is used on a triangle that has no right angle; none is claimed to be seen.",
            "reasoning",
            "the theorem is true and does not apply here",
        ),
        Borderline(
            "All values are read correctly, then an option is picked without any step.",
            "reasoning",
            "no inference leads to the answer",
        ),
    ),
)
KNOWLEDGE = ErrorClass(
    "knowledge",
    "Knowledge",
    "A general fact, formula, definition or convention that comes neither from the picture nor from the question is "
    "stated or used wrongly.",
    "Ask whether a reference book, without the picture, would show the statement to be false: then it is knowledge. "
    "If it is true but out of place, it is reasoning; if only this picture shows it to be false, it is perception.",
    (
        Borderline(
            "'The area of a circle is 2πr', then everything is computed right from it.",
            "knowledge",
            "the formula is false wherever it stands",
        ),
        Borderline(
            "A diode's symbol is described right and called a capacitor.",
            "knowledge",
            "it was seen; what it stands for was not known",
        ),
        Borderline(
            "The area of a circle is correctly stated as πr², with the diameter put in for r.",
            "reasoning",
            "the formula is right; a known input took the wrong place",
        ),
    ),
    constructed=False,
)
CALCULATION = ErrorClass(
    "calculation",
    "Calculation",
    "Inputs and plan are right, and a stated operation is carried out wrongly: arithmetic, algebra, rounding, a unit "
    "converted by a wrong factor.",
    "The mistake is in one line that names its operation, as in 7 × 8 = 54. A wrong operation is reasoning. A result "
    "that changes only on its way into the final answer is inconsistency.",
    (
        Borderline("5 × 3 = 16, and the box says 16.", "calculation", "right operation, wrong result"),
        Borderline("x + 3 = 10 becomes x = 13.", "calculation", "a slip in carrying out the right plan"),
        Borderline("5 + 3 = 8 where the product was needed.", "reasoning", "the line is true; it is the wrong line"),
    ),
)
INCONSISTENCY = ErrorClass(
    "inconsistency",
    "Inconsistency",
    "The steps arrive at one answer and the response gives another.",
    "There must be an answer to read, else it is format. If the steps themselves are wrong, their error is primary "
    "and inconsistency is secondary.",
    (
        Borderline("The steps end in 15, the box says 16.", "inconsistency", "the chain was right to its last line"),
        Borderline(
            "The right value is found and the letter of another option is given.",
            "inconsistency",
            "the answer is not the one that the steps reached",
        ),
        Borderline(
            "The response argues for 15, then for 20, and boxes 20 without a reason.",
            "inconsistency",
            "its own steps contradict its answer",
        ),
    ),
)
FORMAT = ErrorClass(
    "format",
    "Extraction or format",
    "There is no final answer that a grader could take: the response ends too early, settles on nothing, repeats "
    "itself, or puts its answer where the asked form does not allow one.",
    "First of all questions: without a committed answer in the asked form, no other class is primary. If a clear "
    "answer stands in the asked form and was still not accepted, go on to the other classes, and to grader last.",
    (
        Borderline(
            "The steps are right and lead to 15, but the asked box is missing.", "format", "right content, wrong form"
        ),
        Borderline(
            "The text stops at the length limit in the middle of a false reading of the picture.",
            "format",
            "there is no answer to explain; perception is secondary",
        ),
        Borderline("'\\boxed{12 or 15}' where one value is asked for.", "format", "it does not commit itself"),
    ),
)
GRADER = ErrorClass(
    "grader",
    "Grader error",
    "Nothing that the answer rests on is false, and the response was marked wrong all the same: the comparison "
    "failed, or the reference or the question is faulty.",
    "Only where no other class applies: the answer stands in the asked form and says the same as the reference, or "
    "the picture itself shows that the reference cannot be right.",
    (
        Borderline("Reference 0.5, answer '1/2' in a box, marked wrong.", "grader", "same value, failed comparison"),
        Borderline(
            "The reference is 7; the picture plainly shows 8 objects, and the response says 8.",
            "grader",
            "the reference is faulty",
        ),
        Borderline(
            "The answer equals the reference, but stands outside the asked box.",
            "format",
            "the response broke the form, not the grader",
        ),
    ),
)

TAXONOMY = (PERCEPTION, REASONING, KNOWLEDGE, CALCULATION, INCONSISTENCY, FORMAT, GRADER)
BY_NAME = {one.name: one for one in TAXONOMY}
CLASSES = tuple(BY_NAME)  # as tables and pages show them
CONSTRUCTED = tuple(one.name for one in TAXONOMY if one.constructed)
PRIMACY = tuple(one.name for one in (FORMAT, PERCEPTION, KNOWLEDGE, REASONING, CALCULATION, INCONSISTENCY, GRADER))
PRIMACY_RULE = (
    "An error counts only if the answer rests on it: a false aside does not. Of several, the primary class is the one "
    "that comes first in the order of primacy, and the others are secondary."
)


def comes_before(name: str) -> tuple[str, ...]:
    """Return the classes that are only secondary beside this one; grader stands alone."""
    return tuple(other for other in PRIMACY[PRIMACY.index(name) + 1 :] if other != GRADER.name)


def class_lines(one: ErrorClass) -> list[str]:
    """Return one class as Markdown."""
    return [
        f"## {one.title} (`{one.name}`)",
        "",
        one.definition,
        "",
        f"**Decision.** {one.rule}",
        "",
        *(f"- {example.case} → `{example.decided}`: {example.because}." for example in one.examples),
        "",
    ]


def markdown_page() -> str:
    """Return the page docs/error_classes.md."""
    missing = ", ".join(f"`{one.name}`" for one in TAXONOMY if not one.constructed)
    lines = [
        "# Error classes",
        "",
        f"Version {VERSION}. Written by `python -m analysis.taxonomy out=docs/error_classes.md` from "
        "[analysis/taxonomy.py](../analysis/taxonomy.py); do not edit this page.",
        "",
        "Every wrong response has exactly one primary class and any number of secondary ones. The classifier by "
        "construction (mini world), the judge and the labelling page all use these definitions. By construction all "
        f"classes can be told but {missing}: the mini world asks for nothing that is not in the picture or the "
        "question.",
        "",
        f"{PRIMACY_RULE} Order of primacy: {' → '.join(f'`{name}`' for name in PRIMACY)}.",
        "",
        *(line for one in TAXONOMY for line in class_lines(one)),
    ]
    return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True)
class TaxonomySettings:
    """The page of the error classes."""

    out: str = setting("", "file of the page; empty = print it")


def write(settings: TaxonomySettings) -> None:
    if not settings.out:
        print(markdown_page(), end="")
        return
    atomic_write_text(Path(settings.out), markdown_page())
    print(f"{settings.out}: written")


def main(argv: list[str]) -> int:
    prog = "python -m analysis.taxonomy"
    return command(TaxonomySettings, write, argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
