"""What an evaluation would do, for dry_run=true: everything that the run checks, then items, responses, hours, GiB."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from eval.folder import check_folder, checked, record_of
from eval.sampling import store_file
from eval.settings import EvalSettings
from eval.store import parsed, whole_lines
from eval.tasks import Task, tasks_of
from models.assumed import ASSUMED, FLOAT32, GIB, SMALL, sampled_per_second
from models.loader import refuse_impossible
from models.shape import Shape, read_shape


def answered(task: Task, settings: EvalSettings, revision: str, out: Path) -> int:
    """Return how many of the responses that are asked for lie in the folder, those of killed workers included."""
    file = store_file(task, settings, revision, out)
    found = [path for path in (file, *(out / "workers").glob(f"*/{file.name}")) if path.exists()]
    names = {(one.sample_id, one.k) for path in found for one in parsed(path, whole_lines(path))}
    return sum((sample.id, k) in names for sample in task.samples for k in range(settings.k))


def hours(settings: EvalSettings, shape: Shape, prompts: int, responses: int) -> float:
    """Return the time of sampling; transformers answers batch by batch, each as long as its longest response."""
    longest, batch = settings.sampling.max_new_tokens, settings.sampling.batch
    head = shape.vocabulary * shape.width
    rate = sampled_per_second(shape.language, head, settings.model.dtype, settings.engine)
    batches = ceil(ceil(prompts / settings.gpus) / max(1, batch // settings.k)) if settings.engine == "hf" else 1
    tokens = responses * min(longest, ASSUMED.response_tokens) / settings.gpus
    return max(tokens / rate, batches * longest * ASSUMED.decode_s) / 3600


def memory_bytes(settings: EvalSettings, shape: Shape) -> float:
    """Return what one worker holds: weights, and vLLM's share of a GPU or the keys and values of a batch."""
    size = 2 if settings.model.dtype == "bfloat16" else FLOAT32
    if settings.engine == "vllm":
        return settings.memory_share * ASSUMED.gpu_gib * GIB
    longest = settings.model.max_prompt_tokens + settings.sampling.max_new_tokens
    return size * (shape.total + 2 * shape.layers * shape.key_width * longest * settings.sampling.batch)


def lines_of(settings: EvalSettings, tasks: Sequence[Task], done: Sequence[int], out: Path) -> list[str]:
    counts = [len(task.samples) for task in tasks]
    asked, left = sum(counts) * settings.k, sum(counts) * settings.k - sum(done)
    lines = [
        f"{task.name}: {count} items of {task.rows or count}, {count * settings.k} responses, {there} are there"
        for task, count, there in zip(tasks, counts, done, strict=True)
    ]
    lines.append(f"all: {sum(counts)} prompts, {asked} responses, {left} to be sampled into {out}")
    if settings.engine == "server":
        return [*lines, "the server's memory and speed are its own"]
    shape = read_shape(settings.model)
    needed = ceil(left / settings.k)
    lines.append(
        f"{settings.gpus} worker(s), engine={settings.engine}: {memory_bytes(settings, shape) / GIB:.1f} GiB each, "
        f"{hours(settings, shape, needed, left):.2f} hours on H100s at {ASSUMED.response_tokens} tokens a response"
    )
    if shape.total < SMALL:
        lines.append("a model this small waits for kernels, not for arithmetic: measure the time instead")
    return [*lines, "not known before prompts are encoded: which are longer than model.max_prompt_tokens"]


def print_plan(settings: EvalSettings) -> None:
    """Print as YAML comments, so that a dry run's output can still be read back as settings."""
    settings, out = checked(settings)
    refuse_impossible(settings.model)
    tasks = tasks_of(settings)
    record = record_of(settings, tasks)
    check_folder(settings, record, out)
    done = [answered(task, settings, record.revisions["model"], out) for task in tasks]
    print("\n".join(f"# {line}" for line in lines_of(settings, tasks, done, out)))
