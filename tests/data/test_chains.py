"""Chains and demonstrations: hand-worked steps, malformed text, and the rates of planted errors."""

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from data.mini import world
from data.mini.chains import Chain, Derivation, read_chain, work, write_chain
from data.mini.columns import COLUMNS
from data.mini.demonstrations import CLEAN, Noise, demonstrate
from data.mini.problem import Problem
from data.mini.scene import COLOURS, SHAPES
from data.mini.variants import changed
from tests.data.made import made

ROW = ("1", "2", "3", "4")


def alone(**rates: float) -> Noise:
    """Only the named errors."""
    return replace(CLEAN, **rates)


@cache
def problems(column: str, count: int) -> list[Problem]:
    return [world.problem("train", column, index) for index in range(count)]


def test_a_chain_is_written_as_documented() -> None:
    steps = ["5 + 3 = 8", "8 * 2 = 16"]
    text = write_chain("look", {"width": "5", "height": "3"}, steps, "16")
    assert text == "<think> look : width = 5 , height = 3 . 5 + 3 = 8 . 8 * 2 = 16 </think> \\boxed{16}"
    assert read_chain(text) == Chain("look", [("width", "5"), ("height", "3")], steps, "16")


def test_facts_without_steps_and_repeated_facts_are_read() -> None:
    assert read_chain("<think> guess : red = 3 </think> \\boxed{3}") == Chain("guess", [("red", "3")], [], "3")
    twice = read_chain("<think>look: red = 3 , red = 4 </think>\\boxed{ 4 }")
    assert twice == Chain("look", [("red", "3"), ("red", "4")], [], "4")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "\\boxed{3}",
        "<think> look : red = 3 </think> 3",
        "<think> look : red = 3 </think> 3}",  # what `no_form` leaves
        "<think> look : red = 3 </think> \\boxed{3",
        "<think> look : red = 3 \\boxed{3}",
        "look : red = 3 </think> \\boxed{3}",
        "<think> stare : red = 3 </think> \\boxed{3}",
        "<think> look red = 3 </think> \\boxed{3}",
        "<think> look : red 3 </think> \\boxed{3}",
        "<think> look : red = </think> \\boxed{3}",
        "<think> look :  = 3 </think> \\boxed{3}",
        "<think> look : red = 3 , blue </think> \\boxed{3}",
        "<think> look : red = 3 ,  = 4 , blue = 5 </think> \\boxed{3}",
        "<think> look : red = 3 </think> \\boxed{\\frac{1}{2}}",
        "<think> look : red = 3 </think> \\boxed{3} and more",
        "<think> look : red = 3 </think> \\boxed{3} \\boxed{4}",
    ],
)
def test_malformed_chains_are_none(text: str) -> None:
    assert read_chain(text) is None


@pytest.mark.parametrize(
    ("solution", "facts", "expected"),
    [
        ("width * height", {"width": "5", "height": "3"}, Derivation(["5 * 3 = 15"], "15", "15")),
        ("red * 2 ; it + blue", {"red": "3", "blue": "4"}, Derivation(["3 * 2 = 6", "6 + 4 = 10"], "10", "10")),
        ("red - blue", {"red": "7", "blue": "7"}, Derivation(["7 - 7 = 0"], "0", "0")),
        ("red - blue", {"red": "3", "blue": "7"}, Derivation([], None, None)),  # nothing is below zero here
        ("speed * 4", {"speed": "6"}, Derivation(["6 * 4 = 24"], "24", "24")),
        ("4 + red", {"red": "3"}, Derivation(["4 + 3 = 7"], "7", "7")),
        ("left + bottom ; it + slope", {"left": "2", "bottom": "3", "slope": "x"}, Derivation(["2 + 3 = 5"])),
        ("width * height", {"width": "5"}, Derivation()),
        ("read", {"red": "3"}, Derivation([], "3", "3")),
        ("read", {}, Derivation()),
    ],
)
def test_arithmetic_by_hand(solution: str, facts: dict[str, str], expected: Derivation) -> None:
    assert work(solution, facts) == expected


