"""Everything a training run can be told. A method is a YAML that fills the seven axes, from `views` to `losses`."""

from dataclasses import dataclass
from typing import Literal

from configs import UserError, setting
from data.sources import DataSettings
from data.views import ViewSettings, check_view
from models import ModelSettings, SamplingSettings


@dataclass
class PpoSettings:
    """The clipped surrogate."""

    clip_low: float = setting(0.2, "ratio clip below 1")
    clip_high: float = setting(0.3, "ratio clip above 1; 0.3 is what PAPO's released GRPO scripts run")
    dual_clip: float = setting(3.0, "bound on the loss of negative advantages; 0 = off")


@dataclass
class ReferenceKlSettings:
    """KL to the model the run began from, as a loss."""

    coef: float = setting(0.01, "beta; 0 skips the reference model altogether")


@dataclass
class PerceptionKlSettings:
    """PAPO's implicit perception loss: reward a policy that answers differently on a corrupted picture."""

    view: str = setting("masked", "the corrupted view, a name under `views`")
    coef: float = setting(0.02, "gamma")
    gradient: str = setting("clean", "which branch learns: clean (PAPO as released), masked or both")


@dataclass
class EntropySettings:
    """PAPO's entropy loss: the mean surprisal of sampled tokens is pushed down."""

    coef: float = setting(0.03, "eta of the clean view")
    masked_coef: float = setting(0.0, "eta of the masked view; no gradient unless perception_kl.gradient reaches it")


@dataclass
class LossSettings:
    """Which terms make up the loss."""

    ppo: PpoSettings = setting(factory=PpoSettings, help="policy gradient")
    reference_kl: ReferenceKlSettings | None = setting(None, "k3 towards the reference model")
    perception_kl: PerceptionKlSettings | None = setting(None, "k3 away from the corrupted view")
    entropy: EntropySettings | None = setting(None, "surprisal of sampled tokens")


@dataclass
class AdvantageSettings:
    """From rewards to advantages."""

    kind: str = setting("grpo", "grpo: (R - group mean) / (group std + 1e-6), std with n-1")


@dataclass
class RolloutSettings:
    """How many answers are sampled, and how."""

    prompts: int = setting(384, "prompts per step; PAPO: 384")
    group: int = setting(5, "responses per prompt; PAPO: 5")
    sampling: SamplingSettings = setting(factory=lambda: SamplingSettings(top_p=0.99), help="rollout sampling")


@dataclass
class OptimiserSettings:
    """AdamW and the size of its steps."""

    learning_rate: float = setting(1e-6, "constant after the warm-up")
    warmup_steps: int = setting(0, "linear warm-up in optimiser steps")
    weight_decay: float = setting(0.01, "AdamW's")
    gradient_clip: float = setting(1.0, "bound on the gradient's norm")
    minibatch_prompts: int = setting(128, "prompts per optimiser step; PAPO: 128 of 384, three steps per rollout")
    micro_tokens: int = setting(16384, "tokens that pass the model at once; does not change the result")


@dataclass
class KeepSettings:
    """What a run writes."""

    checkpoint_every: int = setting(10, "steps between checkpoints")
    checkpoints: int = setting(1, "complete checkpoints kept")
    rollouts_every: int = setting(10, "steps between stored rollouts; 0 = none")
    wandb: Literal["offline", "online", "disabled"] = setting("offline", "whether and how W&B logs")


@dataclass
class TrainSettings:
    """One training run."""

    config_version: int = setting(1, "version of this schema")
    scale: str = setting("mini", "size of the whole experiment, a file of configs/scales")
    model: ModelSettings = setting(factory=ModelSettings, help="the policy")
    method: str = setting("grpo", "what is learnt from, a file of configs/methods")
    views: dict[str, ViewSettings] = setting(factory=dict, help="corrupted views by name")
    rollouts: RolloutSettings = setting(factory=RolloutSettings, help="who samples what")
    rewards: dict[str, float] = setting(factory=lambda: {"accuracy": 0.9, "format": 0.1}, help="weights of terms")
    advantage: AdvantageSettings = setting(factory=AdvantageSettings, help="baseline")
    losses: LossSettings = setting(factory=LossSettings, help="loss terms")
    data: DataSettings = setting(factory=DataSettings, help="what is learnt on")
    optimiser: OptimiserSettings = setting(factory=OptimiserSettings, help="how fast")
    keep: KeepSettings = setting(factory=KeepSettings, help="what is written")
    grader: str = setting("papo", "grader of the accuracy reward, see verify")
    steps: int = setting(202, "rollout steps; PAPO: 202")
    seed: int = setting(0, "seed of data order, sampling and masks")
    run: str = setting("", "run folder; empty = runs/<scale>/<method>/seed<seed>")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def check_losses(losses: LossSettings, views: dict[str, ViewSettings]) -> None:
    """Refuse terms that ask for what is not there."""
    for name, view in views.items():
        check_view(name, view)
    term = losses.perception_kl
    if term and term.view not in views:
        raise UserError(
            f"losses.perception_kl.view is '{term.view}' but `views` has no such view; add it to the method"
        )
    if term and term.gradient not in ("clean", "masked", "both"):
        raise UserError(f"losses.perception_kl.gradient is '{term.gradient}'; use clean, masked or both")
    if losses.entropy and losses.entropy.masked_coef and not term:
        raise UserError("losses.entropy.masked_coef needs losses.perception_kl, which names the masked view")


def check(settings: TrainSettings) -> None:
    """Refuse what cannot run, before anything is loaded."""
    check_losses(settings.losses, settings.views)
    if settings.rollouts.group < 2:
        raise UserError("rollouts.group must be at least 2: a group's mean is the baseline of its members")
    if settings.rollouts.prompts % settings.optimiser.minibatch_prompts:
        raise UserError("rollouts.prompts must be a multiple of optimiser.minibatch_prompts")
    unknown = set(settings.rewards) - {"accuracy", "format"}
    if unknown:
        raise UserError(f"unknown reward '{sorted(unknown)[0]}'; use accuracy and format")
