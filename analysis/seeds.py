"""Which runs are seeds of one method.

A run is a seed if its folder is called seed0, seed1 ...; the seeds that lie in one folder are of one method, which has
that folder's name. Every other run is a method of its own, with one run that was not trained again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from analysis.runs import OpenedRun, short_names
from configs.layout import SEED_FOLDER
from eval.estimate import by_seed

OWN_SETTINGS = {"seed", "run"}  # what seeds of one method differ in


@dataclass(frozen=True)
class Method:
    """One way of training; `runs` go by their seed, and a run that is no seed stands alone under 0."""

    name: str
    home: Path
    is_seeded: bool
    runs: Mapping[int, OpenedRun]

    @cached_property
    def names(self) -> list[str]:
        return [view.name for view in self.runs.values()]

    @property
    def counted(self) -> str:
        """Return how many runs it has, in words."""
        count = len(self.runs)
        return f"{count} seed{'s' * (count > 1)}" if self.is_seeded else "1 run"


def place_of(view: OpenedRun) -> tuple[Path, Path, int | None]:
    """Return the folder of a run's method, which of its evaluations was opened (empty: the only one), and the seed."""
    folder, evaluation = view.folder.resolve(), Path()
    if folder.parent.name == "eval":
        folder, evaluation = folder.parent.parent, Path("eval", folder.name)
    seed = SEED_FOLDER.fullmatch(folder.name)
    return (folder.parent, evaluation, int(seed[1])) if seed else (view.folder.resolve(), Path(), None)


def methods_of(views: Sequence[OpenedRun]) -> list[Method]:
    """Return the methods in the order of their first runs, each with its seeds in theirs."""
    found: dict[tuple[Path, Path, bool], dict[int, OpenedRun]] = {}
    for view in views:
        home, evaluation, seed = place_of(view)
        found.setdefault((home, evaluation, seed is not None), {})[seed or 0] = view
    homes = [home for home, *_ in found]
    names = short_names([home / evaluation for home, evaluation, _ in found]) if len(found) > 1 else [homes[0].name]
    # A folder may be a run and hold seeds besides.
    names = [f"{name} (one run)" if name in names[:place] else name for place, name in enumerate(names)]
    return [
        Method(name, home, is_seeded, dict(sorted(runs.items())))
        for name, ((home, _, is_seeded), runs) in zip(names, found.items(), strict=True)
    ]


def method_names(methods: Sequence[Method]) -> dict[str, str]:
    """Run -> the method that it is of."""
    return {run: method.name for method in methods for run in method.names}


def pairs_of(first: Method, second: Method) -> dict[int, tuple[OpenedRun, OpenedRun]]:
    """Return the runs of two methods by the seed that both have."""
    return by_seed(first.runs, second.runs, (not first.is_seeded, not second.is_seeded))


def same_seed_baselines(methods: Sequence[Method]) -> dict[str, str]:
    """Run -> the first method's run of the same seed, where there is one."""
    first, *others = methods
    return {
        view.name: first.runs[seed].name
        for method in others
        if method.is_seeded and first.is_seeded
        for seed, view in method.runs.items()
        if seed in first.runs
    }


def finished_beside(method: Method) -> dict[int, Path]:
    """Return the training curves of the method's other seeds whose training has come to its end."""
    if not method.is_seeded:
        return {}
    folders = {
        int(match[1]): path.parent
        for path in method.home.glob("seed*/finished.json")
        if (match := SEED_FOLDER.fullmatch(path.parent.name))
    }
    curves = {seed: folder / "metrics.jsonl" for seed, folder in folders.items() if seed not in method.runs}
    return {seed: path for seed, path in curves.items() if path.exists()}


def unlike_settings(method: Method) -> list[str]:
    """Return the settings besides the seed in which a method's trainings differ, as far as their folders tell."""
    paths = [method.home / f"seed{seed}" / "config.yaml" for seed in method.runs if method.is_seeded]
    told = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    if len(told) < 2:
        return []
    table = pd.json_normalize(told).astype(str)
    return [name for name in table.columns if name not in OWN_SETTINGS and table[name].nunique() > 1]
