"""The mini world's chain of thought: facts first, then operations, then the answer.

    <think> look : width = 5 , height = 3 . 5 + 3 = 8 . 8 * 2 = 16 </think> \\boxed{16}

A solution is the recipe behind the operations: steps split by " ; ", each `left sign right` where a side is a fact's
name, a number, or `it` (the last result); or one of the words `odd`, `next`, `sign` that read a pattern off the facts.
`work` replays a recipe on any facts, true or not; that is what makes every error classifiable.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

OPERATIONS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
STEP = re.compile(r"(\S+) ([+*-]) (\S+)")
CHAIN = re.compile(r"\s*<think>\s*(look|guess)\s*:(.*?)</think>\s*\\boxed\{([^{}]*)\}\s*", re.DOTALL)


@dataclass
class Derivation:
    """The operations of one chain and where they lead; `answer` is None where the facts allow no answer."""

    steps: list[str] = field(default_factory=list)
    result: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Chain:
    """A response taken apart: how it began, what it states, what it does, what it answers."""

    mode: str
    facts: list[tuple[str, str]]
    steps: list[str]
    boxed: str


def odd_one(facts: dict[str, str]) -> str | None:
    """Return the value that only one of the facts has, where the others agree."""
    counts = Counter(facts.values())
    alone = [value for value, count in counts.items() if count == 1]
    return alone[0] if len(alone) == 1 and len(counts) == 2 else None


def next_in_row(facts: dict[str, str]) -> str | None:
    """Return the value that continues the shortest period of the row."""
    row = list(facts.values())
    for period in range(1, len(row)):
        if all(row[i] == row[i - period] for i in range(period, len(row))):
            return row[len(row) - period]
    return None


def arithmetic(step: str, facts: dict[str, str], last: str | None) -> tuple[str, str] | None:
    """Return one `left sign right` step on the given facts: its text and its result."""
    match = STEP.fullmatch(step)
    assert match, f"no such step: {step}"
    left, sign, right = match.groups()
    values = {**facts, "it": last or ""}
    a, b = values.get(left, left), values.get(right, right)
    if not (a.isdigit() and b.isdigit() and sign in OPERATIONS):
        return None
    result = OPERATIONS[sign](int(a), int(b))
    return (f"{a} {sign} {b} = {result}", str(result)) if result >= 0 else None


def work(solution: str, facts: dict[str, str], last: str | None = None) -> Derivation:
    """Carry out a solution on facts, right or wrong; `last` is a result that an earlier step has left."""
    done = Derivation(result=last)
    for step in filter(None, solution.split(" ; ")):
        if step in ("odd", "next"):
            done.result = odd_one(facts) if step == "odd" else next_in_row(facts)
            if done.result is None:
                return Derivation(done.steps)
            done.steps.append(f"{step} is {done.result}")
        elif step == "read":
            done.result = next(iter(facts.values()), None)
        else:
            if step == "seen":
                step = f"first {facts.get('sign', '?')} second"
            outcome = arithmetic(step, facts, done.result) if STEP.fullmatch(step) else None
            if outcome is None:
                return Derivation(done.steps)
            done.steps.append(outcome[0])
            done.result = outcome[1]
    done.answer = done.result
    return done


def write_chain(mode: str, facts: dict[str, str], steps: Sequence[str], answer: str) -> str:
    """Return a response in the mini world's language."""
    stated = " , ".join(f"{name} = {value}" for name, value in facts.items())
    body = " . ".join([stated, *steps])
    return f"<think> {mode} : {body} </think> \\boxed{{{answer}}}"


def read_chain(text: str) -> Chain | None:
    """Take a response apart; None where it does not follow the form."""
    match = CHAIN.fullmatch(text)
    if not match:
        return None
    mode, body, boxed = match.groups()
    stated, *steps = [part.strip() for part in body.split(" . ")]
    facts = [tuple(piece.strip() for piece in item.split(" = ", 1)) for item in stated.split(" , ") if item.strip()]
    if any(len(fact) != 2 or not all(fact) for fact in facts):
        return None
    return Chain(mode, [(name, value) for name, value in facts], steps, boxed.strip())
