"""Benchmarks that are reported together, and the averages that papers print of them."""

from collections.abc import Mapping

from eval.benchmarks import BENCHMARKS

# PAPO, arXiv 2507.06448, Table 1: unweighted means of columns; the vision-dependent MathVerse items count twice.
PAPO_GENERAL = ("papo_geometry3k", "papo_mathvista", "papo_wemath", "papo_mmk12", "papo_mathverse")
PAPO_VISION = ("papo_logicvista", "papo_counting", "papo_mmmu_pro", "papo_mathverse_vision")

SUITES: dict[str, tuple[str, ...]] = {
    "papo_suite": PAPO_GENERAL + PAPO_VISION,
    "perception": ("mathverse_vision", "mmstar", "clevr_counting", "blink", "hallusionbench", "pope"),
    "all": tuple(BENCHMARKS),
}
AVERAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "papo_suite": {"general": PAPO_GENERAL, "vision": PAPO_VISION, "overall": PAPO_GENERAL + PAPO_VISION},
}


def averages(suite: str, scores: Mapping[str, float]) -> dict[str, float]:
    """The averages of a suite for which every column is there; an average of some columns would be another number."""
    return {
        name: sum(scores[column] for column in columns) / len(columns)
        for name, columns in AVERAGES.get(suite, {}).items()
        if all(column in scores for column in columns)
    }
