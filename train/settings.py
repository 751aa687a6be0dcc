"""Everything a training run can be told. A method is a YAML that fills the seven axes, from `views` to `losses`."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal, Union

from configs import setting
from data.sources import DataSettings
from data.views import AnyView
from models import EngineSettings, ModelSettings, SamplingSettings
from train.losses import TERMS
from train.losses.likelihood import EntropySettings, NllSettings
from train.losses.perception import PerceptionKlSettings
from train.losses.ppo import PpoSettings
from train.losses.reference import ReferenceKlSettings
from train.losses.term import Term
from train.plans import PLANS
from train.plans.plain import Plain
from train.rewards import REWARDS, OverlongSettings
from train.rewards.basic import Accuracy, Format
from train.weights import WEIGHTS
from verify.llm_judge import JudgeSettings

# A tagged union of all kinds of one sort: `kind` in a YAML chooses the dataclass.
if TYPE_CHECKING:
    from train.losses.term import Term as AnyTerm
    from train.plans import Plan as AnyPlan
    from train.rewards import Reward as AnyReward
    from train.weights import Weight as AnyWeight
else:
    AnyTerm, AnyWeight, AnyReward, AnyPlan = (
        Union[tuple(pieces.values())]  # noqa: UP007 (the members are a variable)
        for pieces in (TERMS, WEIGHTS, REWARDS, PLANS)
    )

# What a run writes and where it runs; its numbers do not follow from these.
PLACE = frozenset({"run", "keep", "parallel"})
WEIGHTS_OF = "weights."  # before a weight's name in losses.constant


@dataclass(frozen=True)
class LossSettings:
    """Which terms make up the loss, and how tokens are averaged."""

    ppo: PpoSettings | None = setting(factory=PpoSettings, help="policy gradient")
    reference_kl: ReferenceKlSettings | None = setting(None, "towards the reference model")
    perception_kl: PerceptionKlSettings | None = setting(None, "k3 away from the corrupted view")
    entropy: EntropySettings | None = setting(None, "surprisal of sampled tokens")
    nll: NllSettings | None = setting(None, "log-likelihood of correct answers")
    terms: dict[str, AnyTerm] = setting(factory=dict, help="further terms by name")
    average: Literal["token", "response", "constant", "four"] = setting(
        "token",
        "mean over tokens of the mini-batch, over responses (GRPO as published), over responses x "
        "max_new_tokens (Dr.GRPO), or over tokens in blocks of four responses (PAPO's released micro-batches)",
    )
    denominator: Literal["all", "selected", "mass", "per_prompt"] = setting(
        "all",
        "what a weighted term is divided by: all tokens, those of weight above 0, each response's own sum of weights, "
        "or the number of prompts",
    )
    constant: list[str] = setting(
        factory=list, help="terms without gradient, and weights.<name> without variation, that the audit lets pass"
    )

    @property
    def reward_kl(self) -> float:
        """Coefficient of the KL to the reference model inside the reward; 0 where it has none."""
        return self.reference_kl.coef if self.reference_kl and self.reference_kl.place == "reward" else 0.0

    def enabled(self) -> Iterator[Term]:
        """Yield the terms that are on, the fixed ones first."""
        yield from self.places().values()

    def places(self) -> dict[str, Term]:
        """Return the terms that are on by the settings that hold them."""
        fixed = {f"losses.{one.name}": getattr(self, one.name) for one in fields(self)}
        named = {f"losses.terms.{name}": term for name, term in self.terms.items()}
        return {place: term for place, term in fixed.items() if isinstance(term, Term)} | named


@dataclass(frozen=True)
class AdvantageSettings:
    """From rewards to advantages."""

    kind: Literal["grpo", "drgrpo", "rloo", "reinforce_pp", "reinforce_pp_baseline"] = setting(
        "grpo", "baseline and scale, see train/advantages.py"
    )
    channels: Literal["sum", "per_term"] = setting(
        "sum", "standardise the sum of all reward terms, or each term apart and add their clipped losses"
    )
    epsilon: float = setting(
        1e-6, "added to a group's std (grpo); 1e-4 in TRL and what is built on it", bounds="[0, inf)"
    )


@dataclass(frozen=True)
class FilterSettings:
    """DAPO's dynamic sampling: keep prompts whose accuracy is mixed, sample more until the step is full."""

    by: list[str] = setting(["accuracy"], "reward terms of which one must be mixed within the prompt's rows")
    low: float = setting(0.01, "a group is kept when its mean accuracy lies above", bounds="[0, 1]")
    high: float = setting(0.99, "and below; PAPO and VPPO: 0.01 and 0.99", bounds="[0, 1]")
    prompts: int = setting(128, "prompts sampled per round; PAPO: 128", bounds="[1, inf)")
    rounds: int = setting(20, "rounds before the run stops and says so", bounds="[1, inf)")


