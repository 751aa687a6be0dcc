"""Metrics of a step's experience: rewards by source, discarded problems by reason."""

import torch

from data import Sample
from models.response import Response
from train.asks.ask import ANSWER
from train.experience import Block, Discarded, Experience
from train.tracking import experience_metrics


def experience(sources: list[str], discarded: list[Discarded]) -> Experience:
    """One problem per source with two answers, the first one right."""
    blocks = []
    for n, source in enumerate(sources):
        sample = Sample(f"{source}/{n}", source, "?", (), "1")
        answers = tuple(Response(sample.id, k, "clean", "", [5, 6], [-1.0, -1.0], "stop") for k in range(2))
        rows = range(2 * n, 2 * n + 2)
        blocks.append(Block(sample=sample, prompt=n, rows=rows, prompt_tokens=3, responses=answers))
    right_N = torch.tensor([1.0, 0.0] * len(sources))
    graded_N = torch.arange(2 * len(sources)).float()
    return Experience(
        samples=[block.sample for block in blocks],
        blocks=blocks,
        verdicts=[],
        reward_terms={"accuracy": right_N, "place": graded_N},
        reward_N=right_N,
        accuracy_N=right_N,
        group_N=torch.arange(len(sources)).repeat_interleave(2),
        role_coef={ANSWER: 1.0},
        discarded=discarded,
        generated=len(sources),
        rounds=1,
        position=0,
    )


def test_rewards_are_told_by_source_where_there_are_several():
    found = experience_metrics(experience(["chart", "maths"], []))
    assert (found["reward/place"], found["reward/place/chart"], found["reward/place/maths"]) == (1.5, 0.5, 2.5)
    assert not any("/chart" in name for name in experience_metrics(experience(["chart", "chart"], [])))


def test_every_reason_to_discard_is_counted_and_unjudged_problems_have_no_accuracy():
    reasons = ["all_right", "gated", "unjudged", "unusable", "too_long"]
    discarded = [Discarded(sample_id=why, accuracy=float(why == "all_right"), why=why) for why in reasons]
    found = experience_metrics(experience(["chart"], discarded))
    assert {name: found[f"filter/{name}"] for name in reasons} == dict.fromkeys(reasons, 1.0)
    assert found["filter/accuracy_all"] == (1.0 + 0.5) / 2  # the one that was all right, and the one that is kept
