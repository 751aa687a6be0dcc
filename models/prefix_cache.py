"""Keys and values while responses are sampled: each prompt's once, behind it those of its responses.

A row stands for all responses to a prompt that are equal so far; where they part, several rows go on behind one, and
what ended leaves. Rows stand in *bundles*: a bundle has one copy of its prompt's keys, then a column per token of each
of its rows, and a mask says which row may see which column. So a decoding step is one attention call per layer over
all bundles, the prompt is read once per bundle, and rows that part copy nothing but their line of the mask. Bundles
without any row are dropped.

Shapes: B bundles, W rows of the widest bundle, C columns, N rows in all, H heads of queries, E of keys, R = H / E,
D numbers per head, L tokens of all prompts in a row, P of the longest prompt.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

BUNDLE = 8  # responses: a row also passes over the columns of others, which a mask hides; wider bundles waste more
ROOM = 16  # decoding steps for which columns are added at a time, at least
DROP = 0.75  # bundles are dropped when no more than this share of them has rows left


class PrefixCache:
    """Keys and values of all layers for rows behind some prompts; in the beginning there is one row per bundle."""

    def __init__(self, lengths: Sequence[int], count: int):
        """Make a cache for `count` responses to each prompt of these lengths."""
        bundles = -(-count // BUNDLE)
        self.lengths = lengths
        self.prompt_B = torch.arange(len(lengths)).repeat_interleave(bundles)
        self.bundle_N = np.arange(len(self.prompt_B))  # each row's, in order
        self.keys: list[Tensor] = []  # [B, E, C, D], one for each layer
        self.values: list[Tensor] = []
        self.filled = max(lengths)  # columns that hold tokens of earlier passes
        self.width = self.columns = 0
        self.hidden_BWC = torch.empty(0)  # 0 where a row sees a column, else minus infinity
        self.mask_B1QC: Tensor | None = None  # of the pass under way; a row's R queries per key head stand together
        self.place_N: Tensor | None = None  # each row's place among B x W; None where all places are taken

    def begin(self, layer: int, key_1ELD: Tensor, value_1ELD: Tensor) -> None:
        """Take a layer's keys and values of the prompts, which stand one behind another."""
        if not self.keys:
            self.start_mask(key_1ELD)
        assert layer == len(self.keys), "layers come in their order"
        for kept, given in ((self.keys, key_1ELD), (self.values, value_1ELD)):
            prompts = given[0].transpose(0, 1).split(list(self.lengths))
            padded_BPED = pad_sequence(list(prompts), batch_first=True)[self.prompt_B]
            kept.append(padded_BPED.transpose(1, 2).contiguous())

    def start_mask(self, like: Tensor) -> None:
        """Let every row see its own prompt and no padding."""
        self.prompt_B = self.prompt_B.to(like.device)
        lengths_B = torch.tensor(self.lengths, device=like.device)[self.prompt_B]
        beyond_BP = torch.arange(self.filled, device=like.device) >= lengths_B[:, None]
        self.columns = self.filled
        self.hidden_BWC = like.new_zeros(beyond_BP.shape).masked_fill_(beyond_BP, -torch.inf)[:, None]
        self.find_places()

    def find_places(self) -> None:
        """Say where rows stand among the B x W places."""
        bundles, self.width = self.hidden_BWC.shape[:2]
        place_N = torch.from_numpy(self.bundle_N * self.width + slots_of(self.bundle_N))
        self.place_N = None if len(place_N) == bundles * self.width else place_N.to(self.hidden_BWC.device)

    def next_pass(self, steps_left: int, repeats: int) -> None:
        """Make columns for one more token of every row; `repeats` = R, `steps_left` passes come at most, with this."""
        end = self.filled + self.width
        if end > self.columns:
            steps = min(steps_left, max(ROOM, (self.filled - max(self.lengths)) // self.width))
            self.grow(self.filled + steps * self.width)
        own_WW = torch.full((self.width, self.width), -torch.inf, dtype=self.hidden_BWC.dtype).fill_diagonal_(0)
        self.hidden_BWC[:, :, self.filled : end] = own_WW.to(self.hidden_BWC.device)
        seen_BWC = self.hidden_BWC[:, :, :end]
        self.mask_B1QC = (seen_BWC.repeat_interleave(repeats, dim=1) if repeats > 1 else seen_BWC)[:, None]
        self.filled = end

    def grow(self, columns: int) -> None:
        """Add empty columns, one layer at a time so that little is there twice."""
        more = columns - self.columns
        for kept in (self.keys, self.values):
            for layer, held in enumerate(kept):
                kept[layer] = pad(held, (0, 0, 0, more))
        self.hidden_BWC, self.columns = pad(self.hidden_BWC, (0, more)), columns

    def attend(self, layer: int, query_1HND: Tensor, key_1END: Tensor, value_1END: Tensor, scale: float) -> Tensor:
        """Return [1, N, H, D] for the newest token of every row, which sees its prompt and its own tokens."""
        begin, heads = self.filled - self.width, key_1END.shape[1]
        for kept, new in ((self.keys, key_1END), (self.values, value_1END)):
            kept[layer][:, :, begin : self.filled] = self.in_bundles(new).transpose(1, 2)
        query_BEQD = self.in_bundles(query_1HND).unflatten(2, (heads, -1)).transpose(1, 2).flatten(2, 3)
        found_BEQD = scaled_dot_product_attention(
            query_BEQD,
            self.keys[layer][:, :, : self.filled],
            self.values[layer][:, :, : self.filled],
            attn_mask=self.mask_B1QC,
            scale=scale,
        )
        found_BWHD = found_BEQD.unflatten(2, (self.width, -1)).transpose(1, 2).flatten(2, 3)
        found_NHD = found_BWHD.flatten(0, 1)
        return (found_NHD if self.place_N is None else found_NHD.index_select(0, self.place_N))[None]

    def in_bundles(self, rows_1HND: Tensor) -> Tensor:
        """Return [B, W, H, D]: each row at its place, zeros where there is none."""
        rows_NHD = rows_1HND[0].transpose(0, 1)
        if self.place_N is not None:
            places = self.hidden_BWC.shape[0] * self.width
            rows_NHD = rows_NHD.new_zeros(places, *rows_NHD.shape[1:]).index_copy_(0, self.place_N, rows_NHD)
        return rows_NHD.unflatten(0, (-1, self.width))

    def follow(self, before_N: np.ndarray) -> None:
        """Let rows go on: the new row n behind the present row `before_N[n]`, in order; rows behind none leave."""
        bundles, slots = self.bundle_N[before_N], slots_of(self.bundle_N)[before_N]
        having = np.unique(bundles)
        if len(having) <= DROP * self.hidden_BWC.shape[0]:
            self.drop(having)
            bundles = np.searchsorted(having, bundles)
        came_from_BW = np.zeros((self.hidden_BWC.shape[0], np.bincount(bundles).max()), dtype=np.int64)
        came_from_BW[bundles, slots_of(bundles)] = slots
        index_BW1 = torch.from_numpy(came_from_BW).to(self.hidden_BWC.device)[..., None]
        self.hidden_BWC = self.hidden_BWC.gather(1, index_BW1.expand(-1, -1, self.columns))
        self.bundle_N = bundles
        self.find_places()

    def drop(self, having: np.ndarray) -> None:
        """Drop all bundles but these."""
        index = torch.from_numpy(having).to(self.hidden_BWC.device)
        for kept in (self.keys, self.values):
            for layer, held in enumerate(kept):
                kept[layer] = held.index_select(0, index)
        self.hidden_BWC = self.hidden_BWC.index_select(0, index)


def slots_of(bundle_N: np.ndarray) -> np.ndarray:
    """Return each row's number in its bundle; rows are in the order of their bundles."""
    slots: np.ndarray = np.arange(len(bundle_N)) - np.searchsorted(bundle_N, bundle_N)
    return slots