@pytest.mark.parametrize(
    ("solution", "last", "expected"),
    [
        ("it * 2", "9", Derivation(["9 * 2 = 18"], "18", "18")),
        ("it - red ; it + 1", "5", Derivation(["5 - 3 = 2", "2 + 1 = 3"], "3", "3")),
        ("it - red", "2", Derivation([], None, None)),
        ("it * 2", None, Derivation([], None, None)),
        ("", "9", Derivation([], "9", "9")),
    ],
)
def test_work_goes_on_from_an_earlier_result(solution: str, last: str | None, expected: Derivation) -> None:
    assert work(solution, {"red": "3"}, last=last) == expected


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        (("red", "blue", "red", "red"), "blue"),
        (("star", "star", "star", "circle"), "circle"),
        (("red", "red", "red", "red"), None),
        (("red", "blue", "red", "blue"), None),
        (("red", "blue", "green", "green"), None),
        (("red",), None),
    ],
)
def test_odd_one_out_by_hand(values: tuple[str, ...], answer: str | None) -> None:
    steps = [f"odd is {answer}"] if answer else []
    assert work("odd", dict(zip("ABCD", values, strict=False))) == Derivation(steps, answer, answer)


@pytest.mark.parametrize(
    ("values", "result"),
    [
        (("red", "blue", "red", "blue"), "red"),
        (("red", "blue", "green", "red"), "blue"),
        (("red", "red", "red", "red"), "red"),
        (("red", "blue", "blue", "green"), None),
    ],
)
def test_next_in_row_by_hand(values: tuple[str, ...], result: str | None) -> None:
    steps = [f"next is {result}"] if result else []
    assert work("next", dict(zip(ROW, values, strict=True))) == Derivation(steps, result, result)


@pytest.mark.parametrize(
    ("first", "sign", "second", "expected"),
    [
        ("2", "+", "5", Derivation(["2 + 5 = 7"], "7", "7")),
        ("9", "-", "8", Derivation(["9 - 8 = 1"], "1", "1")),
        ("9", "-", "9", Derivation(["9 - 9 = 0"], "0", "0")),
        ("2", "-", "5", Derivation()),
        ("2", "?", "5", Derivation()),
        ("2", "+ 1 +", "5", Derivation()),
    ],
)
def test_sum_in_the_picture_by_hand(first: str, sign: str, second: str, expected: Derivation) -> None:
    assert work("seen", {"first": first, "sign": sign, "second": second}) == expected


@pytest.mark.parametrize("column", COLUMNS)
def test_clean_demonstrations_are_right(column: str) -> None:
    for index, found in enumerate(problems(column, 100)):
        text = demonstrate(random.Random(index), found, CLEAN)
        chain = read_chain(text)
        answer = world.sample("train", column, index).answer
        assert (chain.mode, dict(chain.facts), chain.boxed) == ("look", found.facts, answer)
        looks = work(found.draft.solution, found.facts).looks
        assert write_chain(chain.mode, dict(chain.facts), chain.steps, chain.boxed, looks) == text
        if column == "relay":  # it looks again after a sum
            assert ("look : third" in text.partition(" = ")[2].split(" + ", 1)[-1]) == ("third" in found.facts)


def hidden(found: Problem) -> set[str]:
    return set(found.facts) - found.draft.given


def false_facts(found: Problem, chain: Chain) -> list[str]:
    return [name for name, value in chain.facts if found.facts[name] != value]


def looked(demonstrations: list[tuple[Problem, str]]) -> Iterator[tuple[Problem, Chain]]:
    """Demonstrations in form that did not guess and whose stated facts lead to an answer."""
    for found, text in demonstrations:
        chain = read_chain(text)
        if chain and chain.mode == "look" and work(found.draft.solution, dict(chain.facts)).answer:
            yield found, chain


@cache
def noisy() -> list[tuple[Problem, str]]:
    rng = random.Random(7)
    return [(found, demonstrate(rng, found, Noise())) for column in COLUMNS for found in problems(column, 250)]


def near(count: int, total: int, rate: float) -> bool:
    """Within three standard deviations of a binomial; the draws are fixed, so this does not fail by chance."""
    return abs(count - total * rate) < 3 * (total * rate * (1 - rate)) ** 0.5


