"""Errors planted by construction in right demonstrations are found again, each as its own class."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from analysis.errors import CLASSES
from data.known import StatedFact
from data.mini import world
from data.mini.chains import OPERATIONS, STEP, read_chain, work, write_chain
from data.mini.columns import COLUMNS
from data.mini.demonstrations import CLEAN, Noise, demonstrate
from data.mini.diagnosis import diagnose
from data.mini.problem import Problem
from data.sample import Sample
from verify import grade

PER_COLUMN = 40


@dataclass(frozen=True)
class Planted:
    """A response with one error of a known class in it, and what it boxes (None: no form)."""

    error: str
    found: Problem
    sample: Sample
    text: str
    boxed: str | None


@cache
def problems() -> list[tuple[Problem, Sample]]:
    return [
        (found, world.as_sample(found, "train", column, index))
        for column in COLUMNS
        for index in range(PER_COLUMN)
        for found in [world.problem("train", column, index)]
    ]


def words_of(found: Problem) -> list[str]:
    """The words a pattern could be answered with: the options, or all values of what is odd."""
    return list(found.draft.choices) or sorted({value for pool in found.draft.fact_pool.values() for value in pool})


def chain_of(found: Problem, facts: dict[str, str], steps: list[str], boxed: str) -> str:
    return write_chain("look", facts, steps, boxed, work(found.draft.solution, found.facts).looks)


def result_of(steps: list[str]) -> str:
    return steps[-1].rsplit(" ", 1)[1]


def operations(found: Problem) -> list[tuple[str, str, str]]:
    """The asked operations as (left, sign, right), names not yet replaced by numbers."""
    solution = f"first {found.facts['sign']} second" if found.draft.solution == "seen" else found.draft.solution
    return [STEP.fullmatch(step).groups() for step in solution.split(" ; ") if STEP.fullmatch(step)]


def carried_through(found: Problem, signs: list[str], slip: tuple[int, int] | None = None) -> list[str] | None:
    """The operations with the given signs; step slip[0] misses its result by slip[1], and all that follows uses it."""
    steps, last = [], ""
    for number, ((left, _, right), sign) in enumerate(zip(operations(found), signs, strict=True)):
        values = {**found.facts, "it": last}
        a, b = values.get(left, left), values.get(right, right)
        result = OPERATIONS[sign](int(a), int(b)) + (slip[1] if slip and slip[0] == number else 0)
        if result < 0:
            return None
        last = str(result)
        steps.append(f"{a} {sign} {b} = {last}")
    return steps


def misread(found: Problem, rng: random.Random) -> Iterator[tuple[str, str]]:
    """One fact false, everything after it right for the false fact."""
    for name in rng.sample(list(found.facts), min(3, len(found.facts))):
        others = [value for value in found.draft.fact_pool[name] if value != found.facts[name]]
        for value in rng.sample(others, min(2, len(others))):
            facts = {**found.facts, name: value}
            worked = work(found.draft.solution, facts)
            if worked.answer is not None:
                yield chain_of(found, facts, worked.steps, worked.answer), worked.answer


def misreasoned(found: Problem, rng: random.Random) -> Iterator[tuple[str, str]]:
    """True facts, one operation swapped (or added, or a pattern misjudged), everything after it right."""
    signs = [sign for _, sign, _ in operations(found)]
    lines = []
    for number, sign in enumerate(signs):
        for other in set(OPERATIONS) - {sign}:
            lines.append(carried_through(found, [*signs[:number], other, *signs[number + 1 :]]))
    if found.draft.solution == "read":
        value = next(iter(found.facts.values()))
        lines = [[f"{value} + 1 = {int(value) + 1}"], [f"{value} * 2 = {int(value) * 2}"]]
    if found.draft.solution == "odd":
        lines = [[f"odd is {value}"] for value in [*words_of(found), *"ABCD"]]
    if found.draft.solution == "next":
        lines = [[f"next is {colour}"] for colour in words_of(found)]
    for steps in sorted(filter(None, lines)):
        yield chain_of(found, found.facts, steps, result_of(steps)), result_of(steps)


def miscalculated(found: Problem, rng: random.Random) -> Iterator[tuple[str, str]]:
    """True facts, right operations, one wrong result that is carried on."""
    signs = [sign for _, sign, _ in operations(found)]
    for number in range(len(signs)):
        for miss in (-2, -1, 1, 3):
            steps = carried_through(found, signs, (number, miss))
            if steps:
                yield chain_of(found, found.facts, steps, result_of(steps)), result_of(steps)


def misboxed(found: Problem, rng: random.Random) -> Iterator[tuple[str, str]]:
    """A right chain with another answer in its box."""
    worked = work(found.draft.solution, found.facts)
    others = words_of(found) if worked.answer.isalpha() else [str(int(worked.answer) + miss) for miss in (1, 5, 20)]
    for boxed in [*others, *found.draft.choices, "B"]:  # a letter answers nothing, whatever stands behind it
        yield chain_of(found, found.facts, worked.steps, boxed), boxed


def malformed(found: Problem, rng: random.Random) -> Iterator[tuple[str, None]]:
    text = demonstrate(rng, found, CLEAN)
    yield text.replace("\\boxed{", ""), None
    yield text[: len(text) // 2], None
    yield text.replace("</think>", ""), None


PLANTERS = {
    "perception": misread,
    "reasoning": misreasoned,
    "calculation": miscalculated,
    "inconsistency": misboxed,
    "format": malformed,
}


@cache
def planted() -> list[Planted]:
    """Wrong responses of every class and column; an error that happens to lead to the right answer is left out."""
    rng = random.Random(3)
    return [
        Planted(error, found, sample, text, boxed)
        for error, plant in PLANTERS.items()
        for found, sample in problems()
        for text, boxed in plant(found, rng)
        if boxed != sample.answer
    ]


@pytest.mark.parametrize("error", PLANTERS)
def test_planted_errors_are_found_as_planted(error: str) -> None:
    ones = [one for one in planted() if one.error == error]
    found = Counter(diagnose(one.sample, one.text, correct=False).primary for one in ones)
    assert len(ones) >= 500
    assert found[error] >= 0.99 * len(ones), found
    assert set(found) <= set(CLASSES) - {"grader"}


def test_every_column_has_planted_errors_of_every_kind_it_allows() -> None:
    kinds = Counter((one.sample.tags["column"], one.error) for one in planted())
    without_sums = {("counting", "calculation"), ("logic", "calculation")}
    assert {(column, error) for column in COLUMNS for error in PLANTERS} - set(kinds) == without_sums


def test_a_single_planted_error_breaks_no_other_link() -> None:
    for one in planted():
        assert diagnose(one.sample, one.text, correct=False).also == (), one.text


def test_the_grader_agrees_that_planted_answers_are_wrong_and_clean_ones_right() -> None:
    """A share of them: the grader is the slow part."""
    for one in planted()[::40]:
        sample = one.sample
        verdict = grade(one.text, sample.answer, choices=sample.choices or None, task_type=sample.answer_type)
        assert not verdict.correct or one.error == "format", one.text
    for found, sample in problems()[::10]:
        text = demonstrate(random.Random(0), found, CLEAN)
        assert grade(text, sample.answer, choices=sample.choices or None, task_type=sample.answer_type).correct


@pytest.mark.parametrize("noise", [CLEAN, Noise(guess=1)])
def test_right_answers_have_no_error(noise: Noise) -> None:
    rng = random.Random(1)
    right = 0
    for found, sample in problems():
        text = demonstrate(rng, found, noise)
        chain = read_chain(text)
        correct = chain is not None and chain.boxed == sample.answer
        if correct:
            diagnosis = diagnose(sample, text, correct=True)
            assert (diagnosis.primary, diagnosis.also, diagnosis.mode) == (None, (), chain.mode)
            right += 1
    assert right > 20
    assert right == len(problems()) or noise != CLEAN


def test_noisy_demonstrations_all_have_one_class_and_none_is_the_graders() -> None:
    rng = random.Random(2)
    wrong = Counter()
    for found, sample in problems():
        for _ in range(3):
            text = demonstrate(rng, found, Noise())
            chain = read_chain(text)
            if chain is None or chain.boxed != sample.answer:
                wrong[diagnose(sample, text, correct=False).primary] += 1
    assert set(wrong) == set(CLASSES) - {"grader"}


def test_facts_are_reported_with_their_truth() -> None:
    for one in planted():
        facts = diagnose(one.sample, one.text, correct=False).facts
        if one.error == "format":
            assert facts == []
            continue
        assert [(fact.name, fact.truth) for fact in facts] == list(one.found.facts.items())
        assert [fact.stated for fact in facts] == [value for _, value in read_chain(one.text).facts]
        assert sum(not fact.ok for fact in facts) == (one.error == "perception")


def by_hand(facts: dict[str, str], solution: str) -> Sample:
    return Sample("s", "mini", "?", (), work(solution, facts).answer, facts=facts, solution=solution)


AREA = by_hand({"width": "5", "height": "3"}, "width * height")
PERIMETER = by_hand({"width": "5", "height": "3"}, "width + height ; it * 2")
COINS = by_hand({"red": "3"}, "4 + red")
NEXT = by_hand({"1": "red", "2": "blue", "3": "green", "4": "red"}, "next")
ODD = by_hand({"A": "red", "B": "blue", "C": "red", "D": "red"}, "odd")
SEEN = by_hand({"first": "9", "sign": "-", "second": "5"}, "seen")
COUNT = by_hand({"red": "3"}, "read")


@pytest.mark.parametrize(
    ("sample", "body", "boxed", "primary", "also"),
    [
        (AREA, "width = 5 , height = 4 . 5 * 4 = 20", "20", "perception", ()),
        (AREA, "width = 5 , height = 4 . 5 + 4 = 8", "7", "perception", ("reasoning", "calculation", "inconsistency")),
        (AREA, "width = 5 , height = 3 . 5 + 3 = 8", "8", "reasoning", ()),
        (AREA, "width = 5 , height = 3 . 5 * 3 = 16", "16", "calculation", ()),
        (AREA, "width = 5 , height = 3 . 3 * 5 = 16", "16", "calculation", ()),  # a product has no order
        (AREA, "width = 5 , height = 3 . 5 * 3 = 15", "16", "inconsistency", ()),
        (AREA, "width = 5 , height = 3", "5", "reasoning", ()),  # nothing was worked out
        (AREA, "width = 5 . 5 * 3 = 15", "16", "reasoning", ("inconsistency",)),  # a fact is not stated
        (AREA, "width = 5 , height = 3 , slope = 2 . 5 * 3 = 15", "16", "perception", ("inconsistency",)),
        (AREA, "width = 5 , height = 3 , height = 4 . 5 * 4 = 20", "20", "perception", ()),
        (PERIMETER, "width = 5 , height = 3 . 5 + 3 = 9 . 9 * 2 = 18", "18", "calculation", ()),
        (PERIMETER, "width = 5 , height = 3 . 3 + 5 = 8 . 2 * 8 = 18", "18", "calculation", ()),
        (PERIMETER, "width = 5 , height = 3 . 5 + 3 = 8", "8", "reasoning", ()),  # the second step is missing
        (PERIMETER, "width = 5 , height = 3 . 5 + 3 = 8 . 5 * 2 = 10", "10", "reasoning", ()),
        (COINS, "red = 3 . 4 + 3 = 7", "8", "inconsistency", ()),
        (COINS, "red = 3 . 4 + 3 = 7", "B", "inconsistency", ()),  # the letter of the right option
        (COINS, "red = 3 . 4 + 3 = 7 . 7 is B", "B", "reasoning", ()),  # a step that nothing asks for
        (COINS, "red = 3 . 4 + 3 = 8", "8", "calculation", ()),
        (COINS, "red = 3 . 4 + 3 = 8", "9", "calculation", ("inconsistency",)),
        (COINS, "red = 3 . 4 - 3 = 1", "8", "reasoning", ("inconsistency",)),
        (COUNT, "red = 4", "4", "perception", ()),
        (COUNT, "red = 3", "4", "inconsistency", ()),
        (COUNT, "", "4", "reasoning", ("inconsistency",)),
        (COUNT, "red = 3 . 3 + 1 = 4", "4", "reasoning", ()),
        (NEXT, "1 = red , 2 = blue , 3 = green , 4 = red . next is red", "red", "reasoning", ()),
        (NEXT, "4 = red , 3 = green , 2 = blue , 1 = red . next is green", "green", "reasoning", ()),
        (NEXT, "1 = red , 2 = blue , 3 = red , 4 = blue . next is red", "red", "perception", ()),
        (NEXT, "1 = red , 2 = blue , 3 = green , 4 = red . next is blue", "red", "inconsistency", ()),
        (ODD, "A = red , B = blue , C = red , D = red . odd is red", "red", "reasoning", ()),
        (ODD, "A = red , B = blue , C = red , D = red . odd is B", "B", "reasoning", ()),
        (ODD, "A = red , B = blue , C = red , D = red . odd is blue", "B", "inconsistency", ()),
        (ODD, "A = red , B = green , C = red , D = red . odd is green", "green", "perception", ()),
        (SEEN, "first = 9 , sign = + , second = 5 . 9 + 5 = 14", "14", "perception", ()),
        (SEEN, "first = 9 , sign = - , second = 5 . 9 + 5 = 14", "14", "reasoning", ()),
        (SEEN, "first = 9 , sign = - , second = 5 . 5 - 9 = 4", "3", "reasoning", ("calculation", "inconsistency")),
        (SEEN, "first = 9 , sign = - , second = 5 . 9 - 5 = 3", "3", "calculation", ()),
        (SEEN, "first = 9 , sign = - , second = 5 . 9 - 5 = 4", "C", "inconsistency", ()),
    ],
)
def test_classes_by_hand(sample: Sample, body: str, boxed: str, primary: str, also: tuple[str, ...]) -> None:
    diagnosis = diagnose(sample, f"<think> look : {body} </think> \\boxed{{{boxed}}}", correct=False)
    assert (diagnosis.primary, diagnosis.also) == (primary, also)


def test_a_right_chain_that_was_marked_wrong_is_the_graders() -> None:
    text = "<think> guess : width = 5 , height = 3 . 5 * 3 = 15 </think> \\boxed{15}"
    diagnosis = diagnose(AREA, text, correct=False)
    assert (diagnosis.primary, diagnosis.mode) == ("grader", "guess")


def test_facts_by_hand() -> None:
    text = "<think> look : width = 5 , height = 4 , slope = 2 . 5 * 4 = 20 </think> \\boxed{20}"
    facts = diagnose(AREA, text, correct=False).facts
    assert facts == [StatedFact("width", "5", "5"), StatedFact("height", "4", "3"), StatedFact("slope", "2", None)]
    assert [fact.ok for fact in facts] == [True, False, False]


def test_broken_form_that_was_marked_right_has_no_error() -> None:
    assert diagnose(COUNT, "It is \\boxed{3}", correct=True).primary is None
    assert diagnose(COUNT, "It is \\boxed{4}", correct=False).primary == "format"


def test_no_text_makes_it_crash() -> None:
    """Words of right chains in random order, in and out of form: what a policy may write when it drifts."""
    rng = random.Random(6)
    texts = [one.text.split() for one in rng.sample(planted(), 300)]
    for words in texts:
        body = rng.choices([*words[3:-2], ".", "=", "sign = + +", "8 .", "odd is", "next is"], k=rng.randint(0, 20))
        for text in (" ".join(body), f"<think> look : {' '.join(body)} </think> \\boxed{{{rng.choice(words)}}}"):
            for _, sample in rng.sample(problems(), 5):
                assert diagnose(sample, text, correct=False).primary in CLASSES


@pytest.mark.parametrize(
    "body", ["red = 3 . 8", "red = 3 . ", " . ", "sign = + + . 3 + 4 = 7", "sign = . . is A . A is A"]
)
def test_odd_texts_that_once_crashed(body: str) -> None:
    for _, sample in problems():
        assert diagnose(sample, f"<think> look : {body} </think> \\boxed{{8}}", correct=False).primary in CLASSES
