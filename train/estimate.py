"""What a run will cost, told before it starts: memory of one GPU, tokens of a step, hours.

Everything is arithmetic on a model's shape (models/shape.py); train/estimate_text.py prints it for dry_run=true.
Activation sizes follow what transformers' layers keep for the backward pass (tests/train/test_estimate.py measures
them on the tiny model); speeds are assumptions, all named in models/assumed.py and printed with the result.
"""

from dataclasses import dataclass

from models.assumed import ASSUMED, FLOAT32, GIB, sampled_per_second
from models.head import CUDA_CHUNK_NUMBERS
from models.loader import vision_is_fixed
from models.settings import ModelSettings
from models.shape import Shape, read_shape
from models.vision import KEPT_BYTES
from train.needs import needs_of
from train.settings import TrainSettings
from train.table.columns import CLEAN, POLICY, REFERENCE, TEACHER

STAGES = (0, 1, 2, 3)
GPU_COUNTS = (1, 2, 4, 8, 16)
ADAM_BYTES = 2 * FLOAT32  # both moments
BUCKET_ELEMENTS = 500_000_000  # DeepSpeed's reduce bucket; two of them overlap
LIVE_ELEMENTS = 1_000_000_000  # parameters that ZeRO-3 holds gathered at a time
LOGIT_BYTES = 12  # per logit of a chunk in its backward pass: the logit, its gradient, and that before the temperature
IN_UPDATE = " in the update"  # ends the names of passes that updates make without gradient
ENTROPY_BYTES = 4  # more where the whole entropy is learnt from


@dataclass(frozen=True)
class Memory:
    """Bytes of one GPU at one ZeRO stage; `host` lies in the machine's memory instead."""

    weights: float
    gradients: float
    optimiser: float
    reference: float
    buffers: float
    host: float
    learning: float  # the two peaks, everything included
    sampling: float
    refused: bool  # DeepSpeed keeps no float32 copy of bfloat16 weights at stage 0

    @property
    def fits(self) -> bool:
        return not self.refused and max(self.learning, self.sampling) <= ASSUMED.gpu_gib * GIB


@dataclass(frozen=True)
class Pass:
    """One walk of a step's tokens through the model, over all GPUs."""

    name: str
    tokens: float
    patches: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """One run on `gpus` GPUs."""

    settings: TrainSettings
    gpus: int
    shape: Shape
    image_tokens: int
    prompt_tokens: int
    response_tokens: int
    activations: dict[bool, float]  # bytes, by gradient checkpointing
    logits: float
    sampler: float
    zero: dict[int, Memory]
    passes: list[Pass]
    sampled_per_second: float  # tokens, one GPU

    @property
    def hours(self) -> float:
        return sum(one.seconds for one in self.passes) * self.settings.steps / 3600


def bytes_of(settings: TrainSettings) -> int:
    return 2 if settings.model.dtype == "bfloat16" else FLOAT32


def token_bytes(width: int, query: int, key: int, inner_kept: int, size: int) -> int:
    """Return what one token leaves for the backward pass in one layer."""
    norms = 2 * (FLOAT32 + size) * width  # their float32 input and their scaled value
    attention = (4 * query + 4 * key) * size  # queries and keys before and after rotation, values, the mixed values
    return norms + attention + (2 * width + inner_kept) * size


def activations(shape: Shape, tokens: int, patches: int, size: int, *, checkpointing: bool, vision: bool) -> float:
    """Return bytes kept for the backward pass; with checkpointing every layer's input and one layer in full."""
    language = token_bytes(shape.width, shape.query_width, shape.key_width, 4 * shape.inner, size) * tokens
    vision_bytes = (
        token_bytes(shape.vision_width, shape.vision_width, shape.vision_width, shape.vision_inner, size) * patches
    )
    if not checkpointing:
        return language * shape.layers + (vision_bytes * shape.vision_layers if vision else 0)
    inputs = shape.width * shape.layers * tokens
    if vision:
        inputs += shape.vision_width * shape.vision_layers * patches
    return inputs * size + max(language, vision_bytes if vision else 0)


