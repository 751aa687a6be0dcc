"""CFPO's intervention: against whole matrices by hand, and that a row's counterfactual is its own."""

import math
from dataclasses import replace

import pytest
import torch
from transformers import AttentionInterface, AutoModelForImageTextToText
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from common import UserError
from data.mini.world import sample
from data.views import AverageValues
from models.averaged import correction, picture_slices, threshold
from models.loader import VisionLanguageModel
from models.parts import Group
from models.settings import SamplingSettings
from tests.models.ragged import ragged_groups, text_only, two_pictures

every_view = pytest.mark.parametrize(
    "view",
    [AverageValues(), AverageValues(mean="vector", sigmas=0.5), AverageValues(rows="question", sigmas=1.0)],
    ids=["code", "vector", "question"],
)


def behind(model: VisionLanguageModel, groups: list[Group], view: AverageValues) -> list[Group]:
    """The same responses behind the view, a group for each."""
    return [Group(replace(group.prompt, inside=view), [ids]) for group in groups for ids in group.responses]


def by_hand(model, folder, prompt, ids, view: AverageValues) -> torch.Tensor:
    """Log-probs of a response where every layer attends with changed values, weight by weight."""
    spans, length = picture_slices(prompt), len(prompt.ids) + len(ids)
    last = len(prompt.ids) if view.rows == "question" else length

    def attention(layer, query, key, value, mask, **options):
        share = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(share, dim=1) for x in (key, value))
        weights = (query @ key.transpose(2, 3) * options["scaling"] + mask).softmax(-1)[0]
        read = torch.einsum("hrc,hcd->hrd", weights, value[0])
        for span in spans:
            block = weights[:, span.stop : last, span]
            kept = block[block > 1e-8]
            strong = block > kept.mean() + view.sigmas * kept.std()
            seen = value[0][:, span]
            mean = seen.mean(1, keepdim=True) if view.mean == "vector" else seen.mean((1, 2), keepdim=True)
            for head, row, column in strong.nonzero().tolist():
                gap = mean[head, 0] - seen[head, column]
                read[head, span.stop + row] += block[head, row, column] * gap
        return read.transpose(0, 1)[None], None

    AttentionInterface.register("by_hand", attention)
    AttentionMaskInterface.register("by_hand", eager_mask)
    module = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="sdpa")
    module.get_decoder().config._attn_implementation = "by_hand"
    row = torch.cat([prompt.ids, torch.tensor(ids)])[None]
    kinds = torch.cat([prompt.token_kinds, torch.zeros(len(ids), dtype=torch.long)])[None]
    with torch.no_grad():
        logits = module(input_ids=row, mm_token_type_ids=kinds, **prompt.vision).logits[0, len(prompt.ids) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]


@every_view
@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_scores_are_those_of_whole_matrices(load_family, family_folder, family, view):
    """In a padded batch with one, two and no pictures; in the last nothing changes."""
    model = load_family(family)
    groups = ragged_groups(model)
    with torch.no_grad():
        found = model.score(behind(model, groups, view)).logprobs_NT
        clean = model.score(groups).logprobs_NT
    n = 0
    for group in groups:
        for ids in group.responses:
            expected = by_hand(model, family_folder(family), group.prompt, ids, view)
            torch.testing.assert_close(found[n, : len(ids)], expected, atol=1e-5, rtol=0)
            if group.prompt.vision:
                assert (found[n, : len(ids)] - clean[n, : len(ids)]).abs().max() > 1e-5
            else:
                torch.testing.assert_close(found[n, : len(ids)], clean[n, : len(ids)], atol=1e-5, rtol=0)
            n += 1
    assert n == 6


def test_a_counterfactual_does_not_depend_on_the_other_rows_of_its_batch(random_tiny):
    """The trap of the public code: rows of several samples, joined without a mask, share one threshold and mean."""
    rows = behind(random_tiny, ragged_groups(random_tiny), AverageValues())
    with torch.no_grad():
        together = random_tiny.score(rows).logprobs_NT
        for n, one in enumerate(rows):
            alone = random_tiny.score([one]).logprobs_NT[0]
            torch.testing.assert_close(together[n, : len(alone)], alone, atol=1e-6, rtol=0)


