"""The HTML report: one file that shows the findings and, sample by sample, what the model saw."""

from analysis.report.page import render_report, write_report
from analysis.report.records import (
    Answer,
    Fact,
    Figure,
    Front,
    Headline,
    Item,
    Other,
    PatchMap,
    Report,
    Table,
    Token,
)

__all__ = [
    "Answer",
    "Fact",
    "Figure",
    "Front",
    "Headline",
    "Item",
    "Other",
    "PatchMap",
    "Report",
    "Table",
    "Token",
    "render_report",
    "write_report",
]
