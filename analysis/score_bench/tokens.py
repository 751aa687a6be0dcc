"""Scores of every token of some responses, and which tokens state a fact that only the picture shows."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from analysis.dependency.profile import word_classes
from data import Sample
from data.mini.chains import read_chain
from data.views import Blind, Gauss, NoPicture, PatchBlack, Pixelate, View
from models.attention_mass import attention_mass
from models.dependency import Prompt, by_prompt, micro_batches, two_views
from models.kl import k1, k3
from models.loader import VisionLanguageModel
from models.parts import Group

# The corruptions under which public methods ask for the same tokens again.
VIEWS: dict[str, View] = {
    "patch_black 0.6": PatchBlack(ratio=0.6),
    "patch_black 0.9": PatchBlack(ratio=0.9),
    "gauss": Gauss(),
    "pixelate": Pixelate(),
    "none": NoPicture(),
    "blind": Blind(),
}
WHOLE = "patch_black 0.6"  # the view whose whole distributions are compared


def seeing(text: str, pieces: Sequence[str], hidden: Sequence[str]) -> np.ndarray | None:
    """Return which tokens are values of stated hidden facts; None where the response is no chain or states none."""
    chain = read_chain(text)
    if chain is None:
        return None
    is_fact_T = np.array([kind == "fact" for kind in word_classes(pieces, mini=True)])
    # Runs of fact tokens are the stated values, in the chain's order.
    starts_T = is_fact_T & ~np.concatenate([[False], is_fact_T[:-1]])
    number_T = np.cumsum(starts_T) - 1
    wanted = [name in hidden for name, _ in chain.facts]
    if starts_T.sum() != len(wanted) or not any(wanted):
        return None
    return is_fact_T & np.array(
        [bool(fact) and wanted[number] for fact, number in zip(is_fact_T, number_T, strict=True)]
    )


def rows_of(values_NT: Tensor, groups: Sequence[Group]) -> list[np.ndarray]:
    """Return rows without their padding."""
    lengths = [len(ids) for group in groups for ids in group.responses]
    return [values_T[:length].float().cpu().numpy() for values_T, length in zip(values_NT, lengths, strict=True)]


@torch.no_grad()
def part_scores(
    model: VisionLanguageModel, part: Sequence[Prompt], token_ids: Sequence[Sequence[int]], seed: int
) -> dict[str, list[np.ndarray]]:
    """Return every score of the tokens of each response of a micro-batch."""
    found: dict[str, list[np.ndarray]] = {}
    clean: list[Group] = []
    for name, view in VIEWS.items():
        clean, masked = two_views(model, part, token_ids, view, seed)
        compare = ["js", "kl"] if name == WHOLE else []
        scores = model.score(clean, against={"other": masked}, compare=compare, entropy=name == WHOLE)
        other = scores.views["other"]
        found[f"k3 {name}"] = rows_of(k3(scores.logprobs_NT, other.logprobs_NT), clean)
        if name == WHOLE:
            assert scores.entropy_NT is not None and other.js_NT is not None and other.kl_NT is not None
            found[f"k1 {name}"] = rows_of(k1(scores.logprobs_NT, other.logprobs_NT), clean)
            found[f"drop {name}"] = rows_of(scores.logprobs_NT.exp() - other.logprobs_NT.exp(), clean)
            found[f"js {name}"] = rows_of(other.js_NT, clean)
            found[f"kl {name}"] = rows_of(other.kl_NT, clean)
            found["entropy"] = rows_of(scores.entropy_NT, clean)
    states = model.score(clean, states={"focus", "prior"})
    found["focus"] = rows_of(states.focus_NT, clean)
    found["prior"] = rows_of(states.prior_NT, clean)
    masses = attention_mass(model, clean)
    found["attention mass"] = [one.mass_ST.mean(0).float().cpu().numpy() for one in masses]
    return found


def token_table(
    model: VisionLanguageModel,
    rows: pd.DataFrame,
    samples: Mapping[str, Sample],
    settings: tuple[int, int],
    progress: Callable[[int, str], None],
) -> pd.DataFrame:
    """Return one line per token of every response with a seeing token: response, item, column, seeing, its scores."""
    batch, seed = settings
    token_ids = [tuple(map(int, ids)) for ids in rows.token_ids]
    prompts = by_prompt([samples[name] for name in rows.sample_id], token_ids)
    parts, done = [], 0
    for part in micro_batches(prompts, batch):
        numbers = [row for prompt in part for row in prompt.rows]
        scores = part_scores(model, part, token_ids, seed)
        for place, number in enumerate(numbers):
            row = rows.iloc[number]
            sample = samples[row.sample_id]
            hidden = list(sample.columns["evidence_by_fact"])
            seeing_T = seeing(row.text, model.token_texts(token_ids[number]), hidden)
            if seeing_T is not None:
                parts.append(
                    pd.DataFrame({name: values[place] for name, values in scores.items()}).assign(
                        response=number, sample_id=row.sample_id, column=row["column"], seeing=seeing_T
                    )
                )
        done += len(numbers)
        progress(done, "")
    return pd.concat(parts, ignore_index=True)
