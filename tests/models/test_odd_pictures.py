"""Every family scores pictures of the kinds that real benchmarks hold, clean and masked."""

import torch

from data.images import FileImage
from data.sample import Sample
from data.views import PatchBlack
from models.scoring import Group
from tests.models.families import every_family
from tests.odd_pictures import odd_pictures


@every_family
def test_odd_pictures_are_scored_and_a_mask_keeps_their_tokens(load_family, family, tmp_path):
    model = load_family(family, max_prompt_tokens=4096)
    samples = [
        Sample(name, "odd", "<image>What is red?", [FileImage(tmp_path / name)], "red")
        for name in odd_pictures(tmp_path)
    ]
    for stage in ("before_resize", "after_resize"):
        clean, masked = model.encode(samples), model.encode(samples, PatchBlack(ratio=1.0, stage=stage))
        for sample, first, second in zip(samples, clean, masked, strict=True):
            assert torch.equal(first.ids, second.ids), sample.id
        with torch.no_grad():
            values = [
                model.score([Group(one, [[40, 41]]) for one in prompts]).logprobs_NT for prompts in (clean, masked)
            ]
        assert all(one.isfinite().all() for one in values)
        differ = (values[0] != values[1]).any(dim=1)
        assert differ.all(), [sample.id for sample, seen in zip(samples, differ, strict=True) if not seen]
