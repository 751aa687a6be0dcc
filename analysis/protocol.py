"""Which errors does a second model repair: the usual protocol, the fair one, and a McNemar test on 50 items.

`first` is the baseline. The usual protocol (PAPO, arXiv 2507.06448, Figures 1 and 15) labels the errors of one
response per item, here k=0, and follows those items under the second model. Items were chosen because one throw
failed, so some come right by throwing again, and errors that are new are never seen. The fair protocol takes all k
responses of all items, looks in both directions, and subtracts what the baseline repairs by being asked again: a
second evaluation with another seed (`resampled=`), or each response against the item's others (analysis/flow.py).

Classes of error: a column `error_class` that both predictions have; else, on the mini world, by construction; else
only right and wrong.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs import Run, UserError, atomic_write_text, command, setting, sha256_of

if TYPE_CHECKING:
    import pandas as pd

    from analysis.flow import Findings, Repair, Share, SmallTest
    from eval.paired import PairedResult

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


def power_sentences(small: "SmallTest") -> list[str]:
    """What the small McNemar test could have seen."""
    differs, visible = small.broken_share + small.repaired_share, small.smallest_difference
    if visible is None:
        first = f"With {small.items} items such a test sees no difference at all in 80 % of cases."
    else:
        first = (
            f"With {small.items} items such a test sees a difference of {100 * visible:.0f} points in 80 % of cases; "
        )
        first += f"the two models differ on {100 * differs:.1f} % of single responses"
        first += ", so it would miss even a change that goes one way only." if visible > differs else "."
    needed = f"about {small.items_needed:,} items" if small.items_needed else "no number of items up to 100,000"
    return [first, (
        f"The difference between these two, {100 * (small.repaired_share - small.broken_share):+.1f} points over all "
        f"responses, it sees in {100 * small.power:.0f} % of cases; {needed} would make that 80 %."
    )]  # fmt: skip


def points(share: "Share", sign: str = "") -> str:
    """A share as percent with its interval."""
    if share.value is None or share.low is None or share.high is None:
        return "—"
    value, low, high = (f"{100 * edge:{sign}.1f}" for edge in (share.value, share.low, share.high))
    return f"{value} [{low}, {high}]"


def usual_table(found: "Findings") -> str:
    from eval.output import markdown

    header = ["errors of the first", "items", "repaired by the second, %", *(f"then {n}" for n in found.names)]
    rows = [
        [line["name"], str(line["items"]), points(line["repaired"]), *(str(line["fate"][n]) for n in found.names)]
        for line in found.followed
    ]
    return markdown(header, rows)


def repairs_table(lines: "list[Repair]", errors_of: str, other: str) -> str:
    from eval.output import markdown

    header = [f"errors of the {errors_of}", "items", "responses", f"right under the {other}, %",
              f"right under the {errors_of} itself, asked again, %", "difference, points"]  # fmt: skip
    cells = [[points(line.other), points(line.control), points(line.difference, "+")] for line in lines]
    return markdown(
        header, [[line.name, str(line.items), str(line.errors), *row] for line, row in zip(lines, cells, strict=True)]
    )


def lines_table(found: "Findings") -> str:
    from eval.output import markdown

    header = ["state", "first, %", "second, %", "difference, points", "p", "p (Holm)", "McNemar: left", "entered",
              "McNemar p (Holm)"]  # fmt: skip
    rows = [
        [line.part, f"{100 * line.first:.1f}", f"{100 * line.second:.1f}",
         f"{100 * line.difference:+.1f} [{100 * line.low:+.1f}, {100 * line.high:+.1f}]", f"{line.p_difference:.2g}",
         f"{line.p_difference_holm:.2g}", str(line.only_first), str(line.only_second), f"{line.p_mcnemar_holm:.2g}"]
        for line in found.lines
    ]  # fmt: skip
    return markdown(header, rows)


def flow_table(found: "Findings", name: str, sign: str = "") -> str:
    from eval.output import markdown

    rows = [
        [begin, *(points(cell, sign) for cell in row)]
        for begin, row in zip(found.names, found.flow[name], strict=True)
    ]
    return markdown([f"{name}: from \\ to", *found.names], rows)


def usual_reading(usual: dict, fair: "Repair", what: str) -> str:
    line = f"The usual protocol says: the second model repairs {points(usual['repaired'])} % of the first's {what}."
    if fair.control.value is None:
        return f"{line} How many of them the first would repair by being asked again is not known here."
    return (
        f"{line} But asked again, the first model itself gets {points(fair.control)} % of them right: that much is "
        f"chance, not repair. Over all responses the second gets {points(fair.other)} % right, "
        f"{points(fair.difference, '+')} points beyond chance."
    )


def fair_reading(line: "PairedResult", back: "Repair", found: "Findings", what: str) -> str:
    place, right = found.names.index(line.part), found.names.index("right")
    there, here = (found.flow["first to second"][a][b].value or 0.0 for a, b in ((place, right), (right, place)))
    relative = f" ({100 * line.difference / line.first:+.0f} % of them)" if line.first else ""
    other = f", {points(back.difference, '+')} beyond chance" if back.difference.value is not None else ""
    return (
        f"The fair protocol says: of all responses, {100 * line.first:.1f} % are {what} under the first and "
        f"{100 * line.second:.1f} % under the second, {100 * line.difference:+.1f} points "
        f"[{100 * line.low:+.1f}, {100 * line.high:+.1f}]{relative}. {100 * there:.1f} % of the pairs go from there "
        f"to right and {100 * here:.1f} % come from right: in the other direction the first gets {points(back.other)} "
        f"% of the second's {what} right{other}. What both directions share is that the models differ, not that one "
        "is better."
    )


def readings(found: "Findings") -> list[str]:
    """How the two protocols differ, in plain words, with this comparison's numbers."""
    words = {"perception": "perception errors", "wrong": "errors", "all errors": "errors of any class"}
    if "wrong" in found.names:
        words.pop("all errors")
    sentences = []
    for usual, fair in zip(found.followed, found.forward, strict=True):
        if fair.name in words and usual["items"]:
            sentences.append(usual_reading(usual, fair, words[fair.name]))
    for line, back in zip(found.lines[1:], found.backward[:-1], strict=True):
        if line.part in words:
            sentences.append(fair_reading(line, back, found, words[line.part]))
    stays, right = found.flow["first to second"][0][0].value or 0.0, found.lines[0].first
    if right:
        sentences.append(
            f"The usual protocol never looks at what was right: {100 * (1 - stays / right):.1f} % of the first's "
            "right responses are wrong under the second."
        )
    return sentences


