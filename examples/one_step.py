"""One PAPO step from top to bottom, over the functions that the trainer itself calls: `python -m examples.one_step`.

Four problems of the mini world, four answers each: sample, grade, reward, advantage, score behind a masked picture,
loss, one optimiser step. The perception term rewards the policy for answering differently when the picture is masked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from configs import compose
from data import Sample
from data.sources import Samples
from models.engines import make_engine
from models.loader import VisionLanguageModel, load
from models.parts import Group
from models.response import Response
from train.advantages import advantages
from train.losses.averages import spread, token_shares
from train.losses.batch import ScoredBatch
from train.objective import token_losses, total_loss
from train.settings import TrainSettings
from train.table.step_table import padded
from verify.samples import grade_sample

PROMPTS, GROUP, SEED = 4, 4, 4


@dataclass(frozen=True)
class Rollouts:
    """N = PROMPTS x GROUP answers with their rewards."""

    samples: list[Sample]
    responses: list[Response]
    reward_N: Tensor
    group_N: Tensor


def sample_answers(model: VisionLanguageModel, settings: TrainSettings) -> Rollouts:
    """Sample GROUP answers to each problem and grade them: 0.9 for a right answer, 0.1 for the right form."""
    samples = Samples(settings.data, SEED).take(0, PROMPTS)
    rollouts = settings.rollouts
    engine = make_engine(model, rollouts.engine, rollouts.sampling, own_copy=False)
    responses = engine.sample(model.encode(samples), GROUP, rollouts.sampling, SEED)
    verdicts = [
        grade_sample(samples[n // GROUP], response.text, settings.grader) for n, response in enumerate(responses)
    ]
    reward_N = torch.tensor([0.9 * verdict.correct + 0.1 * verdict.format_ok for verdict in verdicts])
    return Rollouts(samples, responses, reward_N, torch.arange(PROMPTS).repeat_interleave(GROUP))


def groups_behind(model: VisionLanguageModel, rollouts: Rollouts, settings: TrainSettings, view: str) -> list[Group]:
    """Return every problem's answers behind its prompt, with the pictures as they are or as a view shows them."""
    prompts = model.encode(rollouts.samples)
    if view != "clean":
        asked = [(sample, prompt, 0) for sample, prompt in zip(rollouts.samples, prompts, strict=True)]
        prompts = model.encoder.see_all(asked, settings.views[view], SEED)
    ids = [response.token_ids for response in rollouts.responses]
    return [Group(prompt, ids[n * GROUP : (n + 1) * GROUP]) for n, prompt in enumerate(prompts)]


def scored_batch(model: VisionLanguageModel, rollouts: Rollouts, settings: TrainSettings) -> ScoredBatch:
    """Return the answers' log-probs: with gradient on the clean picture, as data on the masked one.

    The old policy and the reference are the policy itself before its first step, so their log-probs are its own.
    """
    with torch.no_grad():
        masked_NT = model.score(groups_behind(model, rollouts, settings, "masked")).logprobs_NT
    scores = model.score(groups_behind(model, rollouts, settings, "clean"))
    logp_NT = scores.logprobs_NT
    lengths = [len(response.token_ids) for response in rollouts.responses]
    rows = advantages("grpo", rollouts.reward_N, rollouts.group_N, lengths)
    return ScoredBatch(
        logp_NT=logp_NT,
        mask_NT=scores.mask_NT,
        advantages=(padded(rows, logp_NT.shape[1]),),
        scores={"logp": logp_NT.detach(), "reference.logp": logp_NT.detach(), "logp@masked": masked_NT},
    )


def one_step(settings: TrainSettings) -> dict[str, float]:
    """Take one optimiser step and return every loss term before it, and the perception term's KL before and after."""
    torch.manual_seed(SEED)
    model = load(settings.model)
    rollouts = sample_answers(model, settings)
    batch = scored_batch(model, rollouts, settings)
    terms, logged = token_losses(settings.losses, batch)
    # Every token of the mini-batch has the same share of the loss: 1 / number of tokens.
    lengths = [len(response.token_ids) for response in rollouts.responses]
    shares_NT = spread(token_shares(lengths, "token", 0), batch.mask_NT)
    loss = total_loss(terms, shares_NT)
    optimiser = torch.optim.AdamW(model.module.parameters(), lr=settings.optimiser.learning_rate)
    loss.backward()
    optimiser.step()
    after = token_losses(settings.losses, scored_batch(model, rollouts, settings))[1]
    found = {f"loss/{name}": total_loss({name: value.detach()}, shares_NT).item() for name, value in terms.items()}
    kl = {"before": logged, "after": after}
    found |= {f"kl/{when}": -(values["actor/kl_prcp_loss"] * shares_NT).sum().item() for when, values in kl.items()}
    return found | {"reward": rollouts.reward_N.mean().item(), "loss": loss.item()}


def main() -> None:
    """Run one step of PAPO on the shipped tiny model and print what it did."""
    settings = compose(TrainSettings, ["scale=mini", "method=papo_g", "rollouts.sampling.max_new_tokens=24"])
    for name, value in one_step(settings).items():
        print(f"{name:20} {value:+.4f}")


if __name__ == "__main__":
    main()
