"""All windows of a vision tower's layer in one call equal a call per window."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

import models.windows
from models.windows import equal_windows, install

SIZES = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 16}
GRIDS = torch.tensor([[1, 8, 12], [1, 4, 4], [1, 6, 10], [1, 8, 8]])  # windows of 16, 8 and 4 patches


def tower() -> Qwen2_5_VisionTransformerPretrainedModel:
    torch.manual_seed(0)
    config = Qwen2_5_VLVisionConfig(
        **SIZES, patch_size=4, window_size=16, fullatt_block_indexes=[1], attn_implementation="sdpa"
    )
    return Qwen2_5_VisionTransformerPretrainedModel(config).requires_grad_(True)


def run(module: Qwen2_5_VisionTransformerPretrainedModel) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Features and gradients."""
    patches = torch.randn(int(GRIDS.prod(1).sum()), 3 * 2 * 4 * 4, generator=torch.Generator().manual_seed(1))
    features = module(patches, grid_thw=GRIDS).pooler_output
    features.square().sum().backward()
    return features.detach(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def test_windows_together_give_the_features_and_gradients_of_windows_alone(monkeypatch):
    plain, together, calls = tower(), tower(), []
    expected, expected_gradients = run(plain)
    install(together)

    def counted(*tensors, **options):
        calls.append(tensors[0].shape)
        return scaled_dot_product_attention(*tensors, **options)

    monkeypatch.setattr(models.windows, "scaled_dot_product_attention", counted)
    features, gradients = run(together)
    torch.testing.assert_close(features, expected, atol=1e-6, rtol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    for name, value in expected_gradients.items():
        torch.testing.assert_close(gradients[name], value, atol=1e-5, rtol=1e-4)
    # Layer 0: lengths 4, 8 and 16; layer 1 sees whole pictures, of 16, 60, 64 and 96 patches.
    assert len(calls) == 3 + 4 and sum(shape[0] for shape in calls[3:]) == 4


def test_windows_of_one_length_are_one_call_and_stay_where_they_are(monkeypatch):
    tensors = [torch.randn(12, 2, 8) for _ in range(3)]
    found = equal_windows(tensors, torch.tensor([0, 4, 8, 12]), 0.5)
    for start in (0, 4, 8):
        alone = [x[start : start + 4].transpose(0, 1) for x in tensors]
        expected = scaled_dot_product_attention(*alone, scale=0.5).transpose(0, 1)
        torch.testing.assert_close(found[start : start + 4], expected)


def test_a_gpu_takes_one_kernel_with_the_windows_borders(monkeypatch):
    """What the kernel is asked for, with a stand-in that attends window by window."""
    asked = []

    def kernel(query, key, value, from_q, from_k, longest_q, longest_k, *, scale):
        asked.append((query.shape, from_q.dtype, from_q.tolist(), longest_q, longest_k))
        assert torch.equal(from_q, from_k)
        return equal_windows([query, key, value], from_q, scale)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    tensors = [torch.randn(10, 2, 8) for _ in range(3)]
    found = models.windows.flash_windows(tensors, torch.tensor([0, 4, 6, 10]), 4, 0.5)
    assert asked == [((10, 2, 8), torch.int32, [0, 4, 6, 10], 4, 4)]
    assert torch.equal(found, equal_windows(tensors, torch.tensor([0, 4, 6, 10]), 0.5))


@pytest.mark.parametrize("family", ["qwen2_5_vl"])
def test_the_loader_puts_it_into_the_tower(load_family, family):
    assert load_family(family).module.model.visual.config._attn_implementation == models.windows.NAME
