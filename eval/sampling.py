"""Answer all tasks in one stream of batches, write every response down, and skip those that are there already."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from common import sha256_of
from data import Sample
from eval.settings import EvalSettings
from eval.store import ResponseStore, key_of
from eval.tasks import Task
from models.encode import Encoded, Encoder
from models.engine import forward
from models.engines import HfEngine
from models.loader import VisionLanguageModel, load
from models.settings import EngineSettings

Advance = Callable[[int, str], None]
AHEAD = {"hf": 1, "server": 4, "vllm": 8}  # batches that are encoded at a time


@dataclass
class Sampler:
    """A model with whatever samples from it."""

    model: VisionLanguageModel
    engine: Any
    ahead: int


def make_sampler(settings: EvalSettings) -> Sampler:
    """Return weights are loaded only where this process samples with transformers."""
    if settings.engine == "hf":
        model = load(settings.model)
        return Sampler(model, HfEngine(model), AHEAD["hf"])
    from models.server_engine import ServerEngine, load_front

    front = load_front(settings.model)
    if settings.engine == "server":
        return Sampler(front, ServerEngine(front, settings.server), AHEAD["server"])
    from models.vllm_engine import VllmEngine

    engine = EngineSettings(kind="vllm", memory_share=settings.memory_share)
    return Sampler(front, VllmEngine(front, engine, settings.sampling), AHEAD["vllm"])


def made_by(task: Task, settings: EvalSettings, revision: str) -> dict[str, Any]:
    """Return what a task's responses depend on; the number of responses and the size of batches are not among it."""
    sampling = {name: value for name, value in asdict(settings.sampling).items() if name != "batch"}
    model = {name: getattr(settings.model, name) for name in ("dtype", "min_pixels", "max_pixels")}
    # Pictures inside the rows' own files count with those; where none lie beside them the address stays without.
    beside = {"pictures": task.pictures.digest} if task.pictures.paths else {}
    return beside | {
        "revision": revision,
        "model": model,
        "bench": task.version,
        "template": task.template,
        "view": asdict(settings.view) if settings.view else None,
        "sampling": sampling,
        "seed": settings.seed,
        "engine": settings.engine,
        "served": settings.server.model if settings.engine == "server" else "",
        "rows": [sha256_of(Path(file)) if Path(file).exists() else file for file in task.files],
    }


def store_file(task: Task, settings: EvalSettings, revision: str, out: Path) -> Path:
    """Return the file of a task's responses, named by the address of what they depend on."""
    return out / "responses" / f"{task.name}-{key_of(made_by(task, settings, revision))}.jsonl"


def open_stores(tasks: Sequence[Task], settings: EvalSettings, revision: str, out: Path) -> dict[str, ResponseStore]:
    return {task.name: ResponseStore(store_file(task, settings, revision, out)) for task in tasks}


def missing_of(tasks: Sequence[Task], stores: dict[str, ResponseStore], count: int) -> list[tuple[Task, Sample, int]]:
    """Return samples that lack responses, and how many."""
    found = [(task, sample, stores[task.name].lacks(sample.id, count)) for task in tasks for sample in task.samples]
    return [(task, sample, lack) for task, sample, lack in found if lack]


def sample_tasks(
    sampler: Sampler, tasks: Sequence[Task], stores: dict[str, ResponseStore], settings: EvalSettings, advance: Advance
) -> dict[str, list[str]]:
    """Fill the stores; returns, per task, the samples whose prompt is too long to be asked."""
    encoders = {
        task.name: Encoder(
            sampler.model.processor, replace(settings.model, prompt=task.template), sampler.model.image_token_id
        )
        for task in tasks
    }
    too_long: dict[str, list[str]] = {task.name: [] for task in tasks}
    missing = missing_of(tasks, stores, settings.k)
    done = sum(len(task.samples) for task in tasks) * settings.k - sum(lack for *_, lack in missing)
    advance(done, "")
    width = max(1, sampler.ahead * settings.sampling.batch // settings.k)
    for start in range(0, len(missing), width):
        part = missing[start : start + width]
        prompts: list[tuple[str, Encoded]] = []
        for (task, sample, lack), prompt in zip(part, encoded(encoders, part, settings), strict=True):
            if encoders[task.name].fits(prompt):
                prompts.append((task.name, prompt))
            else:
                too_long[task.name].append(sample.id)
                done += lack
        answer(sampler, prompts, stores, settings, partial(forward, advance, done))
        done += sum(lack for task, sample, lack in part if sample.id not in too_long[task.name])
        advance(done, "")
        sampler.model.forget_pictures()
    return too_long


def encoded(
    encoders: dict[str, Encoder], part: Sequence[tuple[Task, Sample, int]], settings: EvalSettings
) -> list[Encoded]:
    """Return the prompts of some samples, those of one task after another encoded together."""
    return [
        prompt
        for name, own in groupby(part, key=lambda one: one[0].name)
        for prompt in encoders[name].encode_all([sample for _, sample, _ in own], settings.view, settings.seed)
    ]


def answer(
    sampler: Sampler,
    prompts: Sequence[tuple[str, Encoded]],
    stores: dict[str, ResponseStore],
    settings: EvalSettings,
    advance: Advance,
) -> None:
    """Sample the missing responses to some prompts and store each as it arrives."""
    store_of = {prompt.sample_id: stores[name] for name, prompt in prompts}
    asked = ((name, k) for name in store_of for k in range(settings.k))
    known = {(name, k) for name, k in asked if (name, k) in store_of[name].responses}
    sampler.engine.sample(
        [prompt for _, prompt in prompts],
        settings.k,
        settings.sampling,
        settings.seed,
        view_name(settings),
        advance,
        finished=lambda response: store_of[response.sample_id].add(response),
        skip=known,
    )


def view_name(settings: EvalSettings) -> str:
    return settings.view.kind if settings.view else "clean"