def arithmetic_steps(steps: list[str]) -> list[str]:
    return [step for step in steps if " = " in step]


def test_form_is_lost_and_answers_are_guessed_at_their_rates() -> None:
    chains = [read_chain(text) for _, text in noisy()]
    assert near(chains.count(None), 2250, 0.02)
    kept = [chain for chain in chains if chain]
    assert near(sum(chain.mode == "guess" for chain in kept), len(kept), 0.15)


def test_suggestions_are_believed_and_facts_misread_at_their_rates() -> None:
    chains = [(found, read_chain(text)) for found, text in noisy()]
    seen = [(found, chain) for found, chain in chains if chain and chain.mode == "look"]
    broken = [(found, chain) for found, chain in seen if found.hint_state == "broken"]
    believed = sum(dict(chain.facts)[found.hint[0]] == found.hint[1] for found, chain in broken)
    assert len(broken) > 200
    assert near(believed, len(broken), 0.4 + 0.6 * 0.2 * 0.2)  # a misreading hits the suggested value now and then
    assert all((found.hint is None) == (not hidden(found)) for found, _ in seen)
    aligned = [found for found, _ in seen if found.hint_state == "aligned"]
    wrong = sum(bool(false_facts(found, chain)) for found, chain in seen if found.hint_state == "aligned")
    assert near(wrong, len(aligned), 0.6 * 0.2)


def test_what_is_misread_is_hidden_near_and_read_on_from() -> None:
    for found, text in noisy():
        chain = read_chain(text)
        names = false_facts(found, chain) if chain and chain.mode == "look" else []
        if not names:
            continue
        facts = dict(chain.facts)
        assert names[0] in hidden(found)
        assert facts[names[0]] in found.draft.fact_pool[names[0]]
        assert facts == changed(found, names[0], facts[names[0]])  # the relay goes on from there
        if found.hint != (names[0], facts[names[0]]) and found.facts[names[0]].isdigit():
            assert abs(int(facts[names[0]]) - int(found.facts[names[0]])) in (1, 2)


def test_operations_and_sums_go_wrong_at_their_rates() -> None:
    operations = slips = total = 0
    for found, chain in looked(noisy()):
        right = arithmetic_steps(work(found.draft.solution, dict(chain.facts)).steps)
        done = arithmetic_steps(chain.steps)
        total += bool(right)
        different = [(a.split(), b.split()) for a, b in zip(right, done, strict=False) if a != b]
        if different:
            (want, got), *_ = different
            assert (want[0], want[2]) == (got[0], got[2])  # the numbers stay, the sign or the result changes
            operations += want[1] != got[1]
            slips += want[1] == got[1]
            first = next(i for i, (a, b) in enumerate(zip(right, done, strict=False)) if a != b)
            steps = [step for step in found.draft.solution.split(" ; ") if not step.startswith("look ")]
            rest = " ; ".join(steps[first + 1 :])
            assert chain.steps[first + 1 :] == work(rest, dict(chain.facts), last=got[-1]).steps  # carried on
    assert near(operations, total, 0.04)
    assert near(slips, total, 0.04 * 0.96)


def sorts_of_answers(found: Problem) -> set[str]:
    """What an answer without a reason is drawn from, all alike: the options, the words, or the digits."""
    if found.draft.kind == "odd":
        return set(COLOURS) if "colour" in found.question else set(SHAPES)
    return set(found.draft.choices) or set("0123456789")


def test_answers_leave_their_chain_at_their_rate() -> None:
    """Only chains without another error; a random option, word or digit may hit the old answer."""
    total = left = 0
    expected = 0.0
    for found, chain in looked(noisy()):
        worked = work(found.draft.solution, dict(chain.facts))
        if worked.steps == chain.steps:
            total += 1
            left += chain.boxed != worked.answer
            drawn = sorts_of_answers(found)
            assert chain.boxed in {*drawn, worked.answer}
            expected += 0.02 * (1 - (worked.answer in drawn) / len(drawn))
    assert near(left, total, expected / total)


