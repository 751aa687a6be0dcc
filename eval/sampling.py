"""Answer all tasks in one stream of batches, write every response down, and skip those that are there already."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from common import sha256_of
from common.parallel import one_ahead
from data import Sample
from eval.settings import EvalSettings
from eval.store import ResponseStore, key_of
from eval.tasks import Missing, Task
from models.encode import Encoded, Encoder
from models.engine import Engine
from models.engines import HfEngine
from models.loader import VisionLanguageModel, load
from models.settings import EngineSettings

Advance = Callable[[int, str], None]


@dataclass
class Sampler:
    """A model with whatever samples from it."""

    model: VisionLanguageModel
    engine: Engine


def make_sampler(settings: EvalSettings) -> Sampler:
    """Return weights are loaded only where this process samples with transformers."""
    if settings.engine == "hf":
        model = load(settings.model)
        return Sampler(model, HfEngine(model))
    from models.server_engine import ServerEngine, load_front

    front = load_front(settings.model)
    if settings.engine == "server":
        return Sampler(front, ServerEngine(front, settings.server))
    from models.vllm_engine import VllmEngine

    engine = EngineSettings(kind="vllm", memory_share=settings.memory_share)
    return Sampler(front, VllmEngine(front, engine, settings.sampling))


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


def missing_of(tasks: Sequence[Task], stores: dict[str, ResponseStore], count: int) -> Missing:
    """Return samples that lack responses, and how many."""
    found = [(task, sample, stores[task.name].lacks(sample.id, count)) for task in tasks for sample in task.samples]
    return [(task, sample, lack) for task, sample, lack in found if lack]


@dataclass
class Prompts:
    """The prompts of an evaluation as they are made, and which of its samples are too long to be asked."""

    front: VisionLanguageModel
    settings: EvalSettings
    encoders: dict[str, Encoder]
    stores: dict[str, ResponseStore]
    too_long: dict[str, list[str]]
    left_out: int = 0  # responses that those samples lack
    store_of: dict[str, ResponseStore] = field(default_factory=dict)  # by sample

    def parts(self, missing: Missing) -> Iterator[list[Encoded]]:
        """Yield a batch's worth at a time; the next one is encoded while the last one is answered."""
        width = max(1, self.settings.sampling.batch // self.settings.k)
        batches = (missing[start : start + width] for start in range(0, len(missing), width))
        for batch, prompts in one_ahead(self.encoded, batches):
            yield [prompt for one, prompt in zip(batch, prompts, strict=True) if self.asked(one, prompt)]
            self.front.forget_pictures()

    def encoded(self, part: Missing) -> list[Encoded]:
        """Return the prompts of some samples, those of one task after another encoded together."""
        return [
            prompt
            for name, own in groupby(part, key=lambda one: one[0].name)
            for prompt in self.encoders[name].encode_all(
                [sample for _, sample, _ in own], self.settings.view, self.settings.seed
            )
        ]

    def asked(self, one: tuple[Task, Sample, int], prompt: Encoded) -> bool:
        """Note where a sample's responses go, or that it is too long."""
        task, sample, lack = one
        store = self.store_of.setdefault(sample.id, self.stores[task.name])
        assert store is self.stores[task.name], f"two tasks have a sample {sample.id}"
        fits = self.encoders[task.name].fits(prompt)
        if not fits:
            self.too_long[task.name].append(sample.id)
            self.left_out += lack
        return fits


def sample_tasks(
    sampler: Sampler, tasks: Sequence[Task], stores: dict[str, ResponseStore], settings: EvalSettings, advance: Advance
) -> dict[str, list[str]]:
    """Fill the stores; returns, per task, the samples whose prompt is too long to be asked."""
    front, missing = sampler.model, missing_of(tasks, stores, settings.k)
    encoders = {
        task.name: Encoder(front.processor, replace(settings.model, prompt=task.template), front.image_token_id)
        for task in tasks
    }
    prompts = Prompts(front, settings, encoders, stores, {task.name: [] for task in tasks})
    there = sum(len(task.samples) for task in tasks) * settings.k - sum(lack for *_, lack in missing)
    advance(there, "")
    answered = sampler.engine.sample_parts(
        prompts.parts(missing),
        settings.k,
        settings.sampling,
        settings.seed,
        view_name(settings),
        progress=lambda number, note: advance(there + prompts.left_out + number, note),
        finished=lambda response: prompts.store_of[response.sample_id].add(response),
        skip={name for store in stores.values() for name in store.responses},
    )
    advance(there + prompts.left_out + answered, "")
    return prompts.too_long


def view_name(settings: EvalSettings) -> str:
    return settings.view.kind if settings.view else "clean"
