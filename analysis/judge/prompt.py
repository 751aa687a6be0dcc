"""What the judge is asked about a wrong response, and which replies count as a label.

The classes come from `analysis.taxonomy`, in another order for every case; the judge learns neither which model wrote
the response nor that it is asked twice.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.judge.wrong_items import WrongItem
from analysis.taxonomy import BY_NAME, CLASSES, GRADER, PRIMACY_RULE, VERSION, comes_before
from verify.judge_prompts import MARKED, Case, Judgement, Template, Unreadable, only_once

KEYS = ("primary", "secondary", "quote")
RULES = (
    "The response was marked wrong. Find out why: look at the picture yourself, compare it with what the response "
    "says about it, and follow its steps up to its final answer. The reference is the accepted answer; only if the "
    "picture itself shows that it cannot be right may you doubt it. Unless the question asks for another form, the "
    "final answer belongs into \\boxed{...}. Then sort the response into the classes listed "
    f"below, whose order of listing means nothing. {PRIMACY_RULE} Each class says which others it comes before.\n"
    'Reply with one JSON object of exactly three keys and nothing else: {"primary": "...", "secondary": ["..."], '
    '"quote": "..."}. "primary" is the name of one class. "secondary" lists the names of the other classes that '
    'apply and is [] if there are none. "quote" is the first false statement of the response that its answer rests '
    "on, copied letter by letter, or null if no single statement is false."
)


@dataclass(frozen=True)
class Label:
    """What the judge said, checked."""

    primary: str
    secondary: tuple[str, ...]
    quote: str | None


def read_label(reply: str) -> Label | None:
    """Return the label in a reply, or None for everything that is not exactly what was asked for."""
    try:
        found = json.loads(reply, object_pairs_hook=only_once)
    except (ValueError, RecursionError, Unreadable):
        return None
    if not isinstance(found, dict) or set(found) != set(KEYS):
        return None
    primary, secondary, quote = (found[key] for key in KEYS)
    if not isinstance(secondary, list) or not all(isinstance(name, str) for name in [primary, *secondary]):
        return None
    names = [primary, *secondary]
    known = len(set(names)) == len(names) and set(names) <= set(CLASSES)
    # By its definition a grader error has no other error beside it.
    if not known or (GRADER.name in names and secondary):
        return None
    if quote is not None and not (isinstance(quote, str) and quote.strip()):
        return None
    return Label(primary, tuple(secondary), quote)


def read_classify(reply: str) -> Judgement | None:
    label = read_label(reply)
    return Judgement(None, label.primary, reply, json.dumps(asdict(label))) if label else None


CLASSIFY = Template(f"classify/1, taxonomy/{VERSION}", RULES, read_classify, frame=MARKED)


def class_list(order: Sequence[str]) -> str:
    """Return the definitions in the order given."""
    parts = []
    for name in order:
        one, later = BY_NAME[name], comes_before(name)
        before = f" Comes before {', '.join(sorted(later))}." if later else ""
        examples = " ".join(f"{e.case} This is {e.decided}: {e.because}." for e in one.examples)
        parts.append(f"{name}: {one.definition} {one.rule}{before} Borderline cases: {examples}")
    return "Classes:\n\n" + "\n\n".join(parts)


def case_of(item: WrongItem, order: Sequence[str], pictures: Sequence[str]) -> Case:
    return Case(
        CLASSIFY,
        item.question,
        item.text,
        item.gold,
        tuple(map(str, item.sample.choices)),
        class_list(order),
        tuple(pictures),
    )


def label_of(judgement: Judgement) -> Label | None:
    """Return the label that `read_classify` found; None where the judgement is unscored."""
    if judgement.answer is None:
        return None
    values: dict[str, Any] = json.loads(judgement.answer)
    return Label(values["primary"], tuple(values["secondary"]), values["quote"])


def quote_stands(label: Label, text: str) -> bool | None:
    """Return whether the quoted statement is in the response, blanks aside; None without a quote."""
    return None if label.quote is None else " ".join(label.quote.split()) in " ".join(text.split())
