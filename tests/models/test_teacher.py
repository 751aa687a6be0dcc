"""A teacher's divergences against whole logits of both models, and which tokenizers are refused."""

from types import SimpleNamespace

import pytest
import torch

from common import UserError
from data.mini.world import sample
from models.divergence import Divergence, Side, to_teacher
from models.loader import VisionLanguageModel
from models.parts import Group
from models.teacher import TeacherPass, check_same_vocabulary
from tests.models.ragged import ragged_groups


def logprobs(model: VisionLanguageModel, group: Group, ids: list[int], temperature: float) -> torch.Tensor:
    """Whole next-token distributions at a response's positions."""
    prompt, zeros = group.prompt, torch.zeros(len(ids), dtype=torch.long)
    inputs = {"input_ids": torch.cat([prompt.ids, torch.tensor(ids)])[None]}
    inputs["mm_token_type_ids"] = torch.cat([prompt.token_kinds, zeros])[None]
    logits = model.module(**inputs, **prompt.vision).logits[0, len(prompt.ids) - 1 : -1]
    return (logits / temperature).log_softmax(-1)


@pytest.mark.parametrize("divergence", ["reverse_kl", "forward_kl", "js"])
def test_a_teacher_is_compared_over_the_whole_vocabulary(random_tiny, load_family, divergence):
    """Another family behind another picture; its gradients stay empty, and the student's are those by hand."""
    teacher, student = load_family("qwen2_5_vl"), random_tiny
    groups = ragged_groups(student)
    behind = ragged_groups(teacher)
    behind[0] = Group(teacher.encode([sample("train", "chart", 3)])[0], groups[0].responses)
    asked = TeacherPass(teacher, {"clean": behind}, {"apart": to_teacher(divergence)})
    scores = student.score(groups, temperature=0.7, teacher=asked)
    apart_NT = scores.divergences["apart"]
    assert apart_NT.shape == scores.mask_NT.shape and not (apart_NT * (1 - scores.mask_NT)).any()
    expected, row = torch.zeros(()), 0
    for own, other in zip(groups, behind, strict=True):
        for ids in own.responses:
            p, q = logprobs(student, own, ids, 0.7), logprobs(teacher, other, ids, 0.7).detach()
            middle = ((p.exp() + q.exp()) / 2).log()
            by_hand = {
                "reverse_kl": p.exp() * (p - q),
                "forward_kl": q.exp() * (q - p),
                "js": (p.exp() * (p - middle) + q.exp() * (q - middle)) / 2,
            }[divergence].sum(-1)
            torch.testing.assert_close(apart_NT[row, : len(ids)], by_hand, atol=1e-5, rtol=0)
            expected, row = expected + by_hand.sum(), row + 1
    gradients = []
    for total in (apart_NT.sum(), expected):
        student.module.zero_grad()
        total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in student.module.get_decoder().parameters()]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[1].norm()
    assert all(p.grad is None for p in teacher.module.parameters())


def test_several_divergences_over_views_of_both_models_are_those_by_hand(random_tiny, load_family):
    """Four distributions in one call, p' with gradient: as whole logits give them, in values and gradients."""
    teacher, student = load_family("qwen2_5_vl"), random_tiny
    groups, behind = ragged_groups(student), ragged_groups(teacher)
    blank = [Group(student.encode([sample("train", "chart", 3)])[0], group.responses) for group in groups]
    blank_behind = [Group(teacher.encode([sample("train", "chart", 5)])[0], group.responses) for group in behind]
    sides = (Side("policy"), Side("policy", "other"), Side("teacher"), Side("teacher", "other"))

    def mixed(rows):
        p, p_other, q, q_other = (side.exp() for side in rows.sides)
        return (p * q_other).sum(-1) + 3 * (p_other * q).sum(-1) + len(rows.end_ids)

    asked = {"mixed": Divergence(sides, mixed), "kl": to_teacher("reverse_kl", "other")}
    views = {"clean": behind, "other": blank_behind}
    scores = student.score(groups, against={"other": blank}, teacher=TeacherPass(teacher, views, asked))
    ends, expected, row = len(student.eos_ids), torch.zeros(()), 0
    for n, own in enumerate(groups):
        for ids in own.responses:
            p, p_other = (logprobs(student, side[n], ids, 1.0) for side in (groups, blank))
            q, q_other = (logprobs(teacher, side[n], ids, 1.0).detach() for side in (behind, blank_behind))
            size = min(p.shape[-1], q.shape[-1])
            p, p_other, q, q_other = (one[:, :size].log_softmax(-1) for one in (p, p_other, q, q_other))
            hand = (p.exp() * q_other.exp()).sum(-1) + 3 * (p_other.exp() * q.exp()).sum(-1) + ends
            torch.testing.assert_close(scores.divergences["mixed"][row, : len(ids)], hand, atol=1e-5, rtol=0)
            apart = (p.exp() * (p - q_other)).sum(-1)
            torch.testing.assert_close(scores.divergences["kl"][row, : len(ids)], apart, atol=1e-5, rtol=0)
            expected, row = expected + hand.sum(), row + 1
    gradients = []
    for total in (scores.divergences["mixed"].sum(), expected):
        student.module.zero_grad()
        total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in student.module.get_decoder().parameters()]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[1].norm()


def test_another_tokenizer_is_refused(random_tiny):
    check_same_vocabulary(random_tiny, random_tiny)
    words = random_tiny.tokenizer.get_vocab()
    swapped = {**words, "red": words["blue"], "blue": words["red"]}
    for vocabulary in (swapped, {**words, "more": len(words)}):
        tokenizer = SimpleNamespace(get_vocab=lambda vocabulary=vocabulary: vocabulary)
        other = SimpleNamespace(tokenizer=tokenizer, settings=SimpleNamespace(name="other"))
        with pytest.raises(UserError, match="another tokenizer"):
            check_same_vocabulary(random_tiny, other)
