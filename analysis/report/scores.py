"""What a run's weights say of its own answers: token by token under two views, and cell by cell of the picture.

Whatever cannot be scored is not left out in silence: it gets a note on the sample, and one sentence for the report.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch

from analysis.dependency.patches import patch_maps
from analysis.dependency.profile import token_frame
from analysis.protocol.transitions import RIGHT
from analysis.report.records import PatchMap, Token
from analysis.runs import OpenedRun
from common import UserError
from data import Sample
from data.views import PatchBlack
from eval.benchmarks import benchmark_of
from eval.folder import revision_of
from models.dependency import ViewScores, score_two_views
from models.encode import Encoder
from models.loader import VisionLanguageModel

VIEW, VIEW_SEED = PatchBlack(), 0  # PAPO's corruption; one draw per sample, the same for all runs
UNSCORED = "tokens not scored"

Advance = Callable[[int, str], None]


@dataclass
class Scored:
    """By sample id: tokens and patch maps of a run's first responses, or the reason why there are none."""

    tokens: dict[str, list[Token]] = field(default_factory=dict)
    patches: dict[str, PatchMap] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    frame: pd.DataFrame | None = None  # one line per token, see analysis.dependency.profile
    left_out: list[str] = field(default_factory=list)


def describe_view(view: PatchBlack) -> str:
    return f"{view.ratio:.0%} of its {view.size}-pixel squares black"


def grid_of(sample: Sample, size: int) -> tuple[int, int]:
    """Return rows and columns of the map: the picture's own cells where its benchmark knows them."""
    home = benchmark_of(sample.id)
    cells = home.cells(sample) if home and home.cells else None
    return (cells.rows, cells.columns) if cells else (size, size)


def weights_of(view: OpenedRun) -> VisionLanguageModel:
    """Return the weights that gave a run's answers, or a UserError that says why they cannot be had."""
    settings, answered = view.settings, view.record.revisions.get("model")
    try:
        if view.is_training_step:
            return view.load_model()
        if revision_of(settings) != answered:
            raise UserError(f"the weights in {settings.model.path} are no longer those that were evaluated")
        return view.load_model()
    except OSError as error:  # what transformers raises where a folder or a hub repository is gone
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"its weights {settings.model.path} cannot be loaded ({reason})") from None


def unscorable(model: VisionLanguageModel, row: Mapping[str, Any], samples: Mapping[str, Sample]) -> str | None:
    """Why a response cannot be scored, or None."""
    if row["sample_id"] not in samples:
        return "its sample or picture is gone"
    if row["token_ids"] is None or not len(row["token_ids"]):
        return "its response holds no tokens"
    if model.image_token_id in row["token_ids"]:
        return "its response holds an image token, which would be read as a picture"
    return None


def score_by_template(
    model: VisionLanguageModel,
    rows: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    templates: Mapping[str, str],
    advance: Advance,
) -> dict[str, ViewScores]:
    """Score the rows of each benchmark under the template with which it was asked."""
    found: dict[str, ViewScores] = {}
    sources = [samples[row["sample_id"]].source for row in rows]
    for source in dict.fromkeys(sources):
        set_template(model, templates, source)
        part = [row for row, own in zip(rows, sources, strict=True) if own == source]
        done = len(found)
        scored = score_two_views(
            model,
            [samples[row["sample_id"]] for row in part],
            [row["token_ids"] for row in part],
            VIEW,
            VIEW_SEED,
            entropy=True,
            progress=lambda count, note, done=done: advance(done + count, note),
        )
        found |= {one.sample_id: one for one in scored}
    return found


def set_template(model: VisionLanguageModel, templates: Mapping[str, str], source: str) -> None:
    if source not in templates:
        raise UserError(f"the evaluation's scores.json knows no benchmark {source}; evaluate again")
    settings = replace(model.settings, prompt=templates[source])
    model.encoder = Encoder(model.processor, settings, model.image_token_id)


