"""Classes of error by construction: every fact is known, so a wrong chain is followed link by link.

The classes are those of `analysis.taxonomy` but knowledge. A wrong response has one primary class, the first link that
breaks: format (no chain to read), perception (a stated fact is false), reasoning (facts right, other operations),
calculation (right operations, wrong result), inconsistency (chain right, answer unlike it). `grader` would be a
response with nothing wrong in it that was marked wrong; it is counted to show that it does not happen.
"""

import re

from data.known import Diagnosis, StatedFact
from data.mini.chains import OPERATIONS, Chain, read_chain, work
from data.sample import Sample

ARITHMETIC = re.compile(r"(\d+) ([+*-]) (\d+) = (\d+)")


def stated_facts(sample: Sample, chain: Chain) -> list[StatedFact]:
    return [StatedFact(name, value, sample.facts.get(name)) for name, value in chain.facts]


def calculations_hold(chain: Chain) -> bool:
    """Return whether every `a sign b = c` of the chain is true."""
    for step in chain.steps:
        match = ARITHMETIC.fullmatch(step)
        if match:
            a, sign, b, c = match.groups()
            if OPERATIONS[sign](int(a), int(b)) != int(c):
                return False
    return True


def right_operations(sample: Sample, chain: Chain) -> bool:
    """Return whether the chain does to its own facts what the problem asks; it may carry on its wrong results."""
    asked = [step for step in sample.solution.split(" ; ") if step and step != "read" and not step.startswith("look ")]
    done = chain.steps
    if len(asked) != len(done):
        return False
    stated, last = dict(chain.facts), ""
    facts = {name: stated[name] for name in sample.facts if name in stated}  # a row is read in the picture's order
    for want, step in zip(asked, done, strict=True):
        if want in ("odd", "next"):
            if step != f"{want} is {work(want, facts).result}":
                return False
            continue
        match = ARITHMETIC.fullmatch(step)
        if not match:
            return False
        values = {**facts, "it": last}
        left, sign, right = ("first", facts.get("sign", ""), "second") if want == "seen" else want.split()
        left, right = values.get(left, left), values.get(right, right)
        orders = [(left, sign, right)] if sign == "-" else [(left, sign, right), (right, sign, left)]
        if match.groups()[:3] not in orders:
            return False
        last = match.group(4)
    return True


def answer_follows(chain: Chain) -> bool:
    """Return whether the box holds what the chain arrived at."""
    last = chain.steps[-1] if chain.steps else ""
    result = last.rsplit(" ", 1)[-1] if last else (chain.facts[0][1] if chain.facts else "")
    return chain.boxed == result


def diagnose(sample: Sample, text: str, correct: bool) -> Diagnosis:
    """Return the primary class of a wrong response and every further link that breaks."""
    chain = read_chain(text)
    if chain is None:
        return Diagnosis(None if correct else "format", (), None, [])
    facts = stated_facts(sample, chain)
    if correct:
        return Diagnosis(None, (), chain.mode, facts)
    broken = []
    if not all(fact.ok for fact in facts):
        broken.append("perception")
    if set(dict(chain.facts)) != set(sample.facts) and not broken:
        broken.append("reasoning")  # a fact the problem needs was left out
    if not right_operations(sample, chain) and "reasoning" not in broken:
        broken.append("reasoning")
    if not calculations_hold(chain):
        broken.append("calculation")
    if not answer_follows(chain):
        broken.append("inconsistency")
    primary = broken[0] if broken else "grader"
    return Diagnosis(primary, tuple(broken[1:]), chain.mode, facts)
