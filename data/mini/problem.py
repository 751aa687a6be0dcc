"""A problem of the mini world: what is asked, every fact of the picture, and how a picture is painted from facts.

A column (columns.py) drafts a problem without a picture. The picture is painted from the facts and a random layout, so
the same facts can be laid out again (a twin) and one fact can be changed while the rest stays (a near miss).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from data.mini.scene import COLOURS, PLACES, SHAPES, Cell, Place, Scene, scene_from

Facts = dict[str, str]
DIGITS, DIGIT_WEIGHTS = range(2, 10), (10, 24, 20, 14, 11, 8, 7, 6)


@dataclass(frozen=True)
class Painting:
    """Cells by place, and the places that each fact is read off."""

    placed: dict[Place, Cell]
    evidence: dict[str, tuple[Place, ...]]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A problem without a picture, and how to paint one from facts and a layout's random numbers."""

    question: str
    facts: Facts
    solution: str
    vision_need: str  # how much of the picture the text leaves out: low, medium, high
    paint: Callable[[Facts, random.Random], Painting]
    wording: str  # a fact in words: the {name} is {value}
    fact_pool: Mapping[str, tuple[str, ...]]  # values each fact could take
    kind: str  # the template inside the column
    choices: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()  # facts that the text states too
    version: str = ""
    follows: bool = False  # where a fact is read depends on the facts before it

    def said(self, name: str, value: str) -> str:
        """Return a fact in words, without a full stop."""
        return self.wording.format(name=name, value=value)

    def hidden(self) -> list[str]:
        """Return the names of the facts that the text does not state."""
        return [name for name in self.facts if name not in self.given]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A draft with its picture; `world.py` turns it into a `Sample`."""

    draft: Draft
    scene: Scene
    evidence: dict[str, tuple[Place, ...]]
    facts: Facts
    layout_seed: int | str = 0  # the picture's layout, for pictures beside it
    hint: tuple[str, str] | None = None  # the fact that a sentence of the question suggests, true or not

    @property
    def question(self) -> str:
        """Return the question with its suggestion in front."""
        if self.hint is None:
            return self.draft.question
        return f"Tom says {self.draft.said(*self.hint)} . {self.draft.question}"

    @property
    def hint_state(self) -> str:
        """Return aligned where the suggestion is true, broken where it is false, nothing without one."""
        if self.hint is None:
            return ""
        return "aligned" if self.facts[self.hint[0]] == self.hint[1] else "broken"

    def sentences(self) -> list[str]:
        """Return every fact as a sentence, in the words that the questions use."""
        return [sentence(self.draft.said(name, value)) for name, value in self.facts.items()]

    def hinted(self, hint: tuple[str, str] | None) -> "Problem":
        return replace(self, hint=hint)


def painted(draft: Draft, layout_seed: int | str, facts: Facts | None = None) -> Problem:
    """Return a draft with a picture of this layout, or of other facts in this layout."""
    facts = draft.facts if facts is None else facts
    painting = draft.paint(facts, random.Random(layout_seed))
    evidence = {name: painting.evidence[name] for name in facts}
    scene = scene_from(painting.placed)
    return Problem(draft=draft, scene=scene, evidence=evidence, facts=facts, layout_seed=layout_seed)


def digit(rng: random.Random) -> str:
    """Return a digit from 2 to 9, small ones more often."""
    return str(rng.choices(DIGITS, DIGIT_WEIGHTS)[0])


def numbers(low: int, high: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(low, high + 1))


def glyph(character: object) -> Cell:
    return ("glyph", str(character))


def listed(choices: Sequence[str]) -> str:
    return " ".join(f"( {letter} ) {text}" for letter, text in zip("ABCD", choices, strict=False))


def loose_shapes(rng: random.Random, count: int) -> list[Cell]:
    """Return shapes that no question is about."""
    return [("shape", rng.choice(SHAPES), rng.choice(list(COLOURS))) for _ in range(count)]


def with_clutter(layout: random.Random, placed: dict[Place, Cell], kept_free: set[Place], clutter: list[Cell]) -> None:
    """Put clutter into places that are empty and not to be kept free, as far as there are any."""
    order = layout.sample(PLACES, len(PLACES))
    free = [place for place in order if place not in placed and place not in kept_free]
    placed.update(zip(free, clutter, strict=False))


def stated_in_text(rng: random.Random, facts: Facts, level: str, wording: str) -> tuple[str, frozenset[str]]:
    """Say all (low), some (medium) or none (high) of the facts in words."""
    names = list(facts)
    told = {"low": names, "medium": rng.sample(names, len(names) - 1), "high": []}[level]
    told = [name for name in names if name in told]
    return " ".join(sentence(wording.format(name=name, value=facts[name])) for name in told), frozenset(told)


def sentence(words: str) -> str:
    """Return words as a sentence."""
    return f"{words[0].upper()}{words[1:]} ."
