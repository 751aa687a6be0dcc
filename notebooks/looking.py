"""A sample of every run's responses scored under two views, and where in picture and layers one of them looks.

All runs are scored on the same items, each on its own response k=0, under the same masked pictures.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from PIL import Image

from analysis.dependency.cells import patch_effects
from analysis.dependency.profile import profile
from analysis.report.scores import Scored as ReportScored
from analysis.report.scores import scored_rows, set_template, weights_of
from analysis.runs import OpenedRun
from common import UserError
from common.progress import progress
from data import IMAGE_PLACEHOLDER, Sample
from eval.estimate import interval_text
from models.attention_mass import attention_mass
from models.dependency import ViewScores
from models.encode import Encoded
from models.loader import VisionLanguageModel
from models.parts import Group

FACT = "fact"
AT_ONCE = 32
TABLE = {"k1": "k1", "k3": "k3", "probability_drop": "fall of probability", "entropy_change": "change of entropy"}


@dataclass(frozen=True)
class Scored:
    """One run's scored responses; `tokens` is the frame of analysis.dependency.profile, one row per token."""

    run: str
    model: VisionLanguageModel
    samples: dict[str, Sample]
    responses: pd.DataFrame  # indexed by sample id
    scores: dict[str, ViewScores]
    tokens: pd.DataFrame
    templates: Mapping[str, str]  # benchmark -> how its questions were asked
    left_out: list[str]  # sentences

    def asked(self, sample_id: str) -> VisionLanguageModel:
        """Return the model, set to ask this item as it was asked."""
        set_template(self.model, self.templates, self.samples[sample_id].source)
        return self.model

    def encode(self, sample_id: str) -> Encoded:
        return self.asked(sample_id).encoder.encode(self.samples[sample_id])

    def of(self, sample_id: str) -> pd.DataFrame:
        return self.tokens[self.tokens.sample_id == sample_id]


def drawn_ids(view: OpenedRun, items: int, seed: int) -> list[str]:
    """`items` of a run's items at random; a larger draw with the same seed holds the smaller one."""
    ids = np.array(sorted(view.predictions.sample_id.unique()))
    return ids[np.random.default_rng(seed).permutation(len(ids))[:items]].tolist()


def score_run(view: OpenedRun, items: int, seed: int) -> Scored:
    if "token_ids" not in view.predictions:
        raise UserError(f"the predictions of {view.name} have no token_ids, so nothing can be scored; evaluate again")
    ids = drawn_ids(view, items, seed)
    model, templates, samples = weights_of(view), view.templates, view.samples(ids)
    frame = view.predictions[view.predictions.k == 0].set_index("sample_id", drop=False).loc[ids]
    found = ReportScored()
    with progress(f"two views, {view.name}", len(ids)) as advance:
        scores = scored_rows(found, model, templates, frame, samples, advance)
    if found.frame is None:
        reason = next(iter(found.notes.values()))
        raise UserError(f"no response of {view.name} can be scored ({reason}); evaluate again")
    told = [f"{view.name}, {count} of {len(ids)}: {note}." for note, count in Counter(found.notes.values()).items()]
    return Scored(view.name, model, samples, frame.loc[list(scores)], scores, found.frame, templates, told)


def score_runs(views: Sequence[OpenedRun], items: int, seed: int = 0) -> list[Scored]:
    """Return the same items under every run, as the report scores them."""
    return [score_run(view, items, seed) for view in views]


def score_sentences(scored: Sequence[Scored], score: str = "k1") -> list[str]:
    """Return what a token costs without the picture, on average over responses, in words."""
    said = []
    for one in scored:
        row = profile(one.tokens.assign(whole="all"), score, ["whole"]).iloc[0]
        said.append(
            f"{one.run}: masking the picture costs a token {row['mean']:.2f} nats [{row.low:.2f}, {row.high:.2f}] on "
            f"average ({score}, {row.responses} responses, {row.tokens:,} tokens)."
        )
    return said + [sentence for one in scored for sentence in one.left_out]


def shared_example(scored: Sequence[Scored]) -> str:
    """Return the first of the drawn items, with a picture, in whose response every run states a fact; or just
    the first.
    """
    stating = [set(one.tokens[one.tokens.word_class == FACT].sample_id) for one in scored]
    ids = [name for name in scored[0].scores if all(name in one.scores for one in scored)]
    if not ids:
        raise UserError("no item has a response of every run that can be scored; draw more items")
    with_fact = (name for name in ids if all(name in own for own in stating) and scored[0].samples[name].images)
    return next(with_fact, ids[0])


def question_of(scored: Scored, sample_id: str) -> str:
    return " ".join(scored.samples[sample_id].question.replace(IMAGE_PLACEHOLDER, " ").split())


