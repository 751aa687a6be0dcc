"""Which part of the picture each token of a response hangs on: all tokens of all masked pictures at once.

`analysis.dependency.cells.patch_effects` asks the same of one token; both give the same numbers.
"""

from collections.abc import Sequence

import numpy as np
import torch

from analysis.dependency.cells import cell_views
from common import UserError
from data import Sample
from models.kl import k1
from models.loader import VisionLanguageModel
from models.parts import Group

VIEWS_AT_ONCE = 32  # prompts with their pictures that pass the model together


@torch.no_grad()
def patch_maps(
    model: VisionLanguageModel, sample: Sample, token_ids: Sequence[int], grid: tuple[int, int], picture: int = 0
) -> np.ndarray:
    """Return what blackening each cell of a rows x columns grid costs each token in log-prob, [T, rows, columns].

    Positive: the token was likelier with that cell to be seen. The response stays as it was given, so a token late in
    it may be explained by what stands before it as well as by the picture.
    """
    ids = model.encoder.response_ids(sample.id, token_ids).tolist()
    if not ids:
        raise UserError(f"the response to {sample.id} has no token, so nothing in it hangs on its picture")
    groups = [Group(view, [ids]) for view in cell_views(model, sample, grid, picture)]
    parts = [groups[start : start + VIEWS_AT_ONCE] for start in range(0, len(groups), VIEWS_AT_ONCE)]
    logprobs_VT = torch.cat([model.score(part).logprobs_NT for part in parts])
    return k1(logprobs_VT[:1], logprobs_VT[1:]).T.reshape(len(ids), *grid).cpu().numpy()
