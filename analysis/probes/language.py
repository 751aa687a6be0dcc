"""How much of a probe's text a model can read: one that has only learnt the mini world's language knows few words."""

from dataclasses import dataclass
from typing import Any

from analysis.probes.material import Probed
from data.mini.columns import COLUMNS
from data.mini.scene import COLOURS, SHAPES
from data.mini.world import problem
from data.sample import IMAGE_PLACEHOLDER

PROBLEMS_READ = 300  # of each column, to know the mini world's language


@dataclass(frozen=True)
class Language:
    """What a model of the mini world has been taught to read: its tokens, and the forms of its questions."""

    tokens: frozenset[int]
    forms: frozenset[str]


def form_of(question: str) -> str:
    """Return a question with any number, colour and shape standing for all of its kind."""
    stands_for = dict.fromkeys(COLOURS, "red") | dict.fromkeys(SHAPES, "circle")
    stands_for |= {f"{shape}s": "circles" for shape in SHAPES}
    words = question.replace(IMAGE_PLACEHOLDER, "").split()
    return " ".join("0" if word.isdigit() else stands_for.get(word, word) for word in words)


def mini_language(tokenizer: Any) -> Language:
    """Of the questions and facts that the lessons are drawn from (train split)."""
    tokens: set[int] = set()
    forms: set[str] = set()
    for column in COLUMNS:
        for index in range(PROBLEMS_READ):
            found = problem("train", column, index)
            chain = " , ".join(f"{name} = {value}" for name, value in found.facts.items())
            for text in (found.question, f" {chain}"):
                tokens |= set(tokenizer(text, add_special_tokens=False)["input_ids"])
            forms.add(form_of(found.question))
    return Language(frozenset(tokens), frozenset(forms))


@dataclass(frozen=True)
class Legibility:
    """How much of a probe's text is new to the model; None where its language is not known."""

    tokens: int
    unknown_tokens: float  # share of the added texts' tokens
    unknown_forms: float | None  # share of the items with an added text whose question has a new form
    readable: list[str] | None  # items whose question, text included, holds nothing new


def legibility(tokenizer: Any, probed: Probed, language: Language | None) -> Legibility | None:
    """None where nothing was added."""
    ids_of = {
        name: tokenizer(text, add_special_tokens=False)["input_ids"] for name, text in probed.added.items() if text
    }
    ids = [token for tokens in ids_of.values() for token in tokens]
    if not ids:
        return None
    if language is None:
        return Legibility(len(ids), sum(token == tokenizer.unk_token_id for token in ids) / len(ids), None, None)
    known_form = {sample.id: form_of(sample.question) in language.forms for sample in probed.samples}
    readable = [
        name for name, known in known_form.items() if known and language.tokens.issuperset(ids_of.get(name, ()))
    ]
    changed = [known for name, known in known_form.items() if name in ids_of]
    unknown_tokens = sum(token not in language.tokens for token in ids) / len(ids)
    return Legibility(len(ids), unknown_tokens, 1 - sum(changed) / max(1, len(changed)), readable)
