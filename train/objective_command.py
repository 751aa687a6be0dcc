"""What the objective's command line says and takes. Kept apart from torch: --help is there at once."""

import sys
from dataclasses import dataclass

from configs import command, setting
from train.settings import TrainSettings

SUMMARY = """The objective of a method on tensors of your own.

`python -m train.objective method=papo_g tensors=in.safetensors out=out.safetensors` reads, for N responses of up to T
tokens: logp, old_logp, mask [N,T], reward, group [N]; and what the method asks for: ref_logp, logp_<view>, engine_logp
(losses.ppo.importance_cap), entropy (losses.entropy.kind=full) [N,T], accuracy [N] (losses.nll, a weight of kind
correct), mark_<span> [N,T], token_ids [N,T] (int64; a weight that reads them), reward_<term> [N], teacher_logp_<view>
and teacher_kl_<view> (data), and what a term compares over the vocabulary with a teacher, with gradient: kl_teacher,
kl_teacher_steered, kl_prior, kl_sharpened, jsd_teacher [N,T]. A score from before the step may be named with or
without old_. You may add accuracy [N], for the filter; prompt [N], else group; role [N], else 0; progress, the share
of the run that is over, else 0.

Padding comes last in a row and may hold anything; log-probs are float32 or float64. A group of one response keeps its
reward as its advantage.

It writes loss; grad_logp, grad_logp_<view>, grad_entropy [N,T], 0 where a branch is frozen; advantage [N] (the mean
over a response's tokens) and advantage_tokens [N,T]; weights [N,T], what multiplies the clipped loss (distillation has
none: its own), denominator included; weights/<piece> [N,T]; loss/<term> and one scalar per metric, a mean over tokens.

The file is one mini-batch, the coefficients are those of the first step. reward is taken as it stands, so an overlong
penalty is yours to add. Where the method filters groups (DAPO) and accuracy is given, groups outside the bounds are
left out: no gradient, no advantage, no weight, and the denominators count the tokens of the others; without accuracy
every group is kept."""


@dataclass(frozen=True)
class ObjectiveCommand(TrainSettings):
    """A method's settings with two files; the coefficients are the paper's 3B rows unless a scale is named."""

    scale: str = setting("3b", "whose coefficients, a file of configs/scales")
    tensors: str = setting("", "safetensors file to read")
    out: str = setting("", "safetensors file to write")


def main() -> int:
    return command(
        ObjectiveCommand,
        "train.objective_tensors:run",
        sys.argv[1:],
        prog="python -m train.objective",
        summary=SUMMARY,
    )
