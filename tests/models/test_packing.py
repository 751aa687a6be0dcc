"""Flat rows: what stands where, and attention that equals one whole mask, for queries that share heads of keys too."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from models.attention import grouped_attention
from models.packing import Layout, PackedGroup, pack


def test_a_row_holds_each_prefix_once_and_only_what_predicts_something():
    groups = [PackedGroup([1, 2], [[3, 4, 5], [6]], [0, 0]), PackedGroup([7], [[8, 9]], [1])]
    batch = pack(groups, [torch.tensor([[0, 4]] * 3), torch.tensor([[0]] * 3)])
    assert batch.ids_1L.tolist() == [[1, 2, 3, 4, 7, 8]]
    assert batch.positions_31L[:, 0].tolist() == [[0, 4, 5, 6, 0, 1]] * 3
    assert batch.layout == Layout(((2, (2,)), (1, (1,))))
    # 3 and 6 begin answers, which the prefix's last token predicts; 8 is asked, 9 answers.
    assert batch.target_K.tolist() == [3, 4, 5, 6, 9]
    assert batch.source_K.tolist() == [1, 2, 3, 1, 5]
    assert batch.layout.starts == [0, 4, 6]


def test_a_whole_row_holds_last_tokens_too():
    groups = [PackedGroup([1, 2], [[3, 4, 5], [6], []], [0, 0, 0]), PackedGroup([7], [[8, 9]], [1])]
    batch = pack(groups, [torch.tensor([[0, 4]] * 3), torch.tensor([[0]] * 3)], whole=True)
    assert batch.ids_1L.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert batch.positions_31L[:, 0].tolist() == [[0, 4, 5, 6, 7, 5, 0, 1, 2]] * 3
    assert batch.layout == Layout(((2, (3, 1)), (1, (2,)))) and batch.layout.starts == [0, 6, 9]
    assert batch.target_K.tolist() == batch.ids_1L[0, batch.token_K].tolist() == [3, 4, 5, 6, 9]
    assert batch.source_K.tolist() == [1, 2, 3, 1, 7]


@pytest.mark.parametrize("whole", [False, True])
def test_equal_beginnings_stand_in_a_row_once_and_attend_as_apart(whole):
    """The merged row gives, at each token that is asked for, what the row with all tokens gives there."""
    answers = [[3, 4, 5], [3, 4, 5, 6, 7], [3, 4, 9], [8], [9, 3]]
    groups = [PackedGroup([1, 2], answers, [0] * 5), PackedGroup([1], [[2, 3], [2, 4]], [1, 1])]
    positions = [torch.tensor([[0, 4]] * 3), torch.tensor([[0]] * 3)]
    apart, merged = (pack(groups, positions, whole=whole, merge=merge) for merge in (False, True))
    assert merged.ids_1L.tolist()[0] == (
        [1, 2, 3, 4, 5, 6, 7, 9, 8, 9, 3, 1, 2, 3, 4] if whole else [1, 2, 3, 4, 5, 6, 9, 1, 2]
    )
    assert torch.equal(merged.target_K, apart.target_K)
    pairs = [(apart.source_K, merged.source_K)] + whole * [(apart.token_K, merged.token_K)]
    for place, other in pairs:
        assert torch.equal(apart.ids_1L[0, place], merged.ids_1L[0, other])
        assert torch.equal(apart.positions_31L[:, 0, place], merged.positions_31L[:, 0, other])
    tables = torch.randn(3, 10, 10, 2, 8, generator=torch.Generator().manual_seed(0))  # by token and position
    outputs = []
    for batch in (apart, merged):
        rows = tables[:, batch.ids_1L, batch.positions_31L[0]].transpose(2, 3)
        outputs.append(grouped_attention(*rows, batch.layout, scale=0.3)[0])
    torch.testing.assert_close(outputs[1][merged.source_K], outputs[0][apart.source_K], atol=1e-6, rtol=1e-6)


def who_sees_whom(layout: Layout) -> torch.Tensor:
    """The same as one square of yes and no."""
    length = layout.starts[-1]
    visible = torch.zeros(length, length, dtype=torch.bool)
    start = 0
    for prefix, continuations in layout.groups:
        visible[start : start + prefix, start : start + prefix] = torch.ones(prefix, prefix).tril().bool()
        at = start + prefix
        for size in continuations:
            visible[at : at + size, start : start + prefix] = True
            visible[at : at + size, at : at + size] = torch.ones(size, size).tril().bool()
            at += size
        start = at
    return visible


LAYOUTS = [Layout(((5, (3, 1, 4)), (2, ()), (7, (2, 2)))), Layout(((1, (6,)),)), Layout(((3, ()),))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("heads", [2, 6])
def test_attention_by_groups_equals_one_masked_square(layout, heads):
    torch.manual_seed(0)
    length, width = layout.starts[-1], 8
    shapes = [(1, heads, length, width), (1, 2, length, width), (1, 2, length, width)]
    found = [torch.randn(shape, requires_grad=True) for shape in shapes]
    plain = [tensor.detach().clone().requires_grad_() for tensor in found]
    output = grouped_attention(*found, layout, scale=0.3)
    expected = scaled_dot_product_attention(*plain, attn_mask=who_sees_whom(layout), scale=0.3, enable_gqa=True)
    torch.testing.assert_close(output, expected.transpose(1, 2))
    weights = torch.randn_like(output)
    (output * weights).sum().backward()
    (expected.transpose(1, 2) * weights).sum().backward()
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_no_tensor_is_as_large_as_the_row_squared():
    """A row of many groups costs what its groups cost."""
    layout = Layout(((8, (4, 4)),) * 40)
    length, largest = layout.starts[-1], [0]

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        largest[0] = max(largest[0], tensor.numel())
        return tensor

    tensors = [torch.randn(1, 2, length, 8, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        grouped_attention(*tensors, layout, scale=1.0)
    assert 0 < largest[0] < length**2 / 10
