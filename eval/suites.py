"""Benchmarks that are reported together, and the averages that papers print of them."""

from eval.benchmarks import BENCHMARKS

# PAPO, arXiv 2507.06448, Table 1: unweighted means of columns; the vision-dependent MathVerse items count twice.
PAPO_GENERAL = ("papo_geometry3k", "papo_mathvista", "papo_wemath", "papo_mmk12", "papo_mathverse")
PAPO_VISION = ("papo_logicvista", "papo_counting", "papo_mmmu_pro", "papo_mathverse_vision")
EVERYTHING = "all"

SUITES: dict[str, tuple[str, ...]] = {
    "papo_suite": PAPO_GENERAL + PAPO_VISION,
    "perception": ("mathverse_vision", "mmstar", "clevr_counting", "blink", "hallusionbench", "pope"),
    EVERYTHING: tuple(name for name, benchmark in BENCHMARKS.items() if not benchmark.generate),
}
# The mini world's columns, each in the place of the paper's (configs/tables/table1.yaml).
MINI_GENERAL = ("geometry", "chart", "word", "subject", "versions")
MINI_VISION = ("logic", "counting", "inpicture", "vision_centric")
AVERAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "mini": {"general": MINI_GENERAL, "vision": MINI_VISION, "overall": MINI_GENERAL + MINI_VISION},
    "papo_suite": {"general": PAPO_GENERAL, "vision": PAPO_VISION, "overall": PAPO_GENERAL + PAPO_VISION},
}
