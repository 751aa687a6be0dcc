"""What estimates of memory and time assume of a GPU, in one place; dry runs print it with their numbers."""

from types import SimpleNamespace

GIB = 1 << 30
FLOAT32 = 4  # bytes
SMALL = 100_000_000  # parameters below which a model waits for kernels, not for arithmetic
ASSUMED = SimpleNamespace(
    gpu_gib=80,
    reserved_gib=6,  # CUDA, NCCL and fragmentation
    peak_flops={"bfloat16": 989e12, "float32": 67e12},  # H100 SXM, dense
    utilisation=0.35,  # of the peak while scoring and learning: near the step times of PAPO's Table 14
    sampling_utilisation={"vllm": 0.08, "hf": 0.02},  # of the peak while sampling
    decode_s=0.010,  # one token of all responses at once, launches and scheduling included
    text_tokens=128,  # of a prompt beside its picture
    response_tokens=400,  # mean
    filter_rounds=2,  # prompts sampled per prompt kept by rollouts.filter
)


def sampled_per_second(language: int, head: int, dtype: str, kind: str) -> float:
    """Return the tokens that one GPU samples, from the parameters of the language model and of its output layer."""
    return ASSUMED.sampling_utilisation[kind] * ASSUMED.peak_flops[dtype] / (2 * (language + head))
