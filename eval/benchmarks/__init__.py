"""Hold all benchmarks by name: every module of this folder holds one `BENCHMARK` or several `BENCHMARKS`.

A file that cannot be used is kept apart with a sentence about it: the others are evaluated as ever, and the sentence
is the refusal where its benchmark, or all of them, are asked for.
"""

import re
import traceback
from importlib import import_module
from pkgutil import iter_modules

from common import UserError
from eval.benchmark import Benchmark

GUIDE = "docs/add_a_benchmark.md"
# What a half-written module raises when it is imported.
MISTAKES = (AttributeError, ImportError, NameError, SyntaxError, TypeError, ValueError)
_LACKING = re.compile(r"Benchmark\.__init__\(\) missing .* arguments?: (.*)")


def discover() -> tuple[dict[str, Benchmark], dict[str, str]]:
    """Return the benchmarks of all modules of this package by name, and a sentence for each file without a usable one.

    Of two files that declare one name neither counts: a copy must not answer for its original.
    """
    declared: dict[str, tuple[Benchmark, ...]] = {}
    broken: dict[str, str] = {}
    for info in iter_modules(__path__):
        try:
            declared[info.name] = _declared(info.name)
        except UserError as error:
            broken[info.name] = str(error)
    homes: dict[str, list[str]] = {}
    for home, benchmarks in declared.items():
        for benchmark in benchmarks:
            homes.setdefault(benchmark.name, []).append(home)
    twice = {name: files for name, files in homes.items() if len(files) > 1}
    for name, files in twice.items():
        shown = " and ".join(map(_file, files))
        broken |= dict.fromkeys(files, f"{shown} declare a benchmark called {name}; give one of them another name")
    usable = [one for benchmarks in declared.values() for one in benchmarks if one.name not in twice]
    return {one.name: one for one in sorted(usable, key=lambda one: one.name)}, broken


def _file(module: str) -> str:
    return f"eval/benchmarks/{module}.py"


def _declared(name: str) -> tuple[Benchmark, ...]:
    """Return what one module declares; one sentence for a module that cannot be used."""
    try:
        module = import_module(f"{__name__}.{name}")
    except MISTAKES as error:
        raise UserError(_mistake(_file(name), error)) from error
    found = tuple(getattr(module, "BENCHMARKS", ())) or (getattr(module, "BENCHMARK", None),)
    if not all(isinstance(one, Benchmark) for one in found):
        raise UserError(f"{_file(name)} declares no benchmark; add BENCHMARK = Benchmark(...) ({GUIDE})")
    return found


def _mistake(file: str, error: Exception) -> str:
    """Return what is wrong with a module, and what to do."""
    if lacking := _LACKING.search(str(error)):
        return f"{file} declares a benchmark without {lacking[1]}; add it ({GUIDE})"
    if isinstance(error, SyntaxError):
        return f"{file} is no Python: {error}; mend it"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{file} cannot be imported: {error!r} at `{place.line}`; mend it ({GUIDE})"


BENCHMARKS, BROKEN = discover()


def refuse_broken() -> None:
    """Refuse what is of all benchmarks while a file of them cannot be used."""
    if BROKEN:
        raise UserError("; ".join(dict.fromkeys(BROKEN.values())))


def benchmark_of(sample_id: str) -> Benchmark | None:
    """Return the benchmark that a sample is of: ids begin with its name; None for a sample of other data."""
    name = sample_id.partition("/")[0]
    if name not in BENCHMARKS and (home := next(filter(name.startswith, BROKEN), None)):
        raise UserError(f"{sample_id} cannot be looked up: {BROKEN[home]}")
    return BENCHMARKS.get(name)
