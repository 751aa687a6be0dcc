"""Counterfactual probes: what a model still answers when its picture is spoiled, swapped, or put into words.

masked, blank: the picture under a view; swapped, same_answer: another item's picture, with another or the same answer;
caption: a text instead of the picture; oracle: what a correct reading says, in words beside the picture. All probes
share seeds with `clean`, and every difference is taken on the items that both have.

The wrong responses on the clean picture are split by pairing each with the oracle's responses to the same item:
right when merely asked again = chance; right with the facts told, beyond that = did not see; still wrong with the
facts told = could not reason, or, where its chain still states a false fact (mini world), did not take up the text.
"""

import json
import sys
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from configs import Run, UserError, atomic_path, atomic_write_text, command, setting, sha256_of
from data.views import ViewSettings
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings

if TYPE_CHECKING:
    import pandas as pd

    from analysis.flow import Share
    from analysis.probe_views import Language, Probed
    from eval.sampling import Sampler
    from eval.settings import EvalSettings

PROBES = ("clean", "masked", "blank", "swapped", "same_answer", "caption", "oracle")
NEW = 0.01  # share of tokens or question forms new to the model above which the page warns
READABLE = "items it can read"


@dataclass
class ProbeSettings:
    """Probes of one model on one item set; what is said as in python -m eval means the same."""

    config_version: int = setting(1, "version of this schema")
    model: ModelSettings = setting(factory=ModelSettings, help="the model; with run= only how its prompts are made")
    preset: str = setting("mini", "how is sampled, a file of configs/presets")
    run: str | None = setting(None, "probe the final weights of this run folder instead of model.path")
    bench: str = setting("mini", "mini, a benchmark, a suite, or a,b,c")
    data: str = setting("auto", "hub, a folder of local copies, or mini")
    items: int = setting(40, "mini: items per column; elsewhere: at least so many of each benchmark, 0 = all")
    k: int = setting(4, "responses per item and probe")
    split: str = setting("test", "split of the mini world")
    prompt: str = setting("auto", "template around the question")
    probes: list[str] = setting(factory=lambda: list(PROBES), help="which; clean always runs")
    masked: ViewSettings = setting(factory=ViewSettings, help="the view of the probe masked")
    captions: str = setting("", "JSON lines with id and caption, facts or both; the mini world brings its own")
    sampling: SamplingSettings = setting(factory=SamplingSettings, help="what the preset does not say")
    engine: Literal["hf", "vllm", "server"] = setting("hf", "transformers, vLLM in this process, or a vLLM server")
    memory_share: float = setting(0.9, "share of a GPU's memory that vLLM may take")
    server: ServerSettings = setting(factory=ServerSettings, help="engine=server: where it listens")
    grader: str = setting("robust", "the scorer: robust, paper or official")
    seed: int = setting(0, "seed of sampling, masks and swaps")
    out: str = setting("", "folder of the results; empty = <run>/probes/<bench>")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def checked_probes(settings: ProbeSettings) -> list[str]:
    """The probes in their order, clean first."""
    unknown = [name for name in settings.probes if name not in PROBES]
    if unknown:
        raise UserError(f"no probe '{unknown[0]}'; use {', '.join(PROBES)}")
    return [name for name in PROBES if name == "clean" or name in settings.probes]


def output_folder(settings: ProbeSettings) -> Path:
    if not settings.out and not settings.run:
        raise UserError("give run=<run folder>, or model=<name> together with out=<folder of the results>")
    return Path(settings.out or f"{settings.run}/probes/{settings.bench.replace(',', '+')}")


def evaluation(settings: ProbeSettings, probe: str) -> "EvalSettings":
    """The settings of eval under which a probe is sampled."""
    from eval.settings import EvalSettings

    views = {"masked": settings.masked, "blank": ViewSettings(kind="blank")}
    own = {field.name for field in fields(settings)} - {"config_version", "dry_run"}
    shared = {field.name: getattr(settings, field.name) for field in fields(EvalSettings) if field.name in own}
    return EvalSettings(**shared, view=views.get(probe, ViewSettings(kind="none")))


