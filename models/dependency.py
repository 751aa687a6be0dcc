"""How much each token of a response depends on the picture: the same tokens scored under two views.

With l the log-prob of a token behind the real picture, m behind the corrupted one, and d = m - l:

    k1                l - m, of either sign
    k3                min(exp(d) - d - 1, 10), d clipped to [-20, 20]; never negative
    probability_drop  exp(l) - exp(m), what VPPO's ablation finds to be a poor signal
    entropy_change    H(corrupted) - H(real) over the whole vocabulary: how much less sure without the picture
    kl                KL(real || corrupted) over the whole vocabulary, what VPPO's equation 3 prints

Over tokens sampled from the real view the means of k1 and (but for its bounds) of k3 estimate that KL.
k3 is what the released code of PAPO (arXiv 2507.06448) adds to its loss before the coefficient and what VPPO's
(arXiv 2510.09285) ranks tokens by; `train/losses/perception.py` has it with gradients and switches, and a test holds
the two to the same number. As a score it is large both where the picture made a token likelier and where it made it
less likely. Shapes: N responses, T longest response (or one response's tokens).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common import UserError
from data import Sample
from data.views import View
from models.kl import k1, k3
from models.loader import VisionLanguageModel
from models.parts import Group

DEPENDENT_K3 = 0.1  # nats: without the picture the token is 1.5 times as likely, or 0.62 times


def probability_drop(logp_NT: Tensor, masked_logp_NT: Tensor) -> Tensor:
    return logp_NT.exp() - masked_logp_NT.exp()


def entropy_change(entropy_NT: Tensor, masked_entropy_NT: Tensor) -> Tensor:
    return masked_entropy_NT - entropy_NT


@dataclass(frozen=True)
class ViewScores:
    """One response under two views, as long as its tokens and on the CPU; None where not asked for."""

    sample_id: str
    token_ids: tuple[int, ...]
    logprobs_T: Tensor
    masked_logprobs_T: Tensor
    entropy_T: Tensor | None = None
    masked_entropy_T: Tensor | None = None
    kl_T: Tensor | None = None

    def token_scores(self) -> dict[str, Tensor]:
        """Return every score that can be had, by name."""
        pair = self.logprobs_T, self.masked_logprobs_T
        found = {"k1": k1(*pair), "k3": k3(*pair), "probability_drop": probability_drop(*pair)}
        if self.entropy_T is not None and self.masked_entropy_T is not None:
            found["entropy_change"] = entropy_change(self.entropy_T, self.masked_entropy_T)
        if self.kl_T is not None:
            found["kl"] = self.kl_T
        return found


@dataclass(frozen=True)
class Summary:
    """One number per response; not a number where a response has no token."""

    mean_N: Tensor
    share_above_N: Tensor
    top_decile_N: Tensor


def summarise(score_NT: Tensor, mask_NT: Tensor, threshold: float) -> Summary:
    """Return a response's mean score, its share of tokens above the threshold, the mean of its highest tenth of
    tokens.

    The highest tenth of T tokens are ceil(T / 10), rounded as VPPO rounds its share of tokens.
    """
    valid = mask_NT > 0
    count_N = valid.sum(1)
    share_above_N = ((score_NT > threshold) & valid).sum(1) / count_N
    top_N = (count_N + 9) // 10
    ordered_NT = score_NT.masked_fill(~valid, -torch.inf).sort(dim=1, descending=True).values
    is_top_NT = torch.arange(score_NT.shape[1], device=score_NT.device) < top_N[:, None]
    return Summary(
        torch.where(valid, score_NT, 0).sum(1) / count_N,
        share_above_N,
        torch.where(is_top_NT, ordered_NT, 0).sum(1) / top_N.to(score_NT.dtype),
    )


def response_scores(logp_NT: Tensor, masked_logp_NT: Tensor, mask_NT: Tensor) -> dict[str, Tensor]:
    """Return how much each response [N] leans on the picture: what the dashboard shows of every method, by name."""
    found = summarise(k3(logp_NT, masked_logp_NT), mask_NT, DEPENDENT_K3)
    signed = summarise(k1(logp_NT, masked_logp_NT), mask_NT, DEPENDENT_K3)
    return {
        "k3_mean": found.mean_N,
        "share_above": found.share_above_N,
        "top_decile": found.top_decile_N,
        "k1_mean": signed.mean_N,
    }


@dataclass(frozen=True)
class Prompt:
    """A sample and which of all responses answer it; each with its number among the sample's, for its draw."""

    sample: Sample
    rows: list[int]
    draws: list[int]


