"""How hard each loss term pulls: `force/<term>` = L1 of its gradient on log-probs over that of the policy term.

The gradient is that of the term's own sum, weights and shares included, with respect to every live score (the policy's
log-probs, those of views that learn, entropy, a divergence from the teacher). Where no policy term is on, the first
term is the measure.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from train.audit.gradient import gradients
from train.losses.averages import weighted_sum
from train.losses.batch import ScoredBatch

SUM = "force/"


def forces(terms: Mapping[str, Tensor], shares: Mapping[str, Tensor], batch: ScoredBatch) -> dict[str, Tensor]:
    """Return the L1 norm of every term's gradient on one micro-batch; the graph stays for the update."""
    found = {}
    for name, value_NT in terms.items():
        parts = gradients(weighted_sum(value_NT, shares[name]), batch)
        norms = [part.abs().sum() for part in parts if part is not None]
        found[SUM + name] = torch.stack(norms).sum() if norms else torch.zeros(())
    return found


def relative(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics whose forces are divided by that of the policy term; without forces where it has none.

    Groups that are all right or all wrong leave the policy term without gradient: nothing to measure the others by.
    """
    names = [name for name in metrics if name.startswith(SUM)]
    base = metrics.get(SUM + "ppo", metrics[names[0]] if names else 0.0)
    kept = {name: value for name, value in metrics.items() if base or name not in names}
    return {name: value / base if name in names else value for name, value in kept.items()}
