"""A paired comparison as a table of text, for Markdown and HTML alike."""

from eval.estimate import number_text
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
    visible = "unknown" if line.smallest_visible is None else number_text(line.smallest_visible)
    tests = [f"{p:.2g}" for p in (line.p_difference, line.p_difference_holm, line.p_mcnemar, line.p_mcnemar_holm)]
    return [
        line.part,
        str(line.items),
        number_text(line.first),
        number_text(line.second),
        line.estimate.text("+"),
        *tests[:2],
        str(line.only_first),
        str(line.only_second),
        *tests[2:],
        visible,
    ]