def by_prompt(samples: Sequence[Sample], token_ids: Sequence[Sequence[int]]) -> list[Prompt]:
    """Return responses to one sample together, in order of appearance; those without a token have nothing to score."""
    prompts: dict[str, Prompt] = {}
    seen: dict[str, int] = {}
    for row, (sample, ids) in enumerate(zip(samples, token_ids, strict=True)):
        prompt = prompts.setdefault(sample.id, Prompt(sample, [], []))
        if prompt.sample is not sample and prompt.sample != sample:
            raise UserError(f"two different samples have the id {sample.id}; score them in separate calls")
        draw = seen.get(sample.id, 0)
        seen[sample.id] = draw + 1
        if ids:
            prompt.rows.append(row)
            prompt.draws.append(draw)
    return [prompt for prompt in prompts.values() if prompt.rows]


def micro_batches(prompts: Sequence[Prompt], batch: int) -> Iterator[list[Prompt]]:
    """At most `batch` responses at a time; a prompt with more is cut."""
    part: list[Prompt] = []
    room = batch
    for prompt in prompts:
        for start in range(0, len(prompt.rows), batch):
            cut = slice(start, start + batch)
            piece = Prompt(prompt.sample, prompt.rows[cut], prompt.draws[cut])
            if len(piece.rows) > room:
                yield part
                part, room = [], batch
            part.append(piece)
            room -= len(piece.rows)
    if part:
        yield part


def two_views(
    model: VisionLanguageModel,
    part: Sequence[Prompt],
    token_ids: Sequence[Sequence[int]],
    view: View,
    seed: int,
) -> tuple[list[Group], list[Group]]:
    """Groups behind the real and behind the corrupted pictures; the responses in both stand in the same order."""
    clean, asked, answers = [], [], []
    for prompt in part:
        own = [model.encoder.response_ids(prompt.sample.id, token_ids[row]).tolist() for row in prompt.rows]
        clean.append(Group(model.encoder.encode(prompt.sample), own))
        drawn = [(0, own)]
        if view.draw == "per_response":
            drawn = [(draw, [ids]) for draw, ids in zip(prompt.draws, own, strict=True)]
        asked += [(prompt.sample, clean[-1].prompt, draw) for draw, _ in drawn]
        answers += [ids for _, ids in drawn]
    seen = model.encoder.see_all(asked, view, seed)
    return clean, [Group(prompt, ids) for prompt, ids in zip(seen, answers, strict=True)]


def score_part(
    model: VisionLanguageModel, clean: list[Group], masked: list[Group], temperature: float, entropy: bool, kl: bool
) -> list[dict[str, Tensor]]:
    """Return the tensors of `ViewScores` for every response of a micro-batch."""
    lengths = [len(ids) for group in clean for ids in group.responses]
    compare = ["kl"] if kl else []
    scores = model.score(clean, against={"masked": masked}, compare=compare, temperature=temperature, entropy=entropy)
    view = scores.views["masked"]
    columns = {
        "logprobs_T": scores.logprobs_NT,
        "masked_logprobs_T": view.logprobs_NT,
        "entropy_T": scores.entropy_NT,
        "masked_entropy_T": view.entropy_NT,
        "kl_T": view.kl_NT,
    }
    there = {name: value.cpu() for name, value in columns.items() if value is not None}
    return [{name: value[n, :length] for name, value in there.items()} for n, length in enumerate(lengths)]


@torch.no_grad()
def score_two_views(
    model: VisionLanguageModel,
    samples: Sequence[Sample],
    token_ids: Sequence[Sequence[int]],
    view: View,
    seed: int = 0,
    batch: int = 32,
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    kl: bool = False,
    progress: Callable[[int, str], None] = lambda done, note: None,
) -> list[ViewScores]:
    """Scores of each response on its sample's pictures and on the corrupted ones, in the order given.

    A sample stands once for each of its responses. Its prompt passes once per view with all of them, and both views
    of up to `batch` responses pass the model together. The view is drawn as in training: once per prompt, or anew for
    the sample's 1st, 2nd ... response.
    """
    if batch < 1:
        raise UserError(f"batch must be at least 1 response, not {batch}")
    tokens = [tuple(map(int, ids)) for ids in token_ids]  # arrays, where they come from a table
    nothing = torch.zeros(0)
    empty = dict.fromkeys(["logprobs_T", "masked_logprobs_T"], nothing)
    empty |= dict.fromkeys(["entropy_T", "masked_entropy_T"], nothing) if entropy else {}
    empty |= {"kl_T": nothing} if kl else {}
    found = [ViewScores(sample.id, ids, **empty) for sample, ids in zip(samples, tokens, strict=True)]
    done = 0
    for part in micro_batches(by_prompt(samples, tokens), batch):
        clean, masked = two_views(model, part, tokens, view, seed)
        rows = [row for prompt in part for row in prompt.rows]
        for row, tensors in zip(rows, score_part(model, clean, masked, temperature, entropy, kl), strict=True):
            found[row] = ViewScores(samples[row].id, tokens[row], **tensors)
        done += len(rows)
        progress(done, "")
    return found