def number(value: float, digits: int = 3) -> str:
    """Without the sign of what rounds to nothing."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def token_table(scored: Scored, sample_id: str) -> pd.DataFrame:
    """Return every token of one response with its log-probs and scores, as text."""
    tokens, scores = scored.of(sample_id), scored.scores[sample_id]
    values = {"log p": scores.logprobs_T.tolist(), "log p, masked": scores.masked_logprobs_T.tolist()}
    values |= {title: tokens[name].tolist() for name, title in TABLE.items() if name in tokens}
    texts = {title: [number(value) for value in column] for title, column in values.items()}
    return pd.DataFrame({"token": tokens.text.str.strip().tolist(), "kind": tokens.word_class.tolist(), **texts})


def profiles(scored: Sequence[Scored], cut: Callable[..., pd.DataFrame], score: str) -> dict[str, pd.DataFrame]:
    """Return a cut of analysis.dependency.profile for every run."""
    return {one.run: cut(one.tokens, score) for one in scored}


def profile_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the cuts of all runs below each other, means with their intervals as text."""
    frame = pd.concat([part.assign(run=run) for run, part in found.items()], ignore_index=True)
    texts = [interval_text(row["mean"], row["low"], row["high"], unit="plain") for _, row in frame.iterrows()]
    by = [name for name in frame.columns if name not in ("mean", "low", "high", "run", "clusters")]
    ordered = ["run", *[name for name in by if name not in ("responses", "tokens")]]
    return frame[ordered].assign(nats=texts, responses=frame.responses, tokens=frame.tokens)


@dataclass(frozen=True)
class PatchEffects:
    """What blackening each cell of the picture costs one token, in nats."""

    run: str
    token: str
    before: str  # what stands before it in the response
    effects: np.ndarray
    picture: Image.Image


def leaning_fact(tokens: pd.DataFrame) -> int:
    """Return the place of the stated fact that masking the picture costs most; the first token where none is stated.

    What the question says already is stated without a look, so the first fact would often be none of the picture's.
    """
    cost_T = tokens.k1.where(tokens.word_class == FACT).to_numpy()
    return 0 if np.isnan(cost_T).all() else int(np.nanargmax(cost_T))


def fact_effects(scored: Scored, sample_id: str, grid: tuple[int, int] = (4, 4)) -> PatchEffects:
    """Return the map of the stated fact of a response that leans most on the picture."""
    tokens, sample = scored.of(sample_id), scored.samples[sample_id]
    position, texts = leaning_fact(tokens), tokens.text.tolist()
    effects = patch_effects(scored.asked(sample_id), sample, scored.scores[sample_id].token_ids, position, grid)
    before = "".join(texts[:position]).strip()
    return PatchEffects(scored.run, texts[position].strip(), before, effects, sample.images[0].open())


def patch_sentence(found: PatchEffects) -> str:
    """Return which cell counts most, in words."""
    most = int(found.effects.argmax())
    row, column = np.unravel_index(most, found.effects.shape)
    rest = np.delete(found.effects.ravel(), most)
    return (
        f"{found.run}, the token '{found.token}' after '{found.before[-40:]}': the cell in row {row + 1}, column "
        f"{column + 1} costs it {number(found.effects.max(), 2)} nats; the median of the other {len(rest)} cells is "
        f"{number(float(np.median(rest)), 2)}."
    )


def attention_rows(scored: Sequence[Scored], responses: int) -> pd.DataFrame:
    """Per run and layer: how much attention falls on the picture, and how evenly, with intervals over clusters."""
    parts = []
    for one in scored:
        frame = attention_tokens(one, responses)
        for measure in ("mass", "entropy"):
            known = frame[frame[measure].notna()]
            parts.append(profile(known, measure, ["layer"]).assign(run=one.run, measure=measure))
    return pd.concat(parts, ignore_index=True)


def attention_tokens(scored: Scored, responses: int) -> pd.DataFrame:
    """Return one row per token and layer of the first responses."""
    chosen = list(scored.scores)[:responses]
    groups = [Group(scored.encode(name), [list(scored.scores[name].token_ids)]) for name in chosen]
    starts = range(0, len(groups), AT_ONCE)
    found = [one for start in starts for one in attention_mass(scored.model, groups[start : start + AT_ONCE])]
    frames = []
    for name, one in zip(chosen, found, strict=True):
        for place, layer in enumerate(one.layers):
            values = {"mass": one.mass_ST[place].numpy(), "entropy": one.entropy_ST[place].numpy()}
            known = {"response": name, "cluster": scored.responses.cluster[name], "layer": layer}
            frames.append(pd.DataFrame(known | values))
    return pd.concat(frames, ignore_index=True)


def attention_sentence(rows: pd.DataFrame) -> str:
    """Return whether runs attend alike, layer by layer: the widest gap in mass."""
    mass = rows[rows.measure == "mass"].pivot(index="layer", columns="run", values="mean")
    said = (
        f"Over {len(mass)} layers and {len(mass.columns)} runs, between {mass.min().min():.2f} and "
        f"{mass.max().max():.2f} of a token's attention fall on the picture"
    )
    gaps = [(abs(mass[one] - mass[two]).max(), one, two) for one, two in combinations(mass.columns, 2)]
    if not gaps:
        return f"{said}."
    gap, one, two = max(gaps)
    return f"{said}; {one} and {two} differ most, by {gap:.2f} in one layer."