def control_sentence(found: "Findings", names: dict[str, str]) -> str:
    if found.control == "resampled":
        return f"Control: {names['resampled']}, the first model's second sampling."
    if found.control:
        return f"Control: each response of the first against its other {found.k['first'] - 1} to the same item."
    return (
        "No control: one response per item and no second sampling, so regression to the mean cannot be taken off; "
        "evaluate the first with k=2 or more, or give resampled=<its evaluation with another seed>."
    )


def shared_draws(found: "Findings") -> str:
    if found.k["second"] > 1:
        return " First: response k=0; second: k=1, as responses of one number and seed share their random numbers."
    return (
        " Both models answered with k=0: if both evaluations have one seed, the two throws share their random numbers "
        "and agree too often; evaluate with k=2 or more, or with different seeds."
    )


def small_table(found: "Findings") -> str:
    from eval.output import markdown

    small = found.small
    return markdown(
        ["", "second reads well", "second misreads"],
        [["first reads well", str(small.both_fine), str(small.broken)],
         ["first misreads", str(small.repaired), str(small.both_misread)]],
    )  # fmt: skip


def page(found: "Findings", names: dict[str, str], classes: str) -> str:
    """Both protocols on one Markdown page."""
    among = f" ({found.clusters} problems)" if found.clusters < found.items else ""
    flow_names = [name for name in found.flow if name != "beyond resampling"]
    beyond = [flow_table(found, "beyond resampling", "+"), ""] if "beyond resampling" in found.flow else []
    small = found.small
    return "\n".join([
        "# What became of the errors", "",
        f"First: {names['first']} (k={found.k['first']}). Second: {names['second']} (k={found.k['second']}). "
        f"{found.items} items{among}. {classes} {control_sentence(found, names)}", "",
        "## In words", "", *(f"- {sentence}" for sentence in readings(found)), "",
        "## The usual protocol: follow the first model's errors", "",
        "One response per item; the items are those that the first model got wrong. **This is biased**: they were "
        "chosen for a failure that is partly chance, so some come right under any second try (regression to the "
        f"mean), and what the second model newly gets wrong is not looked at.{shared_draws(found)}", "",
        usual_table(found), "",
        "## The fair protocol: all items, all responses, both directions", "",
        "Share of all responses in each state:", "", lines_table(found), "",
        repairs_table(found.forward, "first", "second"), "", repairs_table(found.backward, "second", "first"), "",
        "Flows, in percent of all pairs of responses to an item:", "",
        *(line for name in flow_names for line in (flow_table(found, name), "")), *beyond,
        f"## McNemar on {small.items} items", "",
        "Perception-R1's protocol: random items, one response each, does it misread the picture?", "",
        small_table(found), "", f"Exact p = {small.p_value:.2g}. {' '.join(power_sentences(small))}", "",
        "## How to read this", "",
        "- Intervals: 95 %, bootstrap over clusters of items within columns, the same draw for both models and the "
        "control; the usual protocol's are normal or Wilson's. Training runs are not drawn, so another seed of "
        "training may differ by more.",
        "- All items are pooled; python -m eval.compare weighs columns equally instead.",
        "- p: sign-flip test of the shares; McNemar: exact, on items of which more than half of the responses are in "
        "the state. Holm: over the states of the table.",
    ]) + "\n"  # fmt: skip


def write_frames(found: "Findings", out: Path) -> None:
    """Tidy frames for figures: one line per cell of the flows, one per measure of a repair."""
    import pandas as pd

    atomic_write_text(out / "protocol_flow.csv", pd.DataFrame(found.flow_rows()).to_csv(index=False))
    atomic_write_text(out / "protocol_repairs.csv", pd.DataFrame(found.repair_rows()).to_csv(index=False))


def protocol(settings: ProtocolSettings) -> None:
    """Read, follow the items, write and print."""
    from analysis.flow import findings

    folders = folders_of(settings)
    frames, classes = read_frames(folders)
    found = findings(frames, settings.sample, settings.seed)
    names = {part: str(folder) for part, folder in folders.items()}
    text = page(found, names, classes)
    revisions = {str(folder): f"sha256:{sha256_of(folder / 'predictions.parquet')}" for folder in folders.values()}
    record: dict[str, Any] = {
        **found.record(), "classes": classes, "power": power_sentences(found.small),
        "run": asdict(Run.collect(settings, revisions=revisions)),
    }  # fmt: skip
    out = Path(settings.out or settings.second)
    write_frames(found, out)
    atomic_write_text(out / "protocol.md", text)
    atomic_write_text(out / "protocol.json", json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    print(text, end="")


def main(argv: list[str]) -> int:
    prog = "python -m analysis.protocol"
    return command(ProtocolSettings, "analysis.protocol:protocol", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
