"""Every panel as data: which metric, under which title, what it tells. The local page and W&B draw the same list.

A metric that ends in `*` stands for all metrics that begin with what precedes it, one panel each. A method that lacks
a metric (GRPO has no perception term) has no line in its panel, and a panel without any line is left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ALL = "*"


@dataclass(frozen=True)
class Panel:
    """One metric over the steps."""

    metric: str
    title: str
    about: str  # how to read it, in a sentence
    unit: str = ""
    smooth: bool = True  # whether a running mean may be drawn: not for flags and rare measurements

    def members(self, names: Iterable[str]) -> list[str]:
        """Return the metrics among `names` that the panel shows, in their order."""
        if not self.metric.endswith(ALL):
            return [self.metric] if self.metric in names else []
        return [name for name in names if name.startswith(self.metric.removesuffix(ALL))]


@dataclass(frozen=True)
class Section:
    """Panels that answer one question."""

    name: str
    about: str
    panels: tuple[Panel, ...] = ()
    pictures: tuple[str, ...] = ()  # by the names under which W&B has them
    tables: tuple[str, ...] = ()


SECTIONS = (
    Section(
        "Outcome",
        "Does it learn what it is rewarded for, and does that carry over to problems it is not trained on?",
        (
            Panel("critic/rewards/mean", "Reward", "Mean over the step's responses; all reward terms, weighted."),
            Panel("reward/*", "Reward term", "One term before its weight."),
            Panel(
                "validation/accuracy",
                "Validation accuracy",
                "Held-out problems, always with the same draws (validate.*).",
                "share",
                smooth=False,
            ),
            Panel("accuracy/*", "Accuracy by tag", "Training problems that carry the tag."),
        ),
        tables=("predictions",),
    ),
    Section(
        "Seeing",
        "Does the answer depend on the picture, and more so as training goes on?",
        (
            Panel("dependency/k3_mean", "Dependency", "Mean k3 per token between clean and masked picture.", "nats"),
            Panel(
                "dependency/share_above",
                "Dependent tokens",
                "Tokens that the masked picture makes unlikelier.",
                "share",
            ),
            Panel("dependency/word/*", "Dependency by word", "Mean k3 of the tokens of that kind.", "nats"),
            Panel(
                "validation/accuracy_corrupted",
                "Validation accuracy, corrupted",
                "The same problems behind validate.view: what is right without seeing.",
                "share",
                smooth=False,
            ),
            Panel("errors/*", "Errors", "Of all judged answers, where the data know why an answer is wrong.", "share"),
            Panel("dependency/top_decile", "Dependency, top tenth", "Mean k3 of the tenth that depends most.", "nats"),
            Panel("actor/kl_prcp_loss", "Perception KL, negative", "PAPO's curve: it falls as the KL grows.", "nats"),
            Panel(
                "actor/masked_entropy_loss",
                "Surprisal, masked",
                "Of the sampled tokens behind the masked picture.",
                "nats",
            ),
        ),
    ),
    Section(
        "Loss terms",
        "What each term is worth, and how hard it pulls beside the policy gradient.",
        (
            Panel("loss/*", "Loss", "The term's share of the loss, coefficient included."),
            Panel("weights/*", "Weights", "A weight's mean over the step's tokens, and the share of tokens it drops."),
            Panel("scores/*", "Scores", "Mean over the step's tokens of a score that a weight reads."),
            Panel("force/*", "Force", "L1 of the term's gradient on log-probs over that of the policy term."),
            Panel("actor/grad_norm", "Gradient norm", "Before it is clipped."),
        ),
    ),
    Section(
        "Health",
        "Signs that a run is about to fail, before its reward falls.",
        (
            Panel(
                "actor/entropy_loss", "Surprisal", "Of the sampled tokens; near 0, nothing is explored.", "nats/token"
            ),
            Panel("actor/ppo_kl", "KL to the sampling policy", "How far the updates of a step lead away.", "nats"),
            Panel("actor/kl_loss", "KL to the reference", "How far training has led away.", "nats"),
            Panel("actor/pg_clipfrac_higher", "Clipped above", "Tokens whose ratio the upper bound cuts.", "share"),
            Panel("rollout/engine_gap_mean", "Engine gap", "Sampler against trainer, mean per token.", "nats"),
            Panel(
                "collapse/signals", "Signs of collapse", "How many of train/collapse.py's five are seen.", smooth=False
            ),
            Panel("collapse/onset", "Onset of a collapse", "1 from where the reward has fallen far.", smooth=False),
            Panel("response_length/mean", "Response length", "Mean over responses.", "tokens"),
            Panel("response_length/clip_ratio", "Truncated", "Responses that the length limit cut.", "share"),
            Panel("critic/groups_without_signal", "Equal-reward groups", "Groups that teach nothing.", "share"),
        ),
    ),
    Section(
        "Rollouts",
        "What the policy answers: the picture as it is, beside the corrupted one, with a response and its reward.",
        pictures=("rollouts",),
    ),
    Section(
        "Cost",
        "Where the time of a step goes.",
        (
            Panel("timing_s/*", "Time", "Of one step.", "s"),
            Panel("perf/throughput", "Throughput", "Tokens of prompts and responses.", "tokens/s"),
            Panel("perf/max_memory_gb", "Memory of the host", "Largest so far, first process.", "GiB"),
            Panel("perf/max_gpu_memory_gb", "Memory of the GPU", "Largest so far, first process.", "GiB"),
            Panel("filter/generated", "Prompts sampled", "Until the step was full (dynamic sampling)."),
        ),
    ),
)


def panels() -> Iterator[Panel]:
    for section in SECTIONS:
        yield from section.panels
