"""Hold all benchmarks by name: every module of this folder holds one `BENCHMARK` or several `BENCHMARKS`."""

from importlib import import_module
from pkgutil import iter_modules

from eval.benchmark import Benchmark


def discover() -> dict[str, Benchmark]:
    """Return the benchmarks of all modules of this package, in the order of their names."""
    found: dict[str, Benchmark] = {}
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        benchmarks = module.BENCHMARKS if hasattr(module, "BENCHMARKS") else (module.BENCHMARK,)
        for benchmark in benchmarks:
            assert benchmark.name not in found, f"two benchmarks are called {benchmark.name}"
            found[benchmark.name] = benchmark
    return dict(sorted(found.items()))


BENCHMARKS = discover()


def benchmark_of(sample_id: str) -> Benchmark | None:
    """Return the benchmark that a sample is of: ids begin with its name; None for a sample of other data."""
    return BENCHMARKS.get(sample_id.partition("/")[0])
