"""Both protocols on one Markdown page."""

from analysis.protocol.flow import Findings, Repair
from analysis.protocol.words import control_sentence, points, power_sentences, readings, shared_draws
from eval.estimate import number_text
from eval.output import markdown

READING = """## How to read this

- Intervals: 95 %, bootstrap over clusters of items within columns, the same draw for both models and the control; \
the usual protocol's are normal or Wilson's. Training runs are not drawn, so another seed of training may differ by \
more.
- All items are pooled; python -m eval.compare weighs columns equally instead.
- p: sign-flip test of the shares; McNemar: exact, on items of which more than half of the responses are in the \
state. Holm: over the states of the table.
"""
BIASED = (
    "One response per item; the items are those that the first model got wrong. **This is biased**: they were chosen "
    "for a failure that is partly chance, so some come right under any second try (regression to the mean), and what "
    "the second model newly gets wrong is not looked at."
)


def page(found: Findings, names: dict[str, str], classes: str) -> str:
    """Return both protocols as one Markdown page."""
    among = f" ({found.clusters} problems)" if found.clusters < found.items else ""
    head = (
        f"First: {names['first']} (k={found.k['first']}). Second: {names['second']} (k={found.k['second']}). "
        f"{found.items} items{among}. {classes} {control_sentence(found, names)}"
    )
    return "\n\n".join(
        [
            "# What became of the errors",
            head,
            "## In words",
            "\n".join(f"- {sentence}" for sentence in readings(found)),
            "## The usual protocol: follow the first model's errors",
            BIASED + shared_draws(found),
            usual_table(found),
            *fair_part(found),
            *small_part(found),
            READING,
        ]
    )


def fair_part(found: Findings) -> list[str]:
    """Return the paragraphs of the protocol that looks at everything."""
    names = [name for name in found.flow if name != "beyond resampling"]
    beyond = [flow_table(found, "beyond resampling", "+")] if "beyond resampling" in found.flow else []
    return [
        "## The fair protocol: all items, all responses, both directions",
        "Share of all responses in each state:",
        lines_table(found),
        repairs_table(found.forward, "first", "second"),
        repairs_table(found.backward, "second", "first"),
        "Flows, in percent of all pairs of responses to an item:",
        *(flow_table(found, name) for name in names),
        *beyond,
    ]


def small_part(found: Findings) -> list[str]:
    """Return the paragraphs of McNemar's test on a few items."""
    return [
        f"## McNemar on {found.small.items} items",
        "Perception-R1's protocol: random items, one response each, does it misread the picture?",
        small_table(found),
        f"Exact p = {found.small.p_value:.2g}. {' '.join(power_sentences(found.small))}",
    ]


def usual_table(found: Findings) -> str:
    header = ["errors of the first", "items", "repaired by the second, %", *(f"then {n}" for n in found.names)]
    rows = [
        [line["name"], str(line["items"]), points(line["repaired"]), *(str(line["fate"][n]) for n in found.names)]
        for line in found.followed
    ]
    return markdown(header, rows)


def repairs_table(lines: list[Repair], errors_of: str, other: str) -> str:
    header = [
        f"errors of the {errors_of}",
        "items",
        "responses",
        f"right under the {other}, %",
        f"right under the {errors_of} itself, asked again, %",
        "difference, points",
    ]
    cells = [[points(line.other), points(line.control), points(line.difference, "+")] for line in lines]
    return markdown(
        header, [[line.name, str(line.items), str(line.errors), *row] for line, row in zip(lines, cells, strict=True)]
    )


def lines_table(found: Findings) -> str:
    header = [
        "state",
        "first, %",
        "second, %",
        "difference, points",
        "p",
        "p (Holm)",
        "McNemar: left",
        "entered",
        "McNemar p (Holm)",
    ]
    rows = [
        [
            line.part,
            number_text(line.first),
            number_text(line.second),
            line.estimate.text("+"),
            f"{line.p_difference:.2g}",
            f"{line.p_difference_holm:.2g}",
            str(line.only_first),
            str(line.only_second),
            f"{line.p_mcnemar_holm:.2g}",
        ]
        for line in found.lines
    ]
    return markdown(header, rows)


def flow_table(found: Findings, name: str, sign: str = "") -> str:
    rows = [
        [begin, *(points(cell, sign) for cell in row)]
        for begin, row in zip(found.names, found.flow[name], strict=True)
    ]
    return markdown([f"{name}: from \\ to", *found.names], rows)


def small_table(found: Findings) -> str:
    small = found.small
    return markdown(
        ["", "second reads well", "second misreads"],
        [
            ["first reads well", str(small.both_fine), str(small.broken)],
            ["first misreads", str(small.repaired), str(small.both_misread)],
        ],
    )
