"""The samples of a report: which are shown, their pictures, and every run's answers to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pandas as pd
from PIL import Image

from analysis.errors import diagnosis
from analysis.report.records import Answer, Fact, Item, Other
from analysis.report.scores import VIEW, VIEW_SEED, Scored
from analysis.runs import OpenedRun
from common import UserError
from data import IMAGE_PLACEHOLDER, Sample
from data.images import small_picture
from eval.benchmarks import benchmark_of
from eval.items import chosen_items, unseen_choices
from eval.rows import option_lines
from models.encode import Encoder
from models.settings import ModelSettings

PICTURE_SIDE = 512
NO_SAMPLE = "it is no longer in the data, so its question and pictures cannot be shown"
NO_PICTURE = "its picture cannot be opened any more"


@dataclass
class Material:
    """What can still be had of the shown samples."""

    ids: list[str]
    samples: dict[str, Sample]
    pictures: dict[str, list[bytes]] = field(default_factory=dict)
    masked: dict[str, list[bytes]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def visible(self) -> dict[str, Sample]:
        """Return the samples that can be shown to a model."""
        return {name: sample for name, sample in self.samples.items() if name not in self.notes}


def shown_ids(predictions: pd.DataFrame, samples: int) -> list[str]:
    """As many of every column, drawn by their names alone; 0 takes all."""
    if samples < 0:
        raise UserError(f"samples={samples} must be 0 (all) or more")
    return chosen_items(predictions, samples or predictions.sample_id.nunique())


def picture_bytes(image: Image.Image) -> bytes:
    """At most 512 pixels a side, in the smaller of PNG and JPEG."""
    return small_picture(image, PICTURE_SIDE)[1]


def limits_of(views: Sequence[OpenedRun]) -> ModelSettings | None:
    """Between what sizes pictures reach the processor: those of the first run whose settings can still be read."""
    for view in views:
        with suppress(UserError):
            return view.settings.model
    return None


def material_of(views: Sequence[OpenedRun], ids: Sequence[str]) -> Material:
    """Return samples and pictures, read once; the masked ones are what every run's second scoring sees."""
    found, limits = Material(list(ids), {}), limits_of(views)
    try:
        found.samples = views[0].samples(ids)
    except (UserError, OSError) as error:  # OSError: what the datasets package raises where a hub is out of reach
        found.left_out.append(f"The shown samples cannot be read again: {error}.")
    encoder = Encoder(None, limits, -1) if limits else None  # cutting pictures to size takes no processor
    for name in ids:
        sample = found.samples.get(name)
        if sample is None:
            found.notes[name] = NO_SAMPLE
            continue
        try:
            pictures = [picture_bytes(image.open()) for image in sample.images]
            spoiled = encoder.pictures(sample, VIEW, VIEW_SEED, 0) if encoder else []
        except UserError as error:
            found.notes[name] = f"{NO_PICTURE}: {error}"
            continue
        found.pictures[name], found.masked[name] = pictures, [picture_bytes(image) for image in spoiled]
    count_notes(found)
    return found


def count_notes(found: Material) -> None:
    """Add one sentence for each thing that is missing, with three names."""
    kinds = Counter(note.partition(":")[0] for note in found.notes.values())
    for kind, count in kinds.items():
        names = [name for name, note in found.notes.items() if note.startswith(kind)]
        named = ", ".join(names[:3]) + (" ..." if count > 3 else "")
        found.left_out.append(f"{count} of {len(found.ids)} shown samples ({named}): {kind}.")


def question_of(sample: Sample) -> str:
    """Return the question as text, with the options that it does not list itself."""
    several = len(sample.images) > 1
    question = sample.question.replace(IMAGE_PLACEHOLDER, "[picture] " if several else "").strip()
    choices = unseen_choices(sample)
    return f"{question}\n{option_lines(choices)}" if choices else question


def tags_of(sample: Sample) -> dict[str, str]:
    """Return the tags by which its benchmark reports scores; others are often as many as there are samples."""
    home = benchmark_of(sample.id)
    names = (*home.breakdowns, *(["subset"] if home.diagnose else [])) if home else ()
    return {name: sample.tags[name] for name in names if sample.tags.get(name)}


def facts_of(sample: Sample | None, text: str, correct: bool) -> list[Fact]:
    """Return what a response states beside the truth, where the benchmark knows the facts."""
    found = diagnosis(sample, text, correct) if sample else None
    return [Fact(one.name, one.stated, one.truth, one.ok) for one in found.facts] if found else []


def answers_of(view: OpenedRun, material: Material, scored: Scored) -> dict[str, Answer]:
    """Return a run's first response to every shown sample, with its others behind it."""
    rows = view.predictions[view.predictions.sample_id.isin(set(material.ids))].sort_values("k", kind="stable")
    by_id: dict[str, list[dict]] = {}
    for row in rows.to_dict("records"):
        by_id.setdefault(row["sample_id"], []).append(row)
    answers = {}
    for name in material.ids:
        first, *others = by_id[name]
        text, correct = str(first["text"]), bool(first["correct"])
        answers[name] = Answer(
            view.name,
            text,
            correct,
            first.get("extracted"),
            first["state"],
            facts_of(material.samples.get(name), text, correct),
            scored.tokens.get(name, []),
            [Other(str(row["text"]), bool(row["correct"]), row["state"]) for row in others],
            scored.patches.get(name),
            scored.notes.get(name),
        )
    return answers


def items_of(views: Sequence[OpenedRun], material: Material, scored: Mapping[str, Scored]) -> list[Item]:
    """Return one item per shown sample, in the order of the predictions."""
    answers = [answers_of(view, material, scored[view.name]) for view in views]
    rows = views[0].predictions.drop_duplicates("sample_id").set_index("sample_id")
    items = []
    for name in material.ids:
        sample = material.samples.get(name)
        items.append(
            Item(
                name,
                str(rows.column[name]),
                tags_of(sample) if sample else {},
                question_of(sample) if sample else "",
                str(rows.gold[name]),
                material.pictures.get(name, []),
                material.masked.get(name, []),
                [one[name] for one in answers],
                material.notes.get(name),
            )
        )
    return items
