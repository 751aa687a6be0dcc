"""Cutting a mini-batch into micro-batches, the same number on every process."""

import random
from collections import Counter
from dataclasses import fields
from statistics import fmean

from data import Sample
from train.distributed import Ranks
from train.experience import Block, Experience
from train.scoring.scores import by_rank, dealt, filled, micro_batches


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


def spread_of(tokens: list[int], rank_of: list[int], size: int) -> float:
    """How much longer than the mean the rank with the most tokens works."""
    load = [sum(t for t, rank in zip(tokens, rank_of, strict=True) if rank == own) for own in range(size)]
    return max(load) / (sum(load) / size)


def test_problems_are_dealt_by_length_in_equal_numbers():
    assert dealt([5, 1, 4, 2], 2) == [0, 0, 1, 1]
    assert dealt([3, 3, 3], 1) == [0, 0, 0]
    draw, by_length, by_number = random.Random(0), [], []
    for _ in range(20):  # mini-batches of 128 problems on 32 ranks: answers as long as language models' are
        answers = [sum(int(min(2048, draw.lognormvariate(5.8, 0.6))) for _ in range(5)) for _ in range(128)]
        tokens = [draw.randint(200, 1000) + own for own in answers]
        rank_of = dealt(tokens, 32)
        assert Counter(rank_of) == dict.fromkeys(range(32), 4)
        by_length.append(spread_of(tokens, rank_of, 32))
        by_number.append(spread_of(tokens, [g % 32 for g in range(128)], 32))
    assert fmean(by_length) < 1.06 < 1.2 < fmean(by_number)


def experience_of(tokens: list[int]) -> Experience:
    """Problems of one block and one response each, of so many tokens."""
    blocks = [
        Block(sample=Sample(str(g), "", "", [], "1"), prompt=g, rows=range(g, g + 1), prompt_tokens=count)
        for g, count in enumerate(tokens)
    ]
    given = {field.name: None for field in fields(Experience)}
    return Experience(**given | {"samples": [block.sample for block in blocks], "blocks": blocks})


def test_a_rank_scores_what_it_learns_from_and_one_process_keeps_the_order():
    experience = experience_of([9, 2, 7, 4, 1, 8, 3, 6])
    two = Ranks(0, 2)
    step = by_rank(experience, range(8), two, minibatch=4)
    updates = [by_rank(experience, range(start, start + 4), two, minibatch=4) for start in (0, 4)]
    assert step == [one + other for one, other in zip(*updates, strict=True)]
    assert by_rank(experience, range(4, 8), two, 4) == updates[1] and sorted(step[0] + step[1]) == list(range(8))
    assert [len(share) for update in updates for share in update] == [2, 2, 2, 2]
    assert by_rank(experience, range(8), Ranks(), minibatch=4) == [list(range(8))]
