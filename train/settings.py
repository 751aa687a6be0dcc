"""Everything a training run can be told. A method is a YAML that fills the seven axes, from `views` to `losses`."""

from dataclasses import dataclass
from typing import Literal

from common import UserError
from configs import setting
from data.sources import DataSettings
from data.views import ViewSettings, check_view
from models import EngineSettings, ModelSettings, SamplingSettings


@dataclass
class PpoSettings:
    """The clipped surrogate."""

    clip_low: float = setting(0.2, "ratio clip below 1")
    clip_high: float = setting(0.3, "ratio clip above 1; 0.3 is what PAPO's released GRPO scripts run")
    dual_clip: float = setting(3.0, "bound on the loss of negative advantages; 0 = off")
    ratio: Literal["token", "sequence", "sequence_token"] = setting(
        "token", "importance ratio of a token: its own, or its response's (GSPO; sequence_token lets weights act)"
    )
    importance_cap: float = setting(
        0.0, "weigh tokens by min(trainer / sampler probability, cap), which corrects the engine gap; 0 = off"
    )


@dataclass
class ReferenceKlSettings:
    """KL to the model the run began from."""

    coef: float = setting(0.01, "beta; 0 skips the reference model altogether")
    place: Literal["loss", "reward"] = setting("loss", "k3 in the loss (GRPO) or k1 in the reward (RLOO, REINFORCE++)")


@dataclass
class PerceptionKlSettings:
    """PAPO's implicit perception loss: reward a policy that answers differently on a corrupted picture."""

    view: str = setting("masked", "the corrupted view, a name under `views`")
    coef: float = setting(0.02, "gamma")
    end_coef: float | None = setting(None, "gamma falls linearly to this value; null = constant")
    anneal_share: float = setting(0.5, "share of the run's steps over which gamma falls")
    gradient: Literal["clean", "masked", "both"] = setting("clean", "which branch learns: clean is PAPO as released")
    ratio: Literal["masked_over_clean", "clean_over_masked"] = setting(
        "masked_over_clean", "k3's ratio: as the released code computes it, or as the paper prints it"
    )
    bound: float = setting(10.0, "k3 of a token is cut here, and its gradient with it")
    keep: float = setting(1.0, "share of a response's tokens that keep the term, those of highest k3; 1 = all")
    only_correct: bool = setting(False, "the term acts on responses of accuracy 1 only")


@dataclass
class EntropySettings:
    """PAPO's entropy loss: the mean surprisal of sampled tokens is pushed down."""

    coef: float = setting(0.03, "eta of the clean view")
    masked_coef: float = setting(0.0, "eta of the masked view; no gradient unless perception_kl.gradient reaches it")
    kind: Literal["sampled", "full"] = setting("sampled", "surprisal of sampled tokens (PAPO) or whole entropy")


@dataclass
class NllSettings:
    """Likelihood of the policy's own correct answers."""

    coef: float = setting(0.1, "weight of -log p on responses of accuracy 1")


@dataclass
class LossSettings:
    """Which terms make up the loss, and how tokens are averaged."""

    ppo: PpoSettings = setting(factory=PpoSettings, help="policy gradient")
    reference_kl: ReferenceKlSettings | None = setting(None, "towards the reference model")
    perception_kl: PerceptionKlSettings | None = setting(None, "k3 away from the corrupted view")
    entropy: EntropySettings | None = setting(None, "surprisal of sampled tokens")
    nll: NllSettings | None = setting(None, "log-likelihood of correct answers")
    average: Literal["token", "response", "constant", "four"] = setting(
        "token",
        "mean over tokens of the mini-batch, over responses (GRPO as published), over responses x "
        "max_new_tokens (Dr.GRPO), or over tokens in blocks of four responses (PAPO's released micro-batches)",
    )
    constant: list[str] = setting(
        factory=list, help="terms known to carry no gradient, which the gradient audit lets pass"
    )

    @property
    def reward_kl(self) -> float:
        """Coefficient of the KL to the reference model inside the reward; 0 where it has none."""
        return self.reference_kl.coef if self.reference_kl and self.reference_kl.place == "reward" else 0.0


@dataclass
class AdvantageSettings:
    """From rewards to advantages."""

    kind: Literal["grpo", "drgrpo", "rloo", "reinforce_pp", "reinforce_pp_baseline"] = setting(
        "grpo", "baseline and scale, see train/advantages.py"
    )


@dataclass
class FilterSettings:
    """DAPO's dynamic sampling: keep prompts whose accuracy is mixed, sample more until the step is full."""

    low: float = setting(0.01, "a group is kept when its mean accuracy lies above")
    high: float = setting(0.99, "and below; PAPO and VPPO: 0.01 and 0.99")
    prompts: int = setting(128, "prompts sampled per round; PAPO: 128")
    rounds: int = setting(20, "rounds before the run stops and says so")


