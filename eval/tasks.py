"""Turn `bench=` and `data=` into tasks: checked samples with the rule and template that belong to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from common import UserError, did_you_mean
from configs.groups import read_yaml
from data import Sample
from eval.benchmark import Benchmark
from eval.benchmarks import BENCHMARKS, BROKEN, refuse_broken
from eval.checks import AUTO
from eval.loading import cluster_of, load
from eval.settings import EvalSettings
from eval.store import PictureFiles
from eval.suites import EVERYTHING, SUITES
from models.settings import ModelSettings

HUB = "hub"
GENERATED_ITEMS = 80  # per column


@dataclass(frozen=True, kw_only=True)
class Task:
    """One benchmark, ready to be answered."""

    benchmark: Benchmark
    samples: list[Sample]
    template: str
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    deviation: str = ""
    files: tuple[str, ...] = ()
    pictures: PictureFiles = field(default_factory=PictureFiles)  # beside the rows
    doubtful_golds: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.benchmark.name

    @property
    def version(self) -> str:
        return self.benchmark.version

    def column(self, sample: Sample) -> str:
        """Return the column of a table that a sample counts in."""
        return self.benchmark.column_of(sample)

    def cluster(self, sample: Sample) -> str:
        """Return what the items of one problem share."""
        return cluster_of(self.benchmark, sample)


Missing = Sequence[tuple[Task, Sample, int]]  # samples that lack responses, and how many


def names_of(bench: str) -> list[str]:
    """Return the names of the benchmarks that are meant: by name, by suite, or several with commas."""
    names = [name for part in bench.split(",") for name in SUITES.get(part, (part,))]
    if EVERYTHING in bench.split(","):
        refuse_broken()
    if unknown := [name for name in names if name not in BENCHMARKS]:
        also = "".join(f"; {sentence}" for sentence in dict.fromkeys(BROKEN.values()))
        advice = did_you_mean(unknown[0], [*SUITES, *BENCHMARKS])
        raise UserError(f"no benchmark '{unknown[0]}'{also}; {advice} (python -m eval.catalogue describes them)")
    return list(dict.fromkeys(names))


def generated(name: str) -> Benchmark | None:
    """Return the benchmark of that name if it makes its samples itself."""
    found = BENCHMARKS.get(name)
    return found if found and found.generate else None


def only_world(settings: EvalSettings) -> Benchmark | None:
    """Return the generated benchmark whose language alone the model speaks: it was trained there, or is its base."""
    if settings.run:
        path = Path(settings.run) / "config.yaml"
        return generated(str(read_yaml(path, str(path)).get("data", {}).get("source")))
    return next((one for one in BENCHMARKS.values() if settings.model.name in one.speakers), None)


def data_of(settings: EvalSettings) -> str:
    """Return where the rows are: what `data` says, else the world that the model or the benchmark is of, else hub."""
    if settings.data != AUTO:
        return settings.data
    world = generated(settings.bench) or only_world(settings)
    return world.name if world else HUB


def with_items(settings: EvalSettings) -> EvalSettings:
    """Return settings whose items are a number: what is meant where none is given."""
    if settings.items is not None:
        return settings
    return replace(settings, items=GENERATED_ITEMS if generated(data_of(settings)) else 0)


def check_generated(settings: EvalSettings) -> None:
    """Refuse a number of items, or a split, that the generated benchmark which is asked for cannot make."""
    world = generated(settings.bench if settings.data == AUTO else settings.data)
    if world and world.check:
        world.check(GENERATED_ITEMS if settings.items is None else settings.items, settings.split)


def tasks_of(settings: EvalSettings, gone_pictures: bool = False) -> list[Task]:
    """Load what is asked for; the world that `data` names stands in for whatever suite was asked for.

    Analyses of answers that exist already pass `gone_pictures` and handle pictures that do not open.
    """
    settings = with_items(settings)
    names, data = names_of(settings.bench), data_of(settings)
    world = generated(data)
    if world:
        if settings.bench != world.name:
            print(f"{settings.bench}: bench={world.name} stands in (data=hub or a folder for the real rows)")
        return [generated_task(world, settings)]
    homeless = next((name for name in names if generated(name)), None)
    if homeless:
        raise UserError(f"bench={homeless} has no rows on the hub or in a folder; leave data=auto")
    check_room(settings)
    folder = None if data == HUB else Path(data)
    if folder and not folder.is_dir():
        worlds = ", ".join(name for name in BENCHMARKS if generated(name))
        raise UserError(f"data={data} is not a folder; give hub, {worlds}, or a folder with <benchmark>/<rows>")
    return [benchmark_task(BENCHMARKS[name], folder, settings, gone_pictures) for name in names]


def check_room(settings: EvalSettings) -> None:
    """Refuse a preset made for the short answers of a world that the model is not of."""
    made_for = next((one for one in BENCHMARKS.values() if one.preset == settings.preset), None)
    if made_for and made_for != only_world(settings):
        raise UserError(
            f"preset={settings.preset} cuts responses at {settings.sampling.max_new_tokens} tokens, far too short for "
            "real benchmarks; give preset=neutral, greedy, paper_eval or paper_training"
        )


def generated_task(benchmark: Benchmark, settings: EvalSettings) -> Task:
    assert benchmark.generate
    samples = list(benchmark.generate(settings.items or 0, settings.split))
    return Task(benchmark=benchmark, samples=samples, template=template(settings, settings.model.prompt))


def benchmark_task(
    benchmark: Benchmark, folder: Path | None, settings: EvalSettings, gone_pictures: bool = False
) -> Task:
    loaded = load(benchmark, folder, settings.items or None, gone_pictures)
    if loaded.deviation:
        print(loaded.deviation)
    # PAPO's prompt goes around its own suite; other benchmarks bring the instruction of their authors.
    own = "papo" if benchmark.name.startswith("papo_") else "question_only"
    return Task(
        benchmark=benchmark,
        samples=loaded.samples,
        template=template(settings, own),
        rows=loaded.rows,
        left_out=dict(loaded.left_out),
        deviation=loaded.deviation,
        files=tuple(loaded.files),
        pictures=PictureFiles(tuple(loaded.pictures)),
        doubtful_golds=tuple(loaded.doubtful_golds),
        unusable=tuple(loaded.unusable),
    )


def template(settings: EvalSettings, own: str) -> str:
    return own if settings.prompt == AUTO else settings.prompt


def trained_model(run: Path, settings: ModelSettings) -> ModelSettings:
    """Return the settings of a run's final weights, with prompts and pixels as given."""
    final = run / "final"
    if not (final / "config.json").exists() and not (run / "config.yaml").is_file():
        raise UserError(f"{run} is no run folder, it holds no config.yaml; check run=, or train with python -m train")
    if not (final / "config.json").exists():
        raise UserError(f"{run} has no final weights yet; finish it with python -m train first")
    return replace(settings, path=str(final))