def test_facts_that_lead_nowhere_are_answered_all_the_same() -> None:
    """A misread row or sign: the answer is some answer of the right sort, with no step behind it."""
    kinds = set()
    for found, text in noisy():
        chain = read_chain(text)
        if chain and chain.mode == "look" and work(found.draft.solution, dict(chain.facts)).answer is None:
            kinds.add(found.draft.kind)
            assert chain.steps == work(found.draft.solution, dict(chain.facts)).steps
            assert chain.boxed in sorts_of_answers(found)
    assert {"odd", "next"} <= kinds


@pytest.mark.parametrize("column", COLUMNS)
def test_guesses_copy_the_text_and_do_not_look(column: str) -> None:
    guess = alone(guess=1)
    right = total = 0
    for index, found in enumerate(problems(column, 100)):
        chain = read_chain(demonstrate(random.Random(index), found, guess))
        facts = dict(chain.facts)
        assert chain.mode == "guess"
        assert all(facts[name] == found.facts[name] for name in found.draft.given)
        assert found.hint is None or facts[found.hint[0]] == found.hint[1]
        assert all(facts[name] in found.draft.fact_pool[name] for name in found.facts)
        worked = work(found.draft.solution, facts)
        assert (worked.steps, worked.answer) == (chain.steps, chain.boxed)
        unknown = hidden(found) - {found.hint[0] if found.hint else ""}
        right += sum(facts[name] == found.facts[name] for name in unknown)
        total += len(unknown)
    assert right <= 0.5 * total  # one of 2 to 9 values, likelier ones more often


@pytest.mark.parametrize(
    ("noise", "boxed"), [(alone(wrong_operation=1), {"7", "3"}), (alone(wrong_arithmetic=1), {"8", "9", "11", "12"})]
)
def test_one_kind_of_error_by_hand(noise: Noise, boxed: set[str]) -> None:
    """5 * 2 becomes a sum or a difference, or misses 10 by one or two."""
    area = made({"width": "5", "height": "2"}, "width * height", {"width": ("5",), "height": ("2",)})
    seen = {read_chain(demonstrate(random.Random(seed), area, noise)).boxed for seed in range(40)}
    assert seen == boxed


@pytest.mark.parametrize(
    ("noise", "chains"),
    [
        (
            alone(wrong_operation=1),
            {
                ("5 * 3 = 15", "15 * 2 = 30"),
                ("5 - 3 = 2", "2 * 2 = 4"),
                ("5 + 3 = 8", "8 + 2 = 10"),
                ("5 + 3 = 8", "8 - 2 = 6"),
            },
        ),
        (
            alone(wrong_arithmetic=1),
            {(f"5 + 3 = {sum_}", f"{sum_} * 2 = {2 * sum_}") for sum_ in (6, 7, 9, 10)}
            | {("5 + 3 = 8", f"8 * 2 = {result}") for result in (14, 15, 17, 18)},
        ),
    ],
)
def test_a_wrong_step_is_carried_on_by_hand(noise: Noise, chains: set[tuple[str, ...]]) -> None:
    perimeter = made({"width": "5", "height": "3"}, "width + height ; it * 2", {"width": ("5",), "height": ("3",)})
    seen = [read_chain(demonstrate(random.Random(seed), perimeter, noise)) for seed in range(120)]
    assert {tuple(chain.steps) for chain in seen} == chains
    assert all(chain.steps[-1].endswith(f"= {chain.boxed}") for chain in seen)


def test_a_wrong_step_is_carried_on_with_the_facts_as_stated() -> None:
    """A misread fact stays misread after a wrong step."""
    chain = made(
        {"left": "5", "slope": "3"},
        "left + 1 ; it + slope",
        {"left": ("5",), "slope": ("3", "4")},
        frozenset(["left"]),
    )
    seen = [
        read_chain(demonstrate(random.Random(seed), chain, alone(misread=1, wrong_arithmetic=1))) for seed in range(80)
    ]
    carried = {(f"5 + 1 = {sum_}", f"{sum_} + 4 = {sum_ + 4}") for sum_ in (4, 5, 7, 8)}
    assert {tuple(one.steps) for one in seen} == carried | {("5 + 1 = 6", f"6 + 4 = {n}") for n in (8, 9, 11, 12)}
