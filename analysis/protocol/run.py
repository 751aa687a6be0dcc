"""Both protocols on two evaluations: read, compare, write protocol.md, .json and .csv."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.protocol.flow import Findings, findings
from analysis.protocol.page import page
from analysis.protocol.settings import ProtocolSettings
from analysis.protocol.states import classified
from analysis.protocol.words import power_sentences
from common import UserError, atomic_write_text, sha256_of
from configs import Run
from eval.output import check_judged, judged_file, read_predictions
from eval.paired import pair

NEEDED = ["sample_id", "k", "column", "cluster", "correct"]
OPTIONAL = ["gold", "grader", "text", "error_class"]


def folders_of(settings: ProtocolSettings) -> dict[str, Path]:
    """Return the evaluations by their part in the comparison; each is there, and no folder may play two."""
    given = {"first": settings.first, "second": settings.second, "resampled": settings.resampled}
    folders = {part: Path(folder) for part, folder in given.items() if folder}
    seen: dict[Path, str] = {}
    for part, folder in folders.items():
        check_judged(folder)
        if folder.resolve() in seen:
            raise UserError(f"{seen[folder.resolve()]} and {part} are the same folder, {folder}; give different ones")
        seen[folder.resolve()] = part
    return folders


def read_frames(folders: dict[str, Path]) -> tuple[dict[str, pd.DataFrame], str]:
    """Predictions of the same items under the same grader, with their states."""
    names = {part: str(folder) for part, folder in folders.items()}
    frames = {part: read_predictions(folder, NEEDED, OPTIONAL) for part, folder in folders.items()}
    for part in [part for part in frames if part != "first"]:
        pair(frames["first"], frames[part], (names["first"], names[part]))  # refuses what cannot be compared
    if "resampled" in frames:
        keys = ["sample_id", "k"]
        texts = [frames[part].set_index(keys).get("text") for part in ("first", "resampled")]
        if all(text is not None for text in texts) and texts[0].sort_index().equals(texts[1].sort_index()):
            raise UserError(
                f"{names['resampled']} holds the very responses of {names['first']}; evaluate the baseline again with "
                "another seed"
            )
    return classified(frames, names)


def write_frames(found: Findings, out: Path) -> None:
    """Tidy frames for figures: one line per cell of the flows, one per measure of a repair."""
    atomic_write_text(out / "protocol_flow.csv", pd.DataFrame(found.flow_rows()).to_csv(index=False))
    atomic_write_text(out / "protocol_repairs.csv", pd.DataFrame(found.repair_rows()).to_csv(index=False))


def protocol(settings: ProtocolSettings) -> None:
    """Read, follow the items, write and print."""
    folders = folders_of(settings)
    out = Path(settings.out or judged_file(folders["second"]).parent)
    frames, classes = read_frames(folders)
    found = findings(frames, settings.sample, settings.seed)
    names = {part: str(folder) for part, folder in folders.items()}
    text = page(found, names, classes)
    revisions = {str(folder): f"sha256:{sha256_of(judged_file(folder))}" for folder in folders.values()}
    record: dict[str, Any] = {
        **found.record(),
        "classes": classes,
        "power": power_sentences(found.small),
        "run": asdict(Run.collect(settings, revisions=revisions, into=out)),
    }
    write_frames(found, out)
    atomic_write_text(out / "protocol.md", text)
    atomic_write_text(out / "protocol.json", json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    print(text, end="")