class Prober:
    """Samples probe after probe with one model."""

    def __init__(self, settings: ProbeSettings, out: Path) -> None:
        from analysis.probe_views import Material, read_texts
        from eval.runner import revision_of
        from eval.sampling import check_sampling
        from eval.tasks import is_of_the_mini_world, tasks_of, trained_model

        self.settings, self.out = settings, out
        self.sampler: Sampler | None = None  # loaded with the first response that is missing
        plain = evaluation(settings, "clean")
        check_sampling(plain)
        self.speaks_mini = is_of_the_mini_world(plain)
        if settings.run:
            settings.model = trained_model(Path(settings.run), settings.model)
        self.revision = revision_of(evaluation(settings, "clean"))
        self.tasks = tasks_of(plain)
        texts = read_texts(settings.captions)
        self.materials = {t.name: Material(t.samples, t.cluster, t.column, texts, settings.seed) for t in self.tasks}

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.settings.model.path, revision=self.settings.model.revision)

    @cached_property
    def language(self) -> "Language | None":
        """What the model was taught to read, where that is known: the mini world's own language."""
        from analysis.probe_views import mini_language

        return mini_language(self.tokenizer) if self.speaks_mini else None

    def probed(self, name: str) -> "tuple[pd.DataFrame, Probed]":
        """Judged responses of a probe and what it was made of; items with too long a prompt are counted there."""
        import pandas as pd

        from analysis.probe_views import MAKERS, merged
        from configs.progress import progress
        from eval.sampling import make_sampler, missing_of, open_stores, sample_tasks
        from eval.verdicts import judged_table

        settings = evaluation(self.settings, name)
        made = {task.name: MAKERS[name](self.materials[task.name]) for task in self.tasks}
        tasks = [
            replace(t, samples=made[t.name].samples, version=f"{t.version}+{name}/{made[t.name].address}")
            for t in self.tasks if made[t.name].samples
        ]  # fmt: skip
        stores = open_stores(tasks, settings, self.revision, self.out)
        too_long: dict[str, list[str]] = {}
        if missing_of(tasks, stores, settings.k):
            self.sampler = self.sampler or make_sampler(settings)
            with progress(name, sum(len(task.samples) for task in tasks) * settings.k) as advance:
                too_long = sample_tasks(self.sampler, tasks, stores, settings, advance)
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


def probe_rows(clean: "pd.DataFrame", frame: "pd.DataFrame", name: str, seed: int) -> list[dict[str, Any]]:
    """Accuracy of a probe and its difference to clean on the same items: by column, by dependency, overall."""
    from eval.paired import OVERALL, compare_items, pair
    from eval.statistics import mean_of_columns

    same = clean[clean.sample_id.isin(frame.sample_id)]
    rows = []
    for by in ("column", "dependency"):
        items = pair(same, frame, ("the clean picture", name), by=by)
        if by == "dependency" and set(items.part_I) == {"(no dependency)"}:
            continue
        for line in compare_items(items, seed):
            if line.part == OVERALL and by == "dependency":
                continue
            chosen_I = (items.part_I == line.part) | (line.part == OVERALL)
            parts = {part: (items.part_I == part)[chosen_I] for part in set(items.part_I[chosen_I])}
            columns_I, clusters_I = items.column_I[chosen_I], items.cluster_I[chosen_I]
            score = mean_of_columns(items.second_I[chosen_I], columns_I, clusters_I, parts, seed, bounds=(0, 1))
            rows.append({
                "probe": name, "by": by if line.part != OVERALL else OVERALL, "part": line.part, "items": line.items,
                "accuracy": score[0], "low": score[1], "high": score[2], "clean": line.first,
                "difference": line.difference, "difference_low": line.low, "difference_high": line.high,
                "p": line.p_difference, "p_holm": line.p_difference_holm,
            })  # fmt: skip
    return rows


def overall(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row["by"] == "overall")


def with_states(frame: "pd.DataFrame") -> "pd.DataFrame":
    """`state`: right, wrong, or misread where a wrong chain of the mini world states a false fact."""
    from analysis.gather import diagnoses

    state = frame.correct.astype(bool).map({True: "right", False: "wrong"})
    if frame.sample_id.str.startswith("mini/").all():
        state[[one.primary == "perception" for one in diagnoses(frame)]] = "misread"
    return frame.assign(state=state)


def why_wrong(clean: "pd.DataFrame", oracle: "pd.DataFrame", seed: int) -> "dict[str, Share]":
    """Shares of the wrong responses on the clean picture, as the module's docstring defines them; they sum to 1."""
    import numpy as np

    from analysis.flow import NOTHING, Resampling, flows, states_of

    ids = sorted(oracle.sample_id.unique())
    names = ("right", "wrong", "misread")
    before, told = (states_of(with_states(f[f.sample_id.isin(ids)]), names, ids) for f in (clean, oracle))
    wrong_ISS = flows(before, told)[:, 1:].sum(axis=1)
    wrong_I, draw = 1 - before.shares_IS[:, 0], Resampling(before, seed)
    if before.k > 1:
        again_I = flows(before, before)[:, 1:, 0].sum(axis=1)
        chance, unseen = draw.ratios(np.stack([again_I, wrong_ISS[:, 0] - again_I], axis=1), wrong_I, (-1, 1))
    else:
        chance, unseen = NOTHING, draw.ratios(wrong_ISS[:, :1], wrong_I, (0, 1))[0]
    unreasoned, unread = draw.ratios(wrong_ISS[:, 1:], wrong_I, (0, 1))
    wrong = draw.ratios(wrong_I[:, None], np.ones(len(ids)), (0, 1))[0]
    return {"wrong": wrong, "chance": chance, "did not see": unseen, "did not take up the text": unread,
            "could not reason": unreasoned}  # fmt: skip


