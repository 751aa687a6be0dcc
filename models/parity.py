"""The parity gate: before an engine samples for a trainer, both must see the same prompt and give the same log-probs.

Where the engine has a processor of its own, its expanded token ids, its pixels with their grids and its M-RoPE
positions are compared with the trainer's, number by number; then the log-probs of a few short responses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from common import UserError
from models.encode import Encoded
from models.engine import Engine, EnginePrompt
from models.inputs import positions_of
from models.loader import VisionLanguageModel, log_once
from models.parts import Group
from models.settings import EngineSettings, SamplingSettings

TOKENS = 32  # per response
AT_ONCE = 4  # prompts that the trainer scores together
# Mean differences per token that two right implementations may have; in bfloat16 pictures alone make about 0.05.
GAP_BOUNDS = {"float32": 0.05, "bfloat16": 0.1}
PATIENCE = 2  # steps in a row


def gap_bound(settings: EngineSettings, dtype: str) -> float:
    return GAP_BOUNDS[dtype] if settings.gap_bound is None else settings.gap_bound


@dataclass
class GapWatch:
    """Stops a run whose sampler and trainer have parted: a sync or a wake that left stale or broken weights."""

    bound: float
    above: int = 0  # steps in a row

    def check(self, step: int, gap_mean: float) -> None:
        """Take the mean gap of a step, the same on every rank."""
        self.above = 0 if gap_mean <= self.bound else self.above + 1  # also where it is not a number
        if self.above >= PATIENCE:
            raise UserError(
                f"the sampler's log-probs differ from the trainer's by {gap_mean:.2g} per token at step {step}, for "
                f"{self.above} steps above engine.gap_bound {self.bound:g}: its weights are not the policy's; start "
                "the same command again, it goes on from the last checkpoint, or set engine.kind=hf"
            )


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """What differs, in sentences, and how far the log-probs of the same tokens lie apart."""

    differences: list[str]
    compared_inputs: bool  # False where the engine takes the trainer's own tokens and pixels
    tokens: int
    gap_mean: float
    gap_max: float
    gap_by_kind: dict[str, float]  # mean of prompts with a picture, and of those without

    def check(self, bound: float) -> None:
        """Refuse an engine that another model, other pixels or other weights stand behind; else say what was seen."""
        if self.differences:
            more = f" (and {len(self.differences) - 1} more)" if len(self.differences) > 1 else ""
            raise UserError(
                f"the engine and the trainer do not see the same prompts: {self.differences[0]}{more}; both must have "
                "the same files, processor and pixel limits, or set engine.kind=hf"
            )
        kinds = ", ".join(f"{kind} {mean:.2g}" for kind, mean in self.gap_by_kind.items())
        gap = (
            f"log-prob gap per token: mean {self.gap_mean:.2g} ({kinds}), largest {self.gap_max:.2g} over "
            f"{self.tokens} tokens"
        )
        # Each kind for itself, as text hides what pictures do; also where it is not a number.
        if not all(mean <= bound for mean in (self.gap_mean, *self.gap_by_kind.values())):
            raise UserError(
                f"{gap}, above engine.gap_bound {bound:g}: sync the weights, use one model.dtype for both, or set "
                "engine.kind=hf"
            )
        log_once(f"parity: {'token ids, pixels and positions equal; ' if self.compared_inputs else ''}{gap}")


@torch.no_grad()
def parity(
    model: VisionLanguageModel, engine: Engine, prompts: Sequence[Encoded], settings: SamplingSettings, seed: int = 0
) -> ParityReport:
    """Compare on a few prompts; choose some with and some without pictures."""
    pairs = [(prompt, engine.seen(prompt)) for prompt in prompts]
    differences = [line for prompt, seen in pairs if seen for line in unlike(model, prompt, seen)]
    short = replace(settings, max_new_tokens=min(TOKENS, settings.max_new_tokens))
    responses = engine.sample(prompts, 1, short, seed)
    gaps: dict[str, list[Tensor]] = {}
    for start in range(0, len(prompts), AT_ONCE):
        part = list(zip(prompts, responses, strict=True))[start : start + AT_ONCE]
        groups = [Group(prompt, [one.token_ids]) for prompt, one in part]
        ours_NT = model.score(groups, temperature=settings.temperature or 1.0).logprobs_NT.cpu()
        for row, (prompt, one) in zip(ours_NT, part, strict=True):
            theirs = torch.tensor(one.logprobs)
            kind = "with picture" if prompt.vision else "text alone"
            gaps.setdefault(kind, []).append((theirs - row[: len(theirs)]).abs())
    every = torch.cat([gap for kind in gaps.values() for gap in kind])
    return ParityReport(
        differences=differences,
        compared_inputs=any(seen for _, seen in pairs),
        tokens=len(every),
        gap_mean=float(every.mean()),
        gap_max=float(every.max()),
        gap_by_kind={kind: float(torch.cat(found).mean()) for kind, found in sorted(gaps.items())},
    )


def unlike(model: VisionLanguageModel, prompt: Encoded, seen: EnginePrompt) -> Iterator[str]:
    """Yield sentences on what the engine sees otherwise."""
    name, ours = prompt.sample_id, prompt.ids.tolist()
    if ours != seen.ids:
        yield unlike_ids(name, ours, seen.ids)
        return
    for key in sorted(prompt.vision, reverse=True):  # pixels last: a wrong grid says more
        if key in seen.vision:
            yield from unlike_tensors(f"{key} of sample {name}", prompt.vision[key], seen.vision[key])
        else:
            yield f"the engine has no {key} for sample {name}"
    if seen.positions_3P is not None:
        yield from unlike_tensors(f"positions of sample {name}", positions_of(model, prompt), seen.positions_3P)


def unlike_ids(name: str, ours: list[int], theirs: list[int]) -> str:
    """Return where two lists of token ids part."""
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if at is None:
        return f"sample {name} has {len(ours)} prompt tokens for the trainer and {len(theirs)} for the engine"
    return f"prompt token {at} of sample {name} is {ours[at]} for the trainer and {theirs[at]} for the engine"


def unlike_tensors(what: str, ours: Tensor, theirs: Tensor) -> Iterator[str]:
    """Yield equal means equal: both sides run the same code on the same pictures, and round to the engine's
    type alike.
    """
    ours, theirs = ours.cpu(), theirs.cpu()
    if ours.shape != theirs.shape:
        yield f"{what} have shape {list(ours.shape)} for the trainer and {list(theirs.shape)} for the engine"
    elif not torch.equal(ours.to(theirs.dtype), theirs):
        if ours.numel() <= 12:
            yield f"{what} are {ours.tolist()} for the trainer and {theirs.tolist()} for the engine"
        else:
            gap = (ours.float() - theirs.float()).abs().max()
            yield f"{what} differ by up to {float(gap):.3g}"
