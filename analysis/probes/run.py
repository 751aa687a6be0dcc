"""Counterfactual probes: what a model still answers when its picture is spoiled, swapped, or put into words.

masked, blank: the picture under a view; swapped, same_answer: another item's picture, with another or the same answer;
caption: a text instead of the picture; oracle: what a correct reading says, in words beside the picture. All probes
share seeds with `clean`, and every difference is taken on the items that both have.

The wrong responses on the clean picture are split by pairing each with the oracle's responses to the same item:
right when merely asked again = chance; right with the facts told, beyond that = did not see; still wrong with the
facts told = could not reason, or, where its chain still states a false fact (mini world), did not take up the text.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from analysis.probes.findings import splits
from analysis.probes.page import page
from analysis.probes.prober import Prober, entry_of
from analysis.probes.settings import ProbeSettings, checked_probes, output_folder
from common import UserError, atomic_path, atomic_write_text, sha256_of
from configs import Run


def probe(settings: ProbeSettings) -> None:
    """Sample what is missing, compare, write and print."""
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
    shares = {part: {name: asdict(share) for name, share in one.items()} for part, one in split.items()}
    content = {"probes": found, "why_wrong": shares, "run": asdict(record)}
    atomic_write_text(out / "probes.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    atomic_write_text(out / "probes.md", text)
    print(text, end="")
