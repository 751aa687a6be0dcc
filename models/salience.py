"""How much each image token stands out in its picture, by the features that the model's own vision tower gives it.

    salience of a token = distance of its feature from the mean feature of its picture's tokens

PAPO's semantic masking (arXiv 2507.06448, Table 3) ranks patches by DINOv2's self-attention, and its code was not
released. This is an idea in its place, with the model that is trained: no second encoder, another ranking. It changes
as the tower learns. Qwen families alone, as their features stand in rows and columns.
"""

from typing import Any

import numpy as np
import torch

from common import UserError
from models.encode import Encoded
from models.processing import GRID


def check_salience(module: Any, gives_grid: bool = True) -> None:
    """Refuse a family whose image tokens do not stand in rows and columns."""
    if not gives_grid or getattr(module.base_model, "visual", None) is None:
        raise UserError(
            f"view salient ranks image tokens by rows and columns, which family {module.config.model_type} does not "
            "give; use another view, or a Qwen model"
        )


@torch.no_grad()
def salience_of(module: Any, prompt: Encoded) -> list[np.ndarray]:
    """Return the salience [rows, columns] of the tokens of every picture of a prompt."""
    check_salience(module, GRID in prompt.vision)
    tower = module.model.visual
    grid_P3 = prompt.vision[GRID]
    pixels = prompt.vision["pixel_values"].to(module.device, tower.dtype)
    features = tower(pixels, grid_thw=grid_P3.to(module.device)).pooler_output.float().cpu()
    shapes = [(height // tower.spatial_merge_size, width // tower.spatial_merge_size) for _, height, width in grid_P3]
    found = []
    for (rows, columns), own_ID in zip(shapes, features.split([int(r * c) for r, c in shapes]), strict=True):
        distance_I = (own_ID - own_ID.mean(0)).norm(dim=-1)
        found.append(distance_I.reshape(int(rows), int(columns)).numpy())
    return found
