"""The mini world's chain of thought: facts first, then operations, then the answer; a relay looks again in between.

    <think> look : width = 5 , height = 3 . 5 + 3 = 8 . 8 * 2 = 16 </think> \\boxed{16}
    <think> look : first = 2 , second = 4 . 2 + 4 = 6 . look : third = 1 . 6 + 1 = 7 </think> \\boxed{7}

A solution is the recipe behind the operations: steps split by " ; ", each `left sign right` where a side is a fact's
name, a number, or `it` (the last result); one of the words `odd`, `next`, `seen` that read a pattern off the facts; or
`look name`, which states a fact there instead of at the start. `work` replays a recipe on any facts, true or not; that
is what makes every error classifiable.
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
    looks: list[tuple[int, str]] = field(default_factory=list)  # facts that are stated after so many steps


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
                return Derivation(done.steps, looks=done.looks)
            done.steps.append(f"{step} is {done.result}")
        elif step.startswith("look "):
            done.looks.append((len(done.steps), step.removeprefix("look ")))
        elif step == "read":
            done.result = next(iter(facts.values()), None)
        else:
            if step == "seen":
                step = f"first {facts.get('sign', '?')} second"
            outcome = arithmetic(step, facts, done.result) if STEP.fullmatch(step) else None
            if outcome is None:
                return Derivation(done.steps, looks=done.looks)
            done.steps.append(outcome[0])
            done.result = outcome[1]
    done.answer = done.result
    return done


def write_chain(
    mode: str, facts: dict[str, str], steps: Sequence[str], answer: str, looks: Sequence[tuple[int, str]] = ()
) -> str:
    """Return a response in the mini world's language; `looks` are facts that are stated after so many steps."""
    late = {name for place, name in looks if place > 0}
    parts = [f"{mode} : {stated({name: value for name, value in facts.items() if name not in late})}"]
    for place in range(len(steps) + 1):
        again = {name: facts[name] for at, name in looks if at == place > 0 and name in facts}
        parts += [f"look : {stated(again)}"] if again else []
        parts += steps[place : place + 1]
    return f"<think> {' . '.join(parts)} </think> \\boxed{{{answer}}}"


def stated(facts: dict[str, str]) -> str:
    """Return facts as a chain states them."""
    return " , ".join(f"{name} = {value}" for name, value in facts.items())


def read_chain(text: str) -> Chain | None:
    """Take a response apart; None where it does not follow the form."""
    match = CHAIN.fullmatch(text)
    if not match:
        return None
    mode, body, boxed = match.groups()
    facts: list[tuple[str, str]] = []
    steps = []
    for number, part in enumerate(body.split(" . ")):
        part = part.strip()
        if number and not part.startswith("look : "):
            steps.append(part)
            continue
        for item in filter(None, (item.strip() for item in part.removeprefix("look : ").split(" , "))):
            name, _, value = (piece.strip() for piece in item.partition(" = "))
            if not (name and value):
                return None
            facts.append((name, value))
    return Chain(mode, facts, steps, boxed.strip())
