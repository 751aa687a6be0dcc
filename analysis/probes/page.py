"""Probes on one Markdown page: sentences, tables, and a warning where the model cannot read what it was told."""

from typing import Any

from analysis.probes.findings import READABLE, overall
from analysis.probes.prober import Prober
from analysis.probes.settings import ProbeSettings
from analysis.protocol.transitions import Share
from analysis.protocol.words import points
from eval.estimate import interval_text, number_text
from eval.output import markdown

NEW = 0.01  # share of tokens or question forms new to the model above which the page warns


def page(settings: ProbeSettings, found: dict, split: dict[str, dict[str, Share]], prober: Prober) -> str:
    """Return the result as one Markdown page."""
    header = ["probe", "items", "accuracy, %", "clean on the same items, %", "difference, points", "p (Holm)"]
    tables: dict[str, list[list[str]]] = {}
    for name, entry in found.items():
        for row in entry["rows"]:
            title = row["part"] if row["by"] == "overall" else f"{row['by']}: {row['part']}"
            tables.setdefault(title, []).append(cells_of(name, row))
    order = sorted(tables, key=lambda title: (title != "overall", not title.startswith("vision_need")))
    counted = [
        f"- {name}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        for name, entry in found.items()
        for counts in (entry["left_out"], entry["notes"])
        if sum(counts.values())
    ]
    lines = [line for name, entry in found.items() for line in warnings(name, entry, prober.knows_its_world)]
    warned = [f"- **{line}**" for line in lines]
    spoken = readings(found, split, all(task.benchmark.diagnose for task in prober.tasks))
    parts = ["wrong", "chance", "did not see", "did not take up the text", "could not reason"]
    rows = [[name, *(points(shares[part]) for part in parts)] for name, shares in split.items()]
    why = (
        [
            "## Why the wrong responses are wrong, in percent of them",
            "",
            markdown(["items", "wrong, % of all", *parts[1:]], rows),
            "",
        ]
        if rows
        else []
    )
    return (
        "\n".join(
            [
                f"# Probes of {settings.run or settings.model.path}",
                "",
                *(f"- {line}" for line in spoken),
                *warned,
                "",
                *why,
                *(line for title in order for line in (f"## {title}", "", markdown(header, tables[title]), "")),
                "## Left out, and what is particular",
                "",
                *(counted or ["- nothing"]),
                "",
                f"k={settings.k}; overall is the plain mean over columns, the split pools all "
                "responses. Intervals: 95 %, over "
                "clusters of items. Holm: over the lines of one probe and one way of splitting.",
            ]
        )
        + "\n"
    )


def cells_of(name: str, row: dict[str, Any]) -> list[str]:
    cells = [name, str(row["items"]), interval_text(row["accuracy"], row["low"], row["high"])]
    if name == "clean":
        return [*cells, "—", "—", "—"]
    return [
        *cells,
        number_text(row["clean"]),
        interval_text(row["difference"], row["difference_low"], row["difference_high"], "+"),
        f"{row['p_holm']:.2g}",
    ]


def split_sentences(split: dict[str, Share], where: str, mini: bool) -> list[str]:
    """Did it not see, or could it not reason?"""
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
        if mini
        else f"Told the facts, {still}: the model could not reason, or did not take up the text.",
    ]


def readings(found: dict, split: dict[str, dict[str, Share]], mini: bool) -> list[str]:
    """Return what follows from the numbers, in sentences."""
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
                f"Of {number_text(row['clean'])} % on the clean picture, {number_text(row['accuracy'])} % are left "
                f"under {name}: that much needs no matching picture."
            )
    return sentences


def warnings(name: str, entry: dict[str, Any], speaks_mini: bool) -> list[str]:
    """Return what the model cannot be expected to read, with the measured shares."""
    legible, found = entry["legibility"], []
    if legible and max(legible["unknown_tokens"], legible["unknown_forms"] or 0) > NEW:
        forms = legible["unknown_forms"]
        found.append(
            f"{name}: {number_text(legible['unknown_tokens'])} % of the {legible['tokens']} added tokens"
            + (f" and the forms of {number_text(forms)} % of the questions so made" if forms else "")
            + " are new to the model: what it gets wrong here may be for not reading the text."
        )
    if name == "caption" and speaks_mini:
        cost = entry["no_picture"]
        found.append(
            "caption: no lesson of the mini world was without a picture"
            + (
                f"; on the {cost['items']} items whose question states every fact, taking the picture away changes "
                f"accuracy by {number_text(cost['difference'], '+')} points."
                if cost
                else "."
            )
        )
    return found
