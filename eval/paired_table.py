"""A paired comparison as a table of text, for Markdown and HTML alike."""

from eval.paired import PairedResult

HEADER = [
    "columns",
    "items",
    "first",
    "second",
    "difference in points (95 %)",
    "p",
    "p (Holm)",
    "only first",
    "only second",
    "McNemar p",
    "McNemar p (Holm)",
    "visible",
]


def table_row(line: PairedResult) -> list[str]:
    """Return the cells of one line, in the order of the header."""
    points = f"{100 * line.difference:+.1f} [{100 * line.low:+.1f}, {100 * line.high:+.1f}]"
    visible = "unknown" if line.smallest_visible is None else f"{100 * line.smallest_visible:.1f}"
    tests = [f"{p:.2g}" for p in (line.p_difference, line.p_difference_holm, line.p_mcnemar, line.p_mcnemar_holm)]
    return [
        line.part,
        str(line.items),
        f"{100 * line.first:.1f}",
        f"{100 * line.second:.1f}",
        points,
        *tests[:2],
        str(line.only_first),
        str(line.only_second),
        *tests[2:],
        visible,
    ]
