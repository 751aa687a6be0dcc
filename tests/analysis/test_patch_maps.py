"""Patch maps: what hiding each patch of a picture does to every token of an answer."""

import numpy as np
import pytest

from analysis.dependency.cells import patch_effects
from analysis.dependency.patches import patch_maps
from common import UserError
from data.mini.world import sample
from models.loader import VisionLanguageModel
from tests.models.ragged import text_only, two_pictures


def test_a_patch_map_is_the_effects_of_all_tokens(random_tiny: VisionLanguageModel):
    for drawn, grid, picture in ((sample("test", "chart", 1), (3, 2), 0), (two_pictures(), (1, 2), 1)):
        ids = [40, 41, 42, 43]
        maps = patch_maps(random_tiny, drawn, np.array(ids), grid, picture)
        assert maps.shape == (4, *grid) and np.abs(maps).max() > 1e-4
        for position in range(len(ids)):
            one = patch_effects(random_tiny, drawn, ids, position, grid, picture)
            np.testing.assert_allclose(maps[position], one, atol=2e-5)


def test_patch_maps_refuse_what_has_no_cell_or_no_token(random_tiny):
    drawn = sample("test", "chart", 1)
    with pytest.raises(UserError, match="has no picture"):
        patch_maps(random_tiny, text_only(), [40], (2, 2))
    with pytest.raises(UserError, match="there is no picture 1"):
        patch_maps(random_tiny, drawn, [40], (2, 2), picture=1)
    with pytest.raises(UserError, match="does not fit a picture of 128 x 128"):
        patch_maps(random_tiny, drawn, [40], (0, 2))
    with pytest.raises(UserError, match="has no token"):
        patch_maps(random_tiny, drawn, [], (2, 2))