def zero_memory(stage: int, gpus: int, shape: Shape, settings: TrainSettings, work: float, sampler: float) -> Memory:
    """Return bytes at one ZeRO stage; `work` is what learning needs beside weights, gradients and optimiser."""
    size, offload = bytes_of(settings), settings.parallel.offload
    master = FLOAT32 if size < FLOAT32 else 0
    whole = size * shape.total
    weights = whole / (gpus if stage == 3 else 1)
    gradients = (FLOAT32 if stage else size) * shape.trainable / (gpus if stage >= 2 else 1)
    optimiser = (ADAM_BYTES + master) * shape.trainable / (gpus if stage >= 1 else 1)
    needs = needs_of(settings)
    # With adapters the reference is the policy without them.
    reference = weights if needs.of(REFERENCE) and not settings.model.lora else 0.0
    if settings.teacher_model:
        cut = gpus if stage == 3 and not settings.teacher_follows else 1
        reference += size * read_shape(settings.teacher_model).total / cut
        reference += FLOAT32 * shape.total if settings.teacher_follows else 0.0  # the sums of the average
    buffers = size * min(shape.trainable, BUCKET_ELEMENTS) * (2 if stage >= 2 else 1) if stage else 0.0
    buffers += size * min(shape.total, LIVE_ELEMENTS) if stage == 3 else 0.0
    # Engine hf cannot sample from cut weights and keeps a copy of its own.
    copy = whole if stage == 3 and settings.rollouts.engine.kind == "hf" else 0.0
    host = 0.0
    if offload != "none" and stage >= 1:
        host, optimiser = host + optimiser, 0.0
        if stage >= 2:
            host, gradients = host + gradients, 0.0
    if offload == "all" and stage == 3:
        host, weights, reference = host + weights + reference, 0.0, 0.0
    reserved = ASSUMED.reserved_gib * GIB
    always = weights + optimiser + reference + copy + reserved
    learning, sampling = always + gradients + buffers + work, always + sampler
    refused = stage == 0 and size < FLOAT32
    return Memory(weights, gradients, optimiser, reference, buffers, host, learning, sampling, refused)


def sampler_bytes(shape: Shape, settings: TrainSettings, prompt: int) -> float:
    """vLLM's share of the GPU, or the key-value cache of one batch of engine hf, each response's prompt counted."""
    engine, sampling = settings.rollouts.engine, settings.rollouts.sampling
    if engine.kind == "vllm":
        return engine.memory_share * ASSUMED.gpu_gib * GIB
    per_token = 2 * shape.layers * shape.key_width * bytes_of(settings)
    return per_token * (prompt + sampling.max_new_tokens) * sampling.batch


def walk(shape: Shape, rows: int, prompt: int, responses: int, response: int) -> tuple[float, float]:
    """FLOPs of the language model in one forward pass of packed rows, and the tokens in it."""
    length = prompt + responses * response
    linear = 2 * shape.language * rows * length
    pairs = prompt**2 / 2 + responses * response * (prompt + response / 2)
    attention = 4 * shape.query_width * shape.layers * rows * pairs
    head = 2 * shape.vocabulary * shape.width * rows * responses * response
    return linear + attention + head, rows * length


def scoring_passes(shape: Shape, settings: TrainSettings, gpus: int, prompt: int, response: int) -> list[Pass]:
    """Return the passes that the enabled pieces ask for, after the samples are there."""
    model, group = settings.model, settings.rollouts.group
    patches = image_tokens(shape, model) * shape.merge**2
    speed = gpus * ASSUMED.peak_flops[model.dtype] * ASSUMED.utilisation
    learning = 1 + (2 if model.lora is None else 1) + model.gradient_checkpointing
    still = vision_is_fixed(model)
    tower = 1 if still else learning
    teacher = read_shape(settings.teacher_model) if settings.teacher_model else shape

    def one(name: str, times: int, tower_times: int, view: str = CLEAN, left: int = 0, by: Shape = shape) -> Pass:
        shared = view == CLEAN or settings.views[view].draw == "per_prompt"
        together = shared and by.shares_prefix
        rows = (settings.rollouts.prompts - left) * (1 if together else group)
        flops, tokens = walk(by, rows, prompt, group if together else 1, response)
        flops = times * flops + tower_times * 2 * by.vision * rows * patches
        return Pass(name, tokens, rows * patches, flops, flops / speed)

    needs = needs_of(settings)
    live = needs.live_views()
    fixed = 0 if still else 1  # a fixed tower's features of the clean picture are kept, counted once
    passes = []
    first = 0 if needs.old_of_all() else settings.optimiser.minibatch_prompts  # its own update gives its old log-probs
    if settings.rollouts.prompts > first:
        passes.append(one("old", 1, fixed, left=first))
    if needs.of(REFERENCE):
        passes.append(one(REFERENCE, 1, fixed))
    for view in [view for view in needs.views_of(POLICY) if view != CLEAN]:
        passes.append(one(view, 1, 1, view))
    passes += [one(view, learning, tower, view) for view in live]
    for view in needs.views_of(TEACHER):
        passes.append(one(f"teacher {view}", 1, 1, view, by=teacher))
    passes += [one(f"teacher {view}{IN_UPDATE}", 1, 1, view, by=teacher) for view in needs.teacher_views()]
    return [*passes, one("actor", learning, tower)]