@dataclass(frozen=True)
class RolloutSettings:
    """How many answers are sampled, and how."""

    prompts: int = setting(384, "prompts per step; PAPO: 384", bounds="[1, inf)")
    group: int = setting(5, "responses per prompt; PAPO: 5")
    plan: AnyPlan = setting(factory=Plain, help="who is asked what, on which picture, how often")
    sampling: SamplingSettings = setting(factory=lambda: SamplingSettings(top_p=0.99), help="rollout sampling")
    engine: EngineSettings = setting(factory=EngineSettings, help="what samples")
    filter: FilterSettings | None = setting(None, "dynamic sampling on accuracy")
    overlong: OverlongSettings | None = setting(None, "soft overlong penalty")


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW and the size of its steps."""

    learning_rate: float = setting(1e-6, "constant after the warm-up; 0 = learn nothing", bounds="[0, inf)")
    warmup_steps: int = setting(0, "linear warm-up in optimiser steps", bounds="[0, inf)")
    weight_decay: float = setting(0.01, "AdamW's", bounds="[0, inf)")
    gradient_clip: float = setting(1.0, "bound on the gradient's norm", bounds="(0, inf)")
    minibatch_prompts: int = setting(
        128, "prompts per optimiser step; PAPO: 128 of 384, three steps per rollout", bounds="[1, inf)"
    )
    micro_tokens: int = setting(
        16384, "tokens that pass the model at once; does not change the result", bounds="[1, inf)"
    )


@dataclass(frozen=True)
class ParallelSettings:
    """Who owns optimiser and sharding."""

    backend: Literal["torch", "deepspeed"] = setting("torch", "torch is one process; deepspeed one or many")
    zero_stage: Literal[0, 1, 2, 3] = setting(2, "what is sharded: nothing, optimiser, + gradients, + weights")
    offload: Literal["none", "optimizer", "all"] = setting("none", "what lives in host memory (zero_stage 3: all)")


@dataclass(frozen=True)
class ValidateSettings:
    """Held-out problems that the policy is asked about while it learns; the best weights are kept in `best`."""

    data: DataSettings = setting(factory=lambda: DataSettings(split="validation"), help="whose first problems")
    items: int = setting(90, "problems", bounds="[1, inf)")
    k: int = setting(8, "responses per problem; PAPO: 8", bounds="[1, inf)")
    every: int = setting(5, "steps between, and once before the first; PAPO: 5", bounds="[1, inf)")
    view: str = setting("", "a name under `views`: the same problems are asked behind it as well; empty = not")


@dataclass(frozen=True)
class KeepSettings:
    """What a run writes."""

    checkpoint_every: int = setting(10, "steps between checkpoints", bounds="[1, inf)")
    checkpoints: int = setting(1, "complete checkpoints kept", bounds="[1, inf)")
    rollouts_every: int = setting(
        10, "steps between stored rollouts, with pictures on W&B; 0 = none", bounds="[0, inf)"
    )
    wandb: Literal["offline", "online", "disabled"] = setting("offline", "whether and how W&B logs")
    entity: str = setting("", "W&B user or team; empty = the account's own")
    project: str = setting("percept", "W&B project")
    stop_on_collapse: bool = setting(False, "end a run with an error at the onset of a collapse (train/collapse.py)")


@dataclass(frozen=True)
class TrainSettings:
    """One training run."""

    retired: ClassVar = {"losses.perception_kl.keep": 1.0, "losses.perception_kl.only_correct": False}
    config_version: int = setting(3, "version of this schema")
    scale: str = setting("mini", "size of the whole experiment, a file of configs/scales")
    model: ModelSettings = setting(factory=ModelSettings, help="the policy")
    method: str = setting("grpo", "what is learnt from, a file of configs/methods")
    views: dict[str, AnyView] = setting(factory=dict, help="corrupted views by name")
    rollouts: RolloutSettings = setting(factory=RolloutSettings, help="who samples what")
    rewards: dict[str, AnyReward] = setting(
        factory=lambda: {"accuracy": Accuracy(weight=0.9), "format": Format(weight=0.1)}, help="reward terms by name"
    )
    advantage: AdvantageSettings = setting(factory=AdvantageSettings, help="baseline")
    weights: dict[str, AnyWeight] = setting(factory=dict, help="token and response weights by name")
    losses: LossSettings = setting(factory=LossSettings, help="loss terms")
    judge: JudgeSettings | None = setting(None, "a server that rewards ask which facts a response expresses")
    reader: JudgeSettings | None = setting(None, "a server that a plan asks to answer from text alone")
    teacher: ModelSettings | None = setting(
        None, "a second model that terms and weights may name as teacher, a file of configs/models", group="models"
    )
    teacher_follows: float = setting(
        0.0,
        "share of the policy's weights that the teacher takes over after each step; above 0 the teacher begins as the "
        "policy where `teacher` is empty",
        bounds="[0, 1]",
    )
    data: DataSettings = setting(factory=DataSettings, help="what is learnt on")
    optimiser: OptimiserSettings = setting(factory=OptimiserSettings, help="how fast")
    parallel: ParallelSettings = setting(factory=ParallelSettings, help="on how many processes")
    keep: KeepSettings = setting(factory=KeepSettings, help="what is written")
    validate: ValidateSettings | None = setting(None, "accuracy on held-out problems while it learns")
    grader: str = setting("papo", "grader of the accuracy reward, see verify")
    steps: int = setting(202, "rollout steps; PAPO: 202", bounds="[1, inf)")
    seed: int = setting(0, "seed of data order, sampling and masks", bounds="[0, inf)")
    run: str = setting("", "run folder; empty = runs/<scale>/<method>/seed<seed>")

    def step_seed(self, number: int) -> int:
        """Return the seed of all chance of a step (sampling, masks): a resumed run repeats it."""
        return self.seed * 1_000_003 + number

    @property
    def teacher_model(self) -> ModelSettings | None:
        """Return what the teacher is loaded from; None where the run has none."""
        return self.teacher or (self.model if self.teacher_follows else None)
