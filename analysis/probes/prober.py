"""Samples the probes of one model, one after another, and judges the responses as those of the items they were."""

from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.probes.findings import overall, probe_rows
from analysis.probes.language import Language, legibility, mini_language
from analysis.probes.material import Material, Probed, merged, read_texts
from analysis.probes.settings import ProbeSettings, evaluation
from analysis.probes.views import MAKERS
from common.progress import progress
from eval import checks, sampling
from eval.folder import revision_of
from eval.tasks import only_world, tasks_of, trained_model
from eval.verdicts import judged_table


class Prober:
    """Samples probe after probe with one model."""

    def __init__(self, settings: ProbeSettings, out: Path) -> None:
        if settings.run:
            settings = replace(settings, model=trained_model(Path(settings.run), settings.model))
        self.settings, self.out = settings, out
        self.sampler: sampling.Sampler | None = None  # loaded with the first response that is missing
        plain = evaluation(settings, "clean")
        checks.check_sampling(plain)
        plain.model.check_place()
        self.knows_its_world = only_world(plain) is not None
        self.revision = revision_of(evaluation(settings, "clean"))
        self.tasks = tasks_of(plain)
        texts = read_texts(settings.captions)
        self.materials = {t.name: Material(t.samples, t.cluster, t.column, texts, settings.seed) for t in self.tasks}

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.settings.model.path, revision=self.settings.model.revision)

    @cached_property
    def language(self) -> Language | None:
        """Return what the model was taught to read, where that is known: the mini world's own language."""
        return mini_language(self.tokenizer) if self.knows_its_world else None

    def probed(self, name: str) -> tuple[pd.DataFrame, Probed]:
        """Judged responses of a probe and what it was made of; items with too long a prompt are counted there."""
        settings = evaluation(self.settings, name)
        made = {task.name: MAKERS[name](self.materials[task.name]) for task in self.tasks}
        tasks = [
            replace(
                t,
                samples=made[t.name].samples,
                benchmark=replace(t.benchmark, version=f"{t.version}+{name}/{made[t.name].address}"),
            )
            for t in self.tasks
            if made[t.name].samples
        ]
        stores = sampling.open_stores(tasks, settings, self.revision, self.out)
        too_long: dict[str, list[str]] = {}
        if sampling.missing_of(tasks, stores, settings.k):
            self.sampler = self.sampler or sampling.make_sampler(settings)
            with progress(name, sum(len(task.samples) for task in tasks) * settings.k) as advance:
                too_long = sampling.sample_tasks(self.sampler, tasks, stores, settings, advance)
        tables = []
        for task in self.tasks:
            one, store = made[task.name], stores.get(task.name)
            unasked = set(too_long.get(task.name, []))
            one.left_out["prompt too long"] += len(unasked)
            one.samples = [sample for sample in one.samples if sample.id not in unasked]
            if store:
                store.close()
            if store and one.samples:  # judged as the items they were: gold answers and clusters stay theirs
                responses = [store.responses[sample.id, k] for sample in one.samples for k in range(settings.k)]
                tables.append(judged_table(task, responses, [settings.grader], None))
        frame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        return frame.assign(probe=name), merged(made.values())


def entry_of(name: str, clean: pd.DataFrame, frame: pd.DataFrame, made: Probed, prober: Prober) -> dict[str, Any]:
    """Return everything about one probe: its lines, what was left out, how legible its text is."""
    seed = prober.settings.seed
    legible = legibility(prober.tokenizer, made, prober.language) if any(made.added.values()) else None
    rows = [] if frame.empty else probe_rows(clean, frame, name, seed)
    told = [] if frame.empty else frame[frame.sample_id.isin([item for item, text in made.added.items() if not text])]
    return {
        "rows": rows,
        "left_out": dict(made.left_out),
        "notes": dict(made.notes),
        "legibility": asdict(legible) if legible else None,
        "no_picture": overall(probe_rows(clean, told, name, seed)) if name == "caption" and len(told) else None,
    }
