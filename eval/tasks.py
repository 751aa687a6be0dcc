"""What `bench=` and `data=` ask for, as tasks: checked samples with the rule and template that belong to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common import UserError
from data import Sample
from eval import bench_mini
from eval.audit import by_grader
from eval.benchmark import Benchmark, Scorer
from eval.benchmarks import BENCHMARKS
from eval.loading import cluster_of, load
from eval.settings import EvalSettings
from eval.store import PictureFiles
from eval.suites import SUITES
from models.settings import ModelSettings

HUB, MINI, AUTO = "hub", "mini", "auto"


@dataclass(frozen=True)
class Task:
    """One benchmark, ready to be answered."""

    name: str
    version: str
    samples: list[Sample]
    template: str
    official: Scorer
    cluster: Callable[[Sample], str]
    benchmark: Benchmark | None = None  # None for the mini world
    breakdowns: tuple[str, ...] = ()
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    deviation: str = ""
    files: tuple[str, ...] = ()
    pictures: PictureFiles = field(default_factory=PictureFiles)  # beside the rows
    doubtful_golds: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    def column(self, sample: Sample) -> str:
        """The column of a table that a sample belongs to: the benchmark, or one of the mini world's nine."""
        return sample.tags["column"] if self.benchmark is None else self.name


def names_of(bench: str) -> list[str]:
    """The benchmarks that are meant: by name, by suite, or several with commas."""
    names = [name for part in bench.split(",") for name in SUITES.get(part, (part,))]
    unknown = [name for name in names if name != MINI and name not in BENCHMARKS]
    if unknown:
        import difflib

        known = [MINI, *SUITES, *BENCHMARKS]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"no benchmark '{unknown[0]}'{hint} (python -m eval.catalogue lists all {len(known)})")
    return list(dict.fromkeys(names))


def is_of_the_mini_world(settings: EvalSettings) -> bool:
    """Whether the model only speaks the mini world's language: it was trained there, or is its base."""
    if settings.run:
        return "source: mini" in (Path(settings.run) / "config.yaml").read_text()
    return settings.model.name == "tiny"


def data_of(settings: EvalSettings) -> str:
    if settings.data != AUTO:
        return settings.data
    return MINI if settings.bench == MINI or is_of_the_mini_world(settings) else HUB


def tasks_of(settings: EvalSettings, gone_pictures: bool = False) -> list[Task]:
    """Load what is asked for; on the mini world its nine columns stand for whatever suite was named.

    Who only looks at answers that are there already passes `gone_pictures` and sees to pictures that do not open.
    """
    names, data = names_of(settings.bench), data_of(settings)
    if data == MINI:
        if settings.bench != MINI:
            print(f"{settings.bench}: the mini world's nine columns stand in (data=hub or a folder for the real rows)")
        return [mini_task(settings)]
    if MINI in names:
        raise UserError("bench=mini has no rows on the hub or in a folder; leave data=auto")
    check_room(settings)
    folder = None if data == HUB else Path(data)
    if folder and not folder.is_dir():
        raise UserError(f"data={data} is not a folder; give hub, mini, or a folder with <benchmark>/<rows>")
    return [benchmark_task(BENCHMARKS[name], folder, settings, gone_pictures) for name in names]


def check_room(settings: EvalSettings) -> None:
    if settings.preset == MINI and not is_of_the_mini_world(settings):
        raise UserError(
            "preset=mini cuts responses at 56 tokens, far too short for real benchmarks; give preset=neutral, greedy, "
            "paper_eval or paper_training"
        )


def mini_task(settings: EvalSettings) -> Task:
    return Task(
        bench_mini.NAME,
        bench_mini.VERSION,
        bench_mini.samples(settings.items, settings.split),
        template(settings, settings.model.prompt),
        by_grader("robust"),
        bench_mini.cluster_of,
        breakdowns=("vision_need", "version", "kind"),
    )


def benchmark_task(
    benchmark: Benchmark, folder: Path | None, settings: EvalSettings, gone_pictures: bool = False
) -> Task:
    loaded = load(benchmark, folder, settings.items or None, settings.seed, gone_pictures)
    if loaded.deviation:
        print(loaded.deviation)
    # PAPO's prompt goes around its own suite; other benchmarks bring the instruction of their authors.
    own = "papo" if benchmark.name.startswith("papo_") else "question_only"
    return Task(
        benchmark.name,
        benchmark.version,
        loaded.samples,
        template(settings, own),
        benchmark.official,
        lambda sample: cluster_of(benchmark, sample),
        benchmark,
        benchmark.breakdowns,
        loaded.rows,
        dict(loaded.left_out),
        loaded.deviation,
        tuple(loaded.files),
        PictureFiles(tuple(loaded.pictures)),
        tuple(loaded.doubtful_golds),
        tuple(loaded.unusable),
    )


def template(settings: EvalSettings, own: str) -> str:
    return own if settings.prompt == AUTO else settings.prompt


def trained_model(run: Path, settings: ModelSettings) -> ModelSettings:
    """The final weights of a run, with prompts and pixels as given."""
    final = run / "final"
    if not (final / "config.json").exists():
        raise UserError(f"{run} has no final weights yet; finish it with python -m train first")
    settings.path = str(final)
    return settings
