"""The output layer in chunks against whole logits: log-probs, entropy, KL, and their gradients."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import models.head
from models.head import full_kl, token_statistics

VOCABULARY, WIDTH, TOKENS = 30, 8, 23


def layer(cut: bool = False) -> torch.nn.Linear:
    """`cut`: as DeepSpeed marks weights that it has cut over processes."""
    torch.manual_seed(0)
    head = torch.nn.Linear(WIDTH, VOCABULARY, bias=False)
    if cut:
        head.weight.ds_id = 0
    return head


def hidden(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(TOKENS, WIDTH, generator=generator)).requires_grad_()


class Largest(TorchDispatchMode):
    """Remembers the most numbers that any tensor held."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self.numbers = max(self.numbers, value.numel())
        return result


@pytest.fixture(params=[1, 7, 1000], ids="chunks of {}".format)
def chunk(request, monkeypatch) -> int:
    monkeypatch.setattr(models.head, "CHUNK_NUMBERS", request.param * VOCABULARY)
    return request.param


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("entropy", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_values_and_gradients_are_those_of_whole_logits(chunk, temperature, entropy, cut):
    targets = torch.randint(0, VOCABULARY, (TOKENS,))
    weights = torch.randn(2, TOKENS)
    found_head, plain_head, found_hidden, plain_hidden = layer(cut), layer(), hidden(1), hidden(1)
    chosen, spread = token_statistics(found_hidden, found_head, targets, temperature, entropy)
    logprobs = (plain_head(plain_hidden).float() / temperature).log_softmax(-1)
    expected = logprobs.gather(1, targets[:, None])[:, 0]
    expected_spread = -(logprobs.exp() * logprobs).sum(-1)
    assert (spread is None) == (not entropy)
    ((chosen * weights[0]).sum() + ((spread * weights[1]).sum() if entropy else 0)).backward()
    ((expected * weights[0]).sum() + ((expected_spread * weights[1]).sum() if entropy else 0)).backward()
    torch.testing.assert_close(chosen, expected)
    if entropy:
        torch.testing.assert_close(spread, expected_spread)
    torch.testing.assert_close(found_hidden.grad, plain_hidden.grad, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found_head.weight.grad, plain_head.weight.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("fixed", ["hidden", "weight"])
def test_only_what_learns_gets_gradients(fixed):
    head, states = layer(), hidden(1)
    (head.weight if fixed == "weight" else states).requires_grad_(False)
    token_statistics(states, head, torch.zeros(TOKENS, dtype=torch.long), 1.0, False)[0].sum().backward()
    assert (states.grad is None) == (fixed == "hidden") and (head.weight.grad is None) == (fixed == "weight")


def test_kl_of_whole_distributions_and_its_gradients(chunk):
    found, plain, found_head, plain_head = [hidden(1), hidden(2)], [hidden(1), hidden(2)], layer(), layer()
    kl = full_kl(*found, found_head, 0.8)
    first, second = ((plain_head(state).float() / 0.8).log_softmax(-1) for state in plain)
    expected = torch.nn.functional.kl_div(second, first, log_target=True, reduction="none").sum(-1)
    torch.testing.assert_close(kl, expected)
    assert (kl > 0).all() and not full_kl(found[0], found[0], found_head, 1.0).any()
    weights = torch.randn(TOKENS)
    (kl * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip([*found, found_head.weight], [*plain, plain_head.weight], strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("cut", [False, True])
def test_logits_of_all_tokens_never_exist(monkeypatch, cut):
    """In the forward nor in the backward pass, whatever else is asked for."""
    monkeypatch.setattr(models.head, "CHUNK_NUMBERS", 5 * VOCABULARY)
    head, states, targets = layer(cut), [hidden(1), hidden(2)], torch.zeros(TOKENS, dtype=torch.long)
    with Largest() as seen:
        chosen, spread = token_statistics(states[0], head, targets, 0.7, True)
        (chosen.sum() + spread.sum() + full_kl(*states, head, 0.7).sum()).backward()
    assert seen.numbers == max(5 * VOCABULARY, WIDTH * VOCABULARY)  # a chunk's logits, and the layer's weights
