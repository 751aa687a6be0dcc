"""The draw from a large vocabulary: a nucleus without sorting it, a cumulative sum by blocks, rows a few at a time."""

import pytest
import torch

from models import sampling
from models.sampling import draw_tokens, nucleus_border, pick
from models.settings import SamplingSettings

VOCABULARY = 5000


@pytest.fixture
def probs_NV() -> torch.Tensor:
    """Rows from flat, whose nucleus is nearly everything, to steep."""
    generator = torch.Generator().manual_seed(0)
    return torch.cat([(torch.randn(5, VOCABULARY, generator=generator) * k).softmax(-1) for k in (0.01, 1, 3, 8)])


@pytest.mark.parametrize("top_p", [0.1, 0.9, 0.99])
def test_the_nucleus_is_that_of_a_full_sort(probs_NV, top_p):
    found_NV = probs_NV >= nucleus_border(probs_NV, top_p)
    for row, inside in zip(probs_NV, found_NV, strict=True):
        ordered = row.double().sort(descending=True).values
        count = int((ordered.cumsum(-1) < top_p * ordered.sum()).sum()) + 1
        assert abs(int(inside.sum()) - count) <= 1  # a token at the border, by the rounding of a sum
        assert row[inside].min() >= row[~inside].max()


def test_a_nucleus_among_the_likeliest_sorts_no_whole_row(monkeypatch):
    peaked = torch.full((3, VOCABULARY), 1e-9)
    peaked[:, 7], peaked[:, 9] = 0.6, 0.3
    monkeypatch.setattr(torch.Tensor, "sort", lambda *_, **__: pytest.fail("a whole row was sorted"))
    assert nucleus_border(peaked, 0.5).flatten().tolist() == pytest.approx([0.6] * 3)
    assert nucleus_border(peaked, 0.8).flatten().tolist() == pytest.approx([0.3] * 3)


def test_a_token_is_picked_where_the_cumulative_sum_passes_its_number(probs_NV):
    numbers_N1 = torch.rand(len(probs_NV), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    numbers_N1[0], numbers_N1[1] = 0.0, 1 - 2.0**-53
    probs_NV = probs_NV.masked_fill(torch.arange(VOCABULARY) % 3 != 0, 0)
    reached_NV = probs_NV.double().cumsum(-1)
    for row, number, token in zip(reached_NV, numbers_N1, pick(probs_NV, numbers_N1)[:, 0].tolist(), strict=True):
        wanted = float(number) * float(row[-1])
        assert (row[token - 1] if token else 0.0) - 1e-12 <= wanted <= row[token] + 1e-12
        assert token % 3 == 0  # never one of probability 0


def test_rows_drawn_a_few_at_a_time_are_the_rows_drawn_together(monkeypatch):
    generator = torch.Generator().manual_seed(2)
    logits_NV = torch.randn(9, VOCABULARY, generator=generator)
    numbers_N1 = torch.rand(9, 1, dtype=torch.float64, generator=generator)
    settings = SamplingSettings(top_p=0.9)
    together = draw_tokens(logits_NV, numbers_N1, settings, [3])
    monkeypatch.setattr(sampling, "ROWS", 4)
    apart = draw_tokens(logits_NV, numbers_N1, settings, [3])
    assert all(torch.equal(one, other) for one, other in zip(together, apart, strict=True))