def image_tokens(shape: Shape, model: ModelSettings) -> int:
    """Upper bound of one picture's tokens: model.max_pixels over the pixels of a token."""
    return model.max_pixels // (shape.patch * shape.merge) ** 2


def sampling_pass(shape: Shape, settings: TrainSettings, gpus: int, prompt: int, response: int) -> tuple[Pass, float]:
    """Return prompts read once, responses token by token; also the tokens that one GPU samples in a second."""
    rollouts, peak = settings.rollouts, ASSUMED.peak_flops[settings.model.dtype]
    rounds = ASSUMED.filter_rounds if rollouts.filter else 1
    head = shape.vocabulary * shape.width
    per_token = 2 * (shape.language + head)
    rate = sampled_per_second(shape.language, head, settings.model.dtype, rollouts.engine.kind)
    tokens = rounds * rollouts.prompts * rollouts.group * response
    patches = rounds * rollouts.prompts * image_tokens(shape, settings.model) * shape.merge**2
    reading = walk(shape, rounds * rollouts.prompts, prompt, 0, 0)[0] + 2 * shape.vision * patches
    # A round lasts as long as its longest response, which is one token after the other on any number of GPUs.
    longest = rounds * rollouts.sampling.max_new_tokens * ASSUMED.decode_s
    seconds = reading / (gpus * peak * ASSUMED.utilisation) + max(tokens / (gpus * rate), longest)
    return Pass("sample", tokens, patches, reading + per_token * tokens, seconds), rate


def packed_keys(shape: Shape, length: int, size: int) -> int:
    """Return bytes of a layer's keys and values that a response keeps to itself: a copy of its prompt's and
    its own.
    """
    return 2 * length * shape.query_width * size if shape.shares_prefix else 0


def estimate(settings: TrainSettings, gpus: int, shape: Shape | None = None) -> Estimate:
    """Costs of a run on `gpus` GPUs; a shape that was read already need not be read again."""
    shape = shape or read_shape(settings.model)
    model, group, longest = settings.model, settings.rollouts.group, settings.rollouts.sampling.max_new_tokens
    size, picture = bytes_of(settings), image_tokens(shape, model)
    prompt = min(picture + ASSUMED.text_tokens, model.max_prompt_tokens)
    response = min(ASSUMED.response_tokens, longest)
    copies = 1 if shape.shares_prefix else group
    packed = copies * model.max_prompt_tokens + group * longest
    micro = max(settings.optimiser.micro_tokens, packed)
    patches = copies * max(1, micro // (copies * prompt + group * response)) * picture * shape.merge**2
    behind = micro // packed * group * packed_keys(shape, model.max_prompt_tokens + longest, size)
    needs, learns = needs_of(settings), not vision_is_fixed(model)
    branches = 1 + len(needs.live_views())  # all views wait for one backward pass
    kept = {
        flag: branches
        * (
            activations(shape, micro, patches, size, checkpointing=flag, vision=learns)
            + behind * (1 if flag else shape.layers)
        )
        for flag in (False, True)
    }
    learns_entropy = any(score.quantity == "entropy" for score in needs.live)
    per_logit = LOGIT_BYTES + (ENTROPY_BYTES if learns_entropy else 0)
    logits = float(min(CUDA_CHUNK_NUMBERS, micro * shape.vocabulary) * per_logit)
    features = settings.rollouts.prompts // gpus * picture * shape.width * size if not learns else 0
    sampler = sampler_bytes(shape, settings, prompt)
    work = kept[model.gradient_checkpointing] + logits + min(features, KEPT_BYTES)
    zero = {stage: zero_memory(stage, gpus, shape, settings, work, sampler) for stage in STAGES}
    sample, rate = sampling_pass(shape, settings, gpus, prompt, response)
    passes = [sample, *scoring_passes(shape, settings, gpus, prompt, response)]
    return Estimate(settings, gpus, shape, picture, prompt, response, kept, logits, sampler, zero, passes, rate)
