"""Counterfactual probes: each turns the items of an evaluation into other ones that still ask the same question.

A probe keeps an item's id, so that all probes draw their responses with the same random numbers, and its gold answer.
What a probe cannot be made of (no facts, no caption, no partner to swap with) is left out and counted.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from PIL import Image

from analysis.probes.material import Material, Probed, ProbeItem, Texts
from data import Sample
from data.images import ImageSource
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmarks import benchmark_of

LEADING_PICTURES = re.compile(rf"(?:\s*{IMAGE_PLACEHOLDER})*\s*")


def told_facts(sample: Sample, texts: Texts) -> tuple[str, str] | None:
    """Return question and facts as text, in the words of the sample's benchmark where it has some; None without."""
    given = texts.get(sample.id, {}).get("facts")
    if isinstance(given, str):
        return sample.question, given
    if not sample.facts:
        return None
    home = benchmark_of(sample.id)
    if home and home.in_words:
        return home.in_words(sample)
    return sample.question, " ".join(f"{name} = {value} ." for name, value in sample.facts.items())


def beside_pictures(question: str, text: str) -> str:
    """Return the text between the leading pictures and the question."""
    if not text:
        return question
    leading = LEADING_PICTURES.match(question)
    end = leading.end() if leading else 0
    return f"{question[:end]}{text} {question[end:]}"


def oracle(material: Material) -> Probed:
    """Return what a correct reading of the picture says, in words beside the picture."""
    found = Probed([])
    for sample in material.samples:
        told = told_facts(sample, material.texts)
        if told is None:
            found.left_out["no facts known"] += 1
            continue
        found.notes["all facts in the question already"] += not told[1]
        found.added[sample.id] = told[1]
        found.samples.append(replace(sample, question=beside_pictures(*told)))
    return found


def caption(material: Material) -> Probed:
    """Return a text in the picture's place: a caption from the file, else the facts."""
    found = Probed([])
    for sample in material.samples:
        given = material.texts.get(sample.id, {}).get("caption")
        told = (sample.question, given) if isinstance(given, str) else None
        home = benchmark_of(sample.id)
        if told is None and home and home.in_words:
            told = told_facts(sample, material.texts)
        if told is None:
            found.left_out["no caption"] += 1
            continue
        found.notes["facts in the caption's place"] += not isinstance(given, str)
        found.notes["all facts in the question already"] += not told[1]
        found.added[sample.id] = told[1]
        question = beside_pictures(*told).replace(IMAGE_PLACEHOLDER, "").strip()
        found.samples.append(replace(sample, question=question, images=()))
    return found


@dataclass(frozen=True)
class Scaled:
    """A picture at the size of another, so that its tokens stay as many."""

    source: ImageSource
    size: tuple[int, int]

    def open(self) -> Image.Image:
        image = self.source.open()
        return image if image.size == self.size else image.resize(self.size, Image.Resampling.LANCZOS)


def partners(material: Material, fits: Callable[[Sample, Sample], bool]) -> list[tuple[Sample, Sample | None, bool]]:
    """For each item one of the same column with another picture that fits, and whether it has the same size."""
    seen = material.seen
    groups: dict[tuple, list[Sample]] = defaultdict(list)
    for sample in material.samples:
        groups[material.column(sample), len(sample.images)].append(sample)
    chosen: dict[str, tuple[Sample | None, bool]] = {}
    for name, members in groups.items():
        members = random.Random(f"{material.seed}/{name}").sample(members, len(members))
        for place, sample in enumerate(members):
            others: Iterable[Sample] = (members[(place + step) % len(members)] for step in range(1, len(members)))
            found = first_partner(sample, others, seen, material.cluster, fits)
            chosen[sample.id] = (found, found is not None and seen[found.id].sizes == seen[sample.id].sizes)
    return [(sample, *chosen[sample.id]) for sample in material.samples]


def first_partner(
    sample: Sample,
    others: Iterable[Sample],
    seen: dict[str, ProbeItem],
    cluster: Callable[[Sample], str],
    fits: Callable[[Sample, Sample], bool],
) -> Sample | None:
    """Return the first other item that fits, one with pictures of the same size before any other."""
    spare, mine = None, seen[sample.id]
    for other in others:
        if seen[other.id].digest == mine.digest or cluster(other) == cluster(sample) or not fits(sample, other):
            continue
        if seen[other.id].sizes == mine.sizes:
            return other
        spare = spare or other
    return spare


def with_other_pictures(material: Material, fits: Callable[[Sample, Sample], bool], reason: str) -> Probed:
    found = Probed([])
    for sample, partner, same_size in partners(material, fits):
        if not sample.images or partner is None:
            found.left_out[reason if sample.images else "no picture"] += 1
            continue
        found.notes["the same question as its partner"] += partner.question == sample.question
        images = partner.images
        if not same_size:
            found.notes["the partner's picture scaled to its size"] += 1
            sizes = [source.open().size for source in sample.images]
            images = tuple(Scaled(source, size) for source, size in zip(partner.images, sizes, strict=True))
        found.partner[sample.id] = partner.id
        found.samples.append(replace(sample, images=images))
    return found


def swapped(material: Material) -> Probed:
    """Return the picture of another item of the column with another answer."""
    reason = "no partner with another picture and another answer"
    return with_other_pictures(material, lambda one, other: one.answer != other.answer, reason)


def same_answer(material: Material) -> Probed:
    """Return the picture of another item of the column with the same answer."""
    reason = "no partner with another picture and the same answer"
    return with_other_pictures(material, lambda one, other: one.answer == other.answer, reason)


def unchanged(material: Material) -> Probed:
    return Probed(list(material.samples))


def pictured(material: Material) -> Probed:
    """Return the items themselves, for probes that are image views; those without a picture have nothing to spoil."""
    kept = [sample for sample in material.samples if sample.images]
    return Probed(kept, Counter({"no picture": len(material.samples) - len(kept)}))


MAKERS: dict[str, Callable[[Material], Probed]] = {
    "clean": unchanged,
    "masked": pictured,
    "blank": pictured,
    "swapped": swapped,
    "same_answer": same_answer,
    "caption": caption,
    "oracle": oracle,
}
