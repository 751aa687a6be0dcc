"""Cutting a mini-batch into micro-batches, the same number on every process."""

import random

from train.scores import filled, micro_batches


def test_greedy_filling_takes_what_fits_and_never_drops_a_group():
    assert filled([10, 20, 500, 5], 30) == [[0, 1], [2], [3]]
    assert filled([40], 30) == [[0]]


def test_every_process_gets_as_many_micro_batches_as_the_one_that_needs_most():
    rng = random.Random(7)
    for _ in range(300):
        processes, groups, budget = rng.randint(1, 5), rng.randint(1, 9), rng.randint(10, 60)
        tokens = [[rng.randint(1, 50) for _ in range(groups)] for _ in range(processes)]
        plans = [micro_batches(tokens, budget, rank) for rank in range(processes)]
        assert len({len(plan) for plan in plans}) == 1
        for lengths, plan in zip(tokens, plans, strict=True):
            assert sorted(i for part in plan for i in part) == list(range(groups))
            assert all(part for part in plan)
            assert all(len(part) == 1 or sum(lengths[i] for i in part) <= budget for part in plan)