def splits(
    clean: "pd.DataFrame", oracle: "pd.DataFrame", readable: list[str] | None, seed: int
) -> "dict[str, dict[str, Share]]":
    """`why_wrong` of all items, of those whose text the model can read, by level of dependency and by column."""
    parts = {"all items": oracle}
    if readable:
        parts[READABLE] = oracle[oracle.sample_id.isin(readable)]
    for name in ("dependency", "column"):
        values = [value for value in oracle[name].unique() if value]
        parts |= {f"{name}: {value}": oracle[oracle[name] == value] for value in values if len(values) > 1}
    return {name: why_wrong(clean, part, seed) for name, part in parts.items() if not part.empty}


def split_sentences(split: "dict[str, Share]", where: str, mini: bool) -> list[str]:
    """Did it not see, or could it not reason?"""
    from analysis.protocol import points

    if split["did not see"].value is None:
        return [f"{where}no response on the clean picture is wrong."]
    chance = "chance included, "
    if split["chance"].value is not None:
        chance = f"{points(split['chance'])} % are right when asked again without help (chance), "
    unread = f"{points(split['did not take up the text'])} % state a false fact all the same and "
    still = f"{points(split['could not reason'])} % stay wrong"
    return [
        f"{where}{points(split['wrong'])} % of the responses on the clean picture are wrong. Of these, {chance}"
        f"{points(split['did not see'])} % come right only with the facts told: the model did not see.",
        f"Told the facts, {unread}{still} with the facts right: the latter could not reason."
        if mini else f"Told the facts, {still}: the model could not reason, or did not take up the text.",
    ]  # fmt: skip


def readings(found: dict, split: "dict[str, dict[str, Share]]", mini: bool) -> list[str]:
    """What follows from the numbers, in sentences."""
    sentences = []
    if READABLE in split:
        count, total = len(found["oracle"]["legibility"]["readable"]), overall(found["oracle"]["rows"])["items"]
        where = f"On the {count} of {total} items whose question, facts told, is in the model's own language, "
        sentences = split_sentences(split[READABLE], where, mini)
    elif split and (found["oracle"]["legibility"] or {}).get("readable") != []:
        sentences = split_sentences(split["all items"], "", mini)
    for name in ("blank", "swapped"):
        if name in found and found[name]["rows"]:
            row = overall(found[name]["rows"])
            sentences.append(
                f"Of {100 * row['clean']:.1f} % on the clean picture, {100 * row['accuracy']:.1f} % are left under "
                f"{name}: that much needs no matching picture."
            )
    return sentences


def warnings(name: str, entry: dict[str, Any], speaks_mini: bool) -> list[str]:
    """What the model cannot be expected to read, with the measured shares."""
    legible, found = entry["legibility"], []
    if legible and max(legible["unknown_tokens"], legible["unknown_forms"] or 0) > NEW:
        forms = legible["unknown_forms"]
        found.append(
            f"{name}: {100 * legible['unknown_tokens']:.1f} % of the {legible['tokens']} added tokens"
            + (f" and the forms of {100 * forms:.1f} % of the questions so made" if forms else "")
            + " are new to the model: what it gets wrong here may be for not reading the text."
        )
    if name == "caption" and speaks_mini:
        cost = entry["no_picture"]
        found.append(
            "caption: no lesson of the mini world was without a picture"
            + (f"; on the {cost['items']} items whose question states every fact, taking the picture away changes "
               f"accuracy by {100 * cost['difference']:+.1f} points." if cost else ".")
        )  # fmt: skip
    return found


def entry_of(
    name: str, clean: "pd.DataFrame", frame: "pd.DataFrame", made: "Probed", prober: Prober
) -> dict[str, Any]:
    """Everything about one probe: its lines, what was left out, how legible its text is."""
    from analysis.probe_views import legibility

    seed = prober.settings.seed
    legible = legibility(prober.tokenizer, made, prober.language) if any(made.added.values()) else None
    rows = [] if frame.empty else probe_rows(clean, frame, name, seed)
    told = [] if frame.empty else frame[frame.sample_id.isin([item for item, text in made.added.items() if not text])]
    return {
        "rows": rows, "left_out": dict(made.left_out), "notes": dict(made.notes),
        "legibility": asdict(legible) if legible else None,
        "no_picture": overall(probe_rows(clean, told, name, seed)) if name == "caption" and len(told) else None,
    }  # fmt: skip