def test_without_a_mask_the_threshold_would_be_another(random_tiny):
    """What the released code does on one row: weights that look ahead. Ours are causal."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 12, 4), torch.randn(2, 12, 4)
    logits = query @ key.transpose(1, 2) / 2
    causal = torch.full((12, 12), -math.inf).triu(1)
    columns, rows = slice(2, 6), [slice(6, 12)]
    ours, theirs = ((logits + mask).softmax(-1) for mask in (causal, torch.zeros(12, 12)))
    found = [threshold(lambda part, w=w: w[:, part], rows, columns, 2.0).item() for w in (ours, theirs)]
    assert abs(found[0] - found[1]) > 1e-3


def test_nothing_moves_where_all_values_are_their_mean_or_nothing_is_strong():
    torch.manual_seed(1)
    weights = torch.rand(4, 6, 10)
    values = torch.randn(2, 1, 3).expand(2, 10, 3).contiguous()  # equal within a head
    columns, rows = slice(2, 6), [slice(0, 3), slice(3, 6)]

    def part(chunk: slice) -> torch.Tensor:
        return weights[:, chunk]

    assert not correction(part, values, columns, rows, AverageValues(mean="vector", sigmas=0.0)).any()
    assert correction(part, values, columns, rows, AverageValues(mean="scalar", sigmas=0.0)).any()  # the released code
    moving = torch.randn(2, 10, 3)
    for mean in ("scalar", "vector"):
        assert not correction(part, moving, columns, rows, AverageValues(mean=mean, sigmas=1e9)).any()


def test_chunks_of_rows_give_what_one_gives_and_the_deviation_is_besselian():
    torch.manual_seed(2)
    weights, values = torch.rand(2, 6, 8), torch.randn(2, 8, 3)
    columns = slice(1, 4)
    whole, cut = [slice(0, 6)], [slice(0, 1), slice(1, 4), slice(4, 6)]
    both = [correction(lambda part: weights[:, part], values, columns, rows, AverageValues()) for rows in (whole, cut)]
    torch.testing.assert_close(*both)
    seen = weights[..., columns]
    wanted = seen.mean() + 2 * seen.std(correction=1)
    found = threshold(lambda part: weights[:, part], cut, columns, 2.0)
    torch.testing.assert_close(found.float(), wanted)


def test_prompts_behind_it_are_told_apart_and_cannot_be_sampled(random_tiny):
    prompt = random_tiny.encode([sample("train", "chart", 3)])[0]
    seen = random_tiny.encode([sample("train", "chart", 3)], AverageValues())[0]
    assert seen.inside and seen.key != prompt.key and torch.equal(seen.ids, prompt.ids)
    alone = [Group(seen, [[40, 2]])]
    for refused in (lambda: random_tiny.score(alone), lambda: random_tiny.score(alone, against={"seen": alone})):
        with pytest.raises(UserError, match="is scored alone, without gradient"):
            refused()
    with pytest.raises(UserError, match="cannot be sampled from"):
        random_tiny.sample([seen], 1, SamplingSettings(max_new_tokens=2), 0)


def test_each_picture_has_its_own_tokens_and_a_family_that_cuts_them_is_refused(random_tiny, load_family):
    one, two, none = (random_tiny.encode([s])[0] for s in (sample("train", "chart", 3), two_pictures(), text_only()))
    assert [len(picture_slices(prompt)) for prompt in (one, two, none)] == [1, 2, 0]
    for prompt in (one, two):
        inside = torch.zeros_like(prompt.token_kinds)
        for span in picture_slices(prompt):
            inside[span] = 1
        assert torch.equal(inside, prompt.token_kinds)
    cutting = load_family("idefics3")
    with pytest.raises(UserError, match="puts others between them"):
        picture_slices(cutting.encode([sample("train", "chart", 3)])[0])
