"""The HTML report: one file that shows the findings and, sample by sample, what the model saw."""

from analysis.report.page import Answer, Fact, Figure, Item, Report, Table, Token, render_report, write_report

__all__ = ["Answer", "Fact", "Figure", "Item", "Report", "Table", "Token", "render_report", "write_report"]