def cells_of(name: str, row: dict[str, Any]) -> list[str]:
    from eval.output import interval_text

    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    cells = [name, str(row["items"]), interval_text(row["accuracy"], row["low"], row["high"])]
    if name == "clean":
        return [*cells, "—", "—", "—"]
    return [*cells, f"{100 * row['clean']:.1f}", f"{100 * row['difference']:+.1f} [{low:+.1f}, {high:+.1f}]",
            f"{row['p_holm']:.2g}"]  # fmt: skip


def page(settings: ProbeSettings, found: dict, split: "dict[str, dict[str, Share]]", prober: Prober) -> str:
    """The result as one Markdown page."""
    from analysis.protocol import points
    from eval.output import markdown

    header = ["probe", "items", "accuracy, %", "clean on the same items, %", "difference, points", "p (Holm)"]
    tables: dict[str, list[list[str]]] = {}
    for name, entry in found.items():
        for row in entry["rows"]:
            title = row["part"] if row["by"] == "overall" else f"{row['by']}: {row['part']}"
            tables.setdefault(title, []).append(cells_of(name, row))
    order = sorted(tables, key=lambda title: (title != "overall", not title.startswith("dependency")))
    counted = [
        f"- {name}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        for name, entry in found.items() for counts in (entry["left_out"], entry["notes"]) if sum(counts.values())
    ]  # fmt: skip
    warned = [f"- **{line}**" for name, entry in found.items() for line in warnings(name, entry, prober.speaks_mini)]
    spoken = readings(found, split, all(task.benchmark is None for task in prober.tasks))
    parts = ["wrong", "chance", "did not see", "did not take up the text", "could not reason"]
    rows = [[name, *(points(shares[part]) for part in parts)] for name, shares in split.items()]
    why = ["## Why the wrong responses are wrong, in percent of them", "",
           markdown(["items", "wrong, % of all", *parts[1:]], rows), ""] if rows else []  # fmt: skip
    return "\n".join([
        f"# Probes of {settings.run or settings.model.path}", "", *(f"- {line}" for line in spoken), *warned, "", *why,
        *(line for title in order for line in (f"## {title}", "", markdown(header, tables[title]), "")),
        "## Left out, and what is particular", "", *(counted or ["- nothing"]), "",
        f"k={settings.k}; overall is the plain mean over columns, the split pools all responses. Intervals: 95 %, "
        "bootstrap over clusters of items. Holm: over the lines of one probe and one way of splitting.",
    ]) + "\n"  # fmt: skip


def probe(settings: ProbeSettings) -> None:
    """Sample what is missing, compare, write and print."""
    import pandas as pd

    names, out = checked_probes(settings), output_folder(settings)
    prober = Prober(settings, out)
    record = Run.collect(settings, revisions={"model": prober.revision, **{t.name: t.version for t in prober.tasks}})
    if settings.captions:
        record.revisions[settings.captions] = f"sha256:{sha256_of(Path(settings.captions))}"
    frames, found = {}, {}
    for name in names:
        frames[name], made = prober.probed(name)
        if frames["clean"].empty:
            raise UserError("no item fits into model.max_prompt_tokens; raise it")
        found[name] = entry_of(name, frames["clean"], frames[name], made, prober)
    usable = "oracle" in frames and not frames["oracle"].empty
    readable = (found["oracle"]["legibility"] or {}).get("readable") if usable else None
    split = splits(frames["clean"], frames["oracle"], readable, settings.seed) if usable else {}
    text = page(settings, found, split, prober)
    with atomic_path(out / "probes.parquet") as path:
        pd.concat(frames.values(), ignore_index=True).to_parquet(path)
    rows = pd.DataFrame([row for entry in found.values() for row in entry["rows"]])
    atomic_write_text(out / "probes.csv", rows.to_csv(index=False))
    shares = {part: {name: share.record() for name, share in one.items()} for part, one in split.items()}
    content = {"probes": found, "why_wrong": shares, "run": asdict(record)}
    atomic_write_text(out / "probes.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    atomic_write_text(out / "probes.md", text)
    print(text, end="")


def main(argv: list[str]) -> int:
    return command(
        ProbeSettings, "analysis.probes:probe", argv, prog="python -m analysis.probes", summary=str(__doc__)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