def token_texts(model: VisionLanguageModel, scored: Sequence[ViewScores]) -> list[list[str]]:
    """Return what each token adds to the text; every token is decoded once."""
    ids = sorted({token for one in scored for token in one.token_ids})
    known = dict(zip(ids, model.token_texts(ids), strict=True))
    return [[known[token] for token in one.token_ids] for one in scored]


def tokens_of(scored: ViewScores, texts: Sequence[str]) -> list[Token]:
    columns = {name: values.tolist() for name, values in scored.token_scores().items()}
    pairs = zip(texts, scored.logprobs_T.tolist(), scored.masked_logprobs_T.tolist(), strict=True)
    return [
        Token(text, own, masked, {name: values[place] for name, values in columns.items()})
        for place, (text, own, masked) in enumerate(pairs)
    ]


def is_finite(scored: ViewScores) -> bool:
    return all(bool(torch.isfinite(values).all()) for values in scored.token_scores().values())


def scored_rows(
    found: Scored,
    model: VisionLanguageModel,
    templates: Mapping[str, str],
    first: pd.DataFrame,
    samples: Mapping[str, Sample],
    advance: Advance,
) -> dict[str, ViewScores]:
    """Fill in the tokens of all rows that can be scored, and the reasons of the others; returns the raw scores."""
    rows = first.to_dict("records")
    reasons = {row["sample_id"]: unscorable(model, row, samples) for row in rows}
    whole = [row for row in rows if reasons[row["sample_id"]] is None]
    scores = score_by_template(model, whole, samples, templates, advance)
    reasons |= {name: "its log-probs are not finite" for name, one in scores.items() if not is_finite(one)}
    good = {name: one for name, one in scores.items() if reasons[name] is None}
    texts = dict(zip(good, token_texts(model, list(good.values())), strict=True))
    found.tokens = {name: tokens_of(one, texts[name]) for name, one in good.items()}
    found.notes = {name: f"{UNSCORED}: {reason}" for name, reason in reasons.items() if reason}
    if good:
        kept = first.set_index("sample_id", drop=False).loc[list(good)]
        kept = kept.assign(
            error_class=kept.state.where(kept.state != RIGHT, None)
        )  # so that they are not diagnosed again
        found.frame = token_frame(kept, samples, list(good.values()), list(texts.values()))
    return good


def score_run(
    view: OpenedRun,
    ids: Sequence[str],
    samples: Mapping[str, Sample],
    mapped: Sequence[str],
    patch_grid: int,
    advance: Advance = lambda done, note: None,
) -> Scored:
    """Score a run's first responses to `ids`; those in `mapped` also get a patch map.

    `samples` has only what can still be shown to the model.
    """
    found = Scored()
    try:
        if "token_ids" not in view.predictions:
            raise UserError("its predictions hold no token ids")
        model, templates = weights_of(view), view.templates
    except UserError as error:
        found.notes = dict.fromkeys(ids, f"{UNSCORED}: {error}")
        found.left_out.append(f"{view.name}: no token is scored: {error}.")
        return found
    first = view.predictions[view.predictions.k == 0].set_index("sample_id", drop=False).loc[list(ids)]
    good = scored_rows(found, model, templates, first, samples, advance)
    for name in [name for name in mapped if name in good and samples[name].images]:
        set_template(model, templates, samples[name].source)
        grid = grid_of(samples[name], patch_grid)
        effects = patch_maps(model, samples[name], good[name].token_ids, grid)
        found.patches[name] = PatchMap(grid, effects.tolist())
    for note, count in Counter(found.notes.values()).items():
        found.left_out.append(f"{view.name}, {count} of {len(ids)} first responses: {note}.")
    if view.settings.view:
        found.left_out.append(
            f"{view.name} answered behind spoiled pictures (view {view.settings.view.kind}); its tokens are scored "
            "behind the real ones, like everyone's."
        )
    return found
