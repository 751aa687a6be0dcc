"""The estimate as text: what `python -m train ... dry_run=true` prints below the settings."""

import os
from collections.abc import Sequence

from models.assumed import ASSUMED, GIB, SMALL
from models.shape import read_shape
from train.checks import check, check_families, check_places
from train.estimate import GPU_COUNTS, STAGES, Estimate, Memory, estimate
from train.settings import TrainSettings


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first column on the left, numbers on the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


def count_text(count: float) -> str:
    """Return a number of parameters or tokens as people say it."""
    for unit, name in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:.2f}{name}"
    return f"{count:.0f}"


def gib(count: float) -> str:
    return f"{count / GIB:.1f}" if count >= 0.05 * GIB or not count else "<0.1"


def verdict(memory: Memory) -> str:
    return "refused" if memory.refused else "yes" if memory.fits else "no"


def render(estimate: Estimate) -> str:
    """Return the estimate of one number of GPUs as text."""
    shape, settings = estimate.shape, estimate.settings
    rollouts, model = settings.rollouts, settings.model
    parts = {"vision": shape.vision, "language": shape.language, "embeddings": shape.embeddings}
    counts = ", ".join(f"{name} {count_text(value)}" for name, value in parts.items())
    passes = [["pass", "language tokens", "image patches", "PFLOP", "seconds"]]
    passes += [
        [p.name, count_text(p.tokens), count_text(p.patches), f"{p.flops / 1e15:.3g}", f"{p.seconds:.1f}"]
        for p in estimate.passes
    ]
    names = ["weights", "gradients", "optimiser", "reference", "buffers", "host"]
    memory = [["stage", *names, "learning", "sampling", "fits"]]
    memory += [
        [str(stage), *(gib(getattr(m, name)) for name in names), gib(m.learning), gib(m.sampling), verdict(m)]
        for stage, m in estimate.zero.items()
    ]
    kept, shown = estimate.activations, f"{estimate.gpus} GPU{'s' if estimate.gpus > 1 else ''}"
    return "\n".join(
        [
            f"parameters: {counts}, all {count_text(shape.total)}, learning {count_text(shape.trainable)}",
            f"  shape: {shape.source}",
            f"a step on {shown}: {rollouts.prompts} prompts x {rollouts.group} responses; prompt up to "
            f"{estimate.prompt_tokens} tokens, {estimate.image_tokens} of them the picture's; response "
            f"{estimate.response_tokens} of at most {rollouts.sampling.max_new_tokens}",
            *columns(passes),
            f"GiB of each GPU by ZeRO stage, on {shown} (learning and sampling are the peaks; host is the "
            "machine's memory)",
            *columns(memory),
            f"  in learning: activations {gib(kept[True])} with model.gradient_checkpointing, "
            f"{gib(kept[False])} without "
            f"(now {'with' if model.gradient_checkpointing else 'without'}), largest chunk of logits "
            f"{gib(estimate.logits)}; in sampling: {rollouts.engine.kind} {gib(estimate.sampler)}",
        ]
    )


def render_worlds(estimates: Sequence[Estimate]) -> str:
    """Peak memory and hours for several numbers of GPUs; what does not fit says so."""
    rows = [["GPUs", *(f"ZeRO {stage}" for stage in STAGES), "hours", "GPU hours"]]
    for one in estimates:
        peaks = [
            "refused" if m.refused else gib(max(m.learning, m.sampling)) + (" fits" if m.fits else "   no")
            for m in one.zero.values()
        ]
        rows.append([str(one.gpus), *peaks, f"{one.hours:.1f}", f"{one.hours * one.gpus:.0f}"])
    settings = estimates[0].settings
    shares = f"GPUs that optimiser.minibatch_prompts={settings.optimiser.minibatch_prompts} can be shared by"
    return "\n".join([f"{shares}: peak GiB of each, of {ASSUMED.gpu_gib}; hours of the run", *columns(rows)])


def assumptions(estimate: Estimate) -> list[str]:
    """Return what the numbers rest on."""
    model, engine = estimate.settings.model, estimate.settings.rollouts.engine.kind
    lines = [
        f"picture tokens are the upper bound that model.max_pixels={model.max_pixels} allows; text of a prompt "
        f"{ASSUMED.text_tokens} tokens, mean response {ASSUMED.response_tokens} or max_new_tokens",
        f"H100: {ASSUMED.peak_flops[model.dtype] / 1e12:.0f} TFLOP/s at {ASSUMED.utilisation:.0%} while scoring and "
        f"learning; {engine} samples {estimate.sampled_per_second:,.0f} tokens/s per GPU",
        f"a round of samples takes at least max_new_tokens x {1000 * ASSUMED.decode_s:.0f} ms: its longest response",
        f"{ASSUMED.reserved_gib} GiB of each GPU are kept free for CUDA and NCCL; vLLM sleeps while the policy learns",
        "not counted: traffic between GPUs and with host memory, rewards, checkpoints, evaluation",
    ]
    if estimate.settings.rollouts.filter:
        lines.append(f"dynamic sampling is taken to sample {ASSUMED.filter_rounds} prompts for each that it keeps")
    if any(memory.refused for memory in estimate.zero.values()):
        lines.append("refused: at ZeRO 0 DeepSpeed keeps no float32 copy of bfloat16 weights")
    if estimate.settings.parallel.backend == "torch":
        lines.append("parallel.backend=torch is one process in float32; more GPUs need parallel.backend=deepspeed")
    if estimate.shape.total < SMALL:
        lines.append("a model this small waits for kernels to start, not for arithmetic: measure the time instead")
    if not estimate.zero[estimate.settings.parallel.zero_stage].fits:
        lines.append(
            "the chosen settings do not fit: model.gradient_checkpointing=true, parallel.zero_stage=3 and "
            "parallel.offload=optimizer save memory, and smaller values of optimiser.micro_tokens and of "
            f"rollouts.{'engine.memory_share' if engine == 'vllm' else 'sampling.batch'}"
        )
    return lines


def chosen(estimates: Sequence[Estimate]) -> Estimate:
    """Return the one shown in full: the fewest GPUs on which the chosen ZeRO stage fits, or else the most."""
    fitting = [one for one in estimates if one.zero[one.settings.parallel.zero_stage].fits]
    return fitting[0] if fitting else estimates[-1]


def print_estimate(settings: TrainSettings) -> None:
    """Print as YAML comments, so that a dry run's output can still be read back as settings."""
    check(settings)
    check_places(settings)
    check_families(settings)
    if os.environ.get("RANK", "0") != "0":
        return
    shape = read_shape(settings.model)
    counts = [gpus for gpus in GPU_COUNTS if settings.optimiser.minibatch_prompts % gpus == 0]
    estimates = [estimate(settings, gpus, shape) for gpus in counts]
    started = os.environ.get("WORLD_SIZE")
    shown = estimate(settings, int(started), shape) if started else chosen(estimates)
    lines = [*render(shown).split("\n"), *render_worlds(estimates).split("\n"), "assumed:"]
    lines += [f"  {line}" for line in assumptions(shown)]
    print("\n".join(f"# {line}" for line in lines))