@dataclass
class OverlongSettings:
    """DAPO's soft penalty on long responses, added to the reward."""

    buffer: int = setting(512, "the penalty grows over the last so many tokens before max_new_tokens")
    factor: float = setting(1.0, "penalty of a response that reaches max_new_tokens")


@dataclass
class RolloutSettings:
    """How many answers are sampled, and how."""

    prompts: int = setting(384, "prompts per step; PAPO: 384")
    group: int = setting(5, "responses per prompt; PAPO: 5")
    sampling: SamplingSettings = setting(factory=lambda: SamplingSettings(top_p=0.99), help="rollout sampling")
    engine: EngineSettings = setting(factory=EngineSettings, help="what samples")
    filter: FilterSettings | None = setting(None, "dynamic sampling on accuracy")
    overlong: OverlongSettings | None = setting(None, "soft overlong penalty")


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
class ParallelSettings:
    """Who owns optimiser and sharding."""

    backend: Literal["torch", "deepspeed"] = setting("torch", "torch is one process; deepspeed one or many")
    zero_stage: Literal[0, 1, 2, 3] = setting(2, "what is sharded: nothing, optimiser, + gradients, + weights")
    offload: Literal["none", "optimizer", "all"] = setting("none", "what lives in host memory (zero_stage 3: all)")


@dataclass
class KeepSettings:
    """What a run writes."""

    checkpoint_every: int = setting(10, "steps between checkpoints")
    checkpoints: int = setting(1, "complete checkpoints kept")
    rollouts_every: int = setting(10, "steps between stored rollouts, with pictures on W&B; 0 = none")
    wandb: Literal["offline", "online", "disabled"] = setting("offline", "whether and how W&B logs")


@dataclass
class TrainSettings:
    """One training run."""

    config_version: int = setting(2, "version of this schema")
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
    parallel: ParallelSettings = setting(factory=ParallelSettings, help="on how many processes")
    keep: KeepSettings = setting(factory=KeepSettings, help="what is written")
    grader: str = setting("papo", "grader of the accuracy reward, see verify")
    steps: int = setting(202, "rollout steps; PAPO: 202")
    seed: int = setting(0, "seed of data order, sampling and masks")
    run: str = setting("", "run folder; empty = runs/<scale>/<method>/seed<seed>")
    dry_run: bool = setting(False, "print the resolved settings and an estimate of memory and time, and stop")


def check_losses(losses: LossSettings, views: dict[str, ViewSettings]) -> None:
    """Refuse terms that ask for what is not there."""
    for name, view in views.items():
        if name == "clean":
            raise UserError("a view cannot be named clean, which is the picture as it is; choose another name")
        check_view(name, view)
    term = losses.perception_kl
    if term and term.view not in views:
        raise UserError(
            f"losses.perception_kl.view is '{term.view}' but `views` has no such view; add it to the method"
        )
    if term and not 0 < term.keep <= 1:
        raise UserError(f"losses.perception_kl.keep is {term.keep}; it is a share of tokens between 0 and 1")
    if losses.entropy and losses.entropy.masked_coef and not term:
        raise UserError("losses.entropy.masked_coef needs losses.perception_kl, which names the masked view")


def check_rollouts(rollouts: RolloutSettings) -> None:
    """Refuse sampling that could never fill a step."""
    if rollouts.group < 2:
        raise UserError("rollouts.group must be at least 2: a group's mean is the baseline of its members")
    if rollouts.filter and not 0 <= rollouts.filter.low < rollouts.filter.high <= 1:
        raise UserError("rollouts.filter needs 0 <= low < high <= 1: a group is kept when its accuracy lies between")
    if rollouts.filter and rollouts.filter.prompts * rollouts.filter.rounds < rollouts.prompts:
        raise UserError("rollouts.filter: rounds x prompts is less than rollouts.prompts; raise one of them")
    if rollouts.overlong and not 0 < rollouts.overlong.buffer <= rollouts.sampling.max_new_tokens:
        raise UserError("rollouts.overlong.buffer must lie between 1 and rollouts.sampling.max_new_tokens")


def check(settings: TrainSettings) -> None:
    """Refuse what cannot run, before anything is loaded."""
    check_losses(settings.losses, settings.views)
    check_rollouts(settings.rollouts)
    if settings.rollouts.prompts % settings.optimiser.minibatch_prompts:
        raise UserError("rollouts.prompts must be a multiple of optimiser.minibatch_prompts")
    unknown = set(settings.rewards) - {"accuracy", "format"}
    if unknown:
        raise UserError(f"unknown reward '{sorted(unknown)[0]}'; use accuracy and format")


def check_shares(settings: TrainSettings, processes: int) -> None:
    """Refuse a number of processes that cannot share every mini-batch equally."""
    if settings.optimiser.minibatch_prompts % processes:
        raise UserError(
            f"optimiser.minibatch_prompts is {settings.optimiser.minibatch_prompts}, which {processes} processes "
            "cannot share equally; make it a multiple"
        )
