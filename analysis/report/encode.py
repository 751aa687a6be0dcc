"""The samples of a report as compact JSON for the browser's script.

Numbers are rounded once, here, and the browser shows them as they stand: what a reader sees is what
models/dependency.py found, to the shown digits. Token texts and pictures are stored once and referred to by number.
"""

import math
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from markupsafe import Markup

from analysis.report.check import RIGHT
from analysis.report.records import Answer, Item, PatchMap, Token
from analysis.taxonomy import CLASSES
from eval.pages import script_data

EDGE_FRACTIONS = (0.1, 0.3, 0.6, 1.0)
SMALLEST_TOP_EDGE = 0.01
SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


@dataclass(frozen=True)
class ScoreKind:
    """How a score is called, its unit, and what the two ends of its colours mean."""

    label: str
    unit: str
    low: str
    high: str
    signed: bool


KINDS = {
    "k1": ScoreKind(
        "k1, drop in log-prob when the picture is masked",
        "nats",
        "likelier without the picture",
        "needs the picture",
        True,
    ),
    "k3": ScoreKind(
        "k3, estimate of KL(real || masked)", "nats", "picture or not: the same", "the picture changes it", False
    ),
    "probability_drop": ScoreKind(
        "drop in probability when the picture is masked", "", "likelier without the picture", "needs the picture", True
    ),
    "entropy_change": ScoreKind(
        "gain in entropy when the picture is masked",
        "nats",
        "surer without the picture",
        "surer with the picture",
        True,
    ),
    "kl": ScoreKind(
        "full KL(real || masked) over the vocabulary",
        "nats",
        "picture or not: the same",
        "the picture changes it",
        False,
    ),
}


class Numbered:
    """Values that are stored once: adding one gives its number."""

    def __init__(self) -> None:
        self.numbers: dict = {}

    def add(self, value: object) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    def values(self) -> list:
        return list(self.numbers)


@dataclass(frozen=True)
class Shared:
    """What the rows refer to by number."""

    runs: Numbered
    states: Numbered
    texts: Numbered
    pictures: Numbered


def browser_data(items: list[Item]) -> Markup:
    """Return JSON that is safe inside <script>."""
    shared = Shared(Numbered(), Numbered(), Numbered(), Numbered())
    for state in ordered_states(items):
        shared.states.add(state)
    rows = [item_row(item, shared) for item in items]
    answers = [answer for item in items for answer in item.answers]
    patches = [answer.patches.effects for answer in answers if answer.patches]
    data = {
        "scores": score_columns(answers),
        "patch_edges": colour_edges(x for effects in patches for grid in effects for row in grid for x in row),
        "runs": shared.runs.values(),
        "states": shared.states.values(),
        "texts": shared.texts.values(),
        "pictures": [data_url(picture) for picture in shared.pictures.values()],
        "items": rows,
    }
    return script_data(data)


def ordered_states(items: list[Item]) -> list[str]:
    """Right first, then classes in the order of the taxonomy, then what is not in it."""
    answers = [answer for item in items for answer in item.answers]
    found = {answer.state for answer in answers} | {other.state for answer in answers for other in answer.others}
    known = [state for state in (RIGHT, *CLASSES) if state in found]
    return known + sorted(found.difference(known))


def item_row(item: Item, shared: Shared) -> dict:
    return {
        "id": item.id,
        "column": item.column,
        "tags": item.tags,
        "question": item.question,
        "gold": item.gold,
        "pictures": [shared.pictures.add(picture) for picture in item.pictures],
        "masked": [shared.pictures.add(picture) for picture in item.masked],
        "note": item.note,
        "answers": [answer_row(answer, shared) for answer in item.answers],
    }


def answer_row(answer: Answer, shared: Shared) -> dict:
    return {
        "run": shared.runs.add(answer.run),
        "text": answer.text,
        "correct": answer.correct,
        "extracted": answer.extracted,
        "state": shared.states.add(answer.state),
        "facts": [[fact.name, fact.stated, fact.truth, fact.ok] for fact in answer.facts],
        "tokens": token_columns(answer.tokens, shared) if answer.tokens else None,
        "others": [[other.text, other.correct, shared.states.add(other.state)] for other in answer.others],
        "patches": patch_columns(answer.patches) if answer.patches else None,
        "note": answer.note,
    }


def token_columns(tokens: list[Token], shared: Shared) -> dict:
    return {
        "texts": [shared.texts.add(token.text) for token in tokens],
        "logprobs": [rounded(token.logprob) for token in tokens],
        "masked": [rounded(token.masked_logprob) for token in tokens],
        "scores": {name: [rounded(token.scores[name]) for token in tokens] for name in tokens[0].scores},
    }


def patch_columns(patches: PatchMap) -> dict:
    rows, columns = patches.grid
    effects = [[rounded(effect, 3, 4) for row in grid for effect in row] for grid in patches.effects]
    return {"rows": rows, "columns": columns, "effects": effects}


def rounded(value: float, significant: int = 4, decimals: int = 6) -> float:
    return round(float(f"{value:.{significant}g}"), decimals) + 0.0  # without the sign of -0.0


def score_columns(answers: list[Answer]) -> list[dict]:
    """Return every score of the report with its name, its unit and the borders of its colour steps."""
    values: dict[str, list[float]] = {name: [] for name in KINDS}
    for answer in answers:
        for token in answer.tokens:
            for name, value in token.scores.items():
                values.setdefault(name, []).append(value)
    return [
        {"name": name, "edges": colour_edges(found), **asdict(KINDS.get(name) or unknown_kind(name, found))}
        for name, found in values.items()
        if found
    ]


def unknown_kind(name: str, values: list[float]) -> ScoreKind:
    return ScoreKind(name, "", "low", "high", min(values) < 0)


def colour_edges(values: Iterable[float]) -> list[float]:
    """Borders of the colour steps, from the 95th percentile of the sizes over the whole report.

    Log-probs with and without the picture differ by a factor of a hundred between model scales, so no fixed scale
    would do; one scale for all samples keeps their colours comparable. The floor keeps rounding noise colourless.
    """
    sizes = sorted(map(abs, values)) or [0.0]
    typical_maximum = max(sizes[int(0.95 * (len(sizes) - 1))], SMALLEST_TOP_EDGE)
    power = 10.0 ** math.floor(math.log10(typical_maximum))
    top = next(power * lead for lead in (1, 2, 3, 5, 10) if typical_maximum <= power * lead * (1 + 1e-9))
    return [float(f"{top * fraction:.2g}") for fraction in EDGE_FRACTIONS]


def data_url(picture: bytes) -> str:
    """Return a picture as the page holds it; ValueError where no browser could show it."""
    kind = next((kind for signature, kind in SIGNATURES.items() if picture.startswith(signature)), None)
    if kind is None:
        raise ValueError("a sample's picture is neither PNG, JPEG, GIF nor WebP")
    return f"data:image/{kind};base64,{b64encode(picture).decode('ascii')}"
