"""Which errors does a second model repair: the usual protocol, the fair one, and a McNemar test on 50 items.

`first` is the baseline. The usual protocol (PAPO, arXiv 2507.06448, Figures 1 and 15) labels the errors of one
response per item, here k=0, and follows those items under the second model. Items were chosen because one throw
failed, so some come right by throwing again, and errors that are new are never seen. The fair protocol takes all k
responses of all items, looks in both directions, and subtracts what the baseline repairs by being asked again: a
second evaluation with another seed (`resampled=`), or each response against the item's others (flow.py).

Classes of error: a column `error_class` that both predictions have; else, on the mini world, by construction; else
only right and wrong.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.protocol.words import power_sentences
from common import UserError, atomic_write_text, sha256_of
from configs import Run, command, setting

if TYPE_CHECKING:
    import pandas as pd

    from analysis.protocol.flow import Findings


NEEDED = ["sample_id", "k", "column", "cluster", "correct"]
OPTIONAL = ["gold", "grader", "text", "error_class"]


@dataclass
class ProtocolSettings:
    """Two evaluations of the same items; what is said of the second is said against the first."""

    config_version: int = setting(1, "version of this schema")
    first: str = setting(help="folder of the first evaluation, the baseline")
    second: str = setting(help="folder of the second evaluation, on the same items")
    resampled: str = setting("", "folder of the baseline evaluated with another seed; empty = its other responses")
    sample: int = setting(50, "items of the small McNemar test (Perception-R1: 50)")
    seed: int = setting(0, "seed of the resampling and of the small sample")
    out: str = setting("", "folder of protocol.md, .json and .csv files; empty = the second evaluation's folder")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def folders_of(settings: ProtocolSettings) -> dict[str, Path]:
    """The evaluations by their part in the comparison; no folder may play two."""
    given = {"first": settings.first, "second": settings.second, "resampled": settings.resampled}
    folders = {part: Path(folder) for part, folder in given.items() if folder}
    seen: dict[Path, str] = {}
    for part, folder in folders.items():
        if folder.resolve() in seen:
            raise UserError(f"{seen[folder.resolve()]} and {part} are the same folder, {folder}; give different ones")
        seen[folder.resolve()] = part
    return folders


def read_frames(folders: dict[str, Path]) -> "tuple[dict[str, pd.DataFrame], str]":
    """Predictions of the same items under the same grader, with their states."""
    from analysis.states import classified
    from eval.output import read_predictions
    from eval.paired import pair

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


def write_frames(found: "Findings", out: Path) -> None:
    """Tidy frames for figures: one line per cell of the flows, one per measure of a repair."""
    import pandas as pd

    atomic_write_text(out / "protocol_flow.csv", pd.DataFrame(found.flow_rows()).to_csv(index=False))
    atomic_write_text(out / "protocol_repairs.csv", pd.DataFrame(found.repair_rows()).to_csv(index=False))


def protocol(settings: ProtocolSettings) -> None:
    """Read, follow the items, write and print."""
    from analysis.protocol.flow import findings
    from analysis.protocol.page import page

    folders, out = folders_of(settings), Path(settings.out or settings.second)
    frames, classes = read_frames(folders)
    found = findings(frames, settings.sample, settings.seed)
    names = {part: str(folder) for part, folder in folders.items()}
    text = page(found, names, classes)
    revisions = {str(folder): f"sha256:{sha256_of(folder / 'predictions.parquet')}" for folder in folders.values()}
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


def main(argv: list[str]) -> int:
    prog = "python -m analysis.protocol"
    return command(ProtocolSettings, "analysis.protocol.run:protocol", argv, prog=prog, summary=str(__doc__))
