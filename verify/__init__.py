"""What counts as right: answer extraction, graders and format checks.

Importing this package is cheap; sympy and math-verify live in a worker process that starts with the first symbolic
comparison. Two graders: "robust" (ours) and "papo" (what PAPO's reward and evaluation accept). A sample of a type of
answer that verify/by_type.py knows is graded there, whatever the grader.
"""

from collections.abc import Sequence

from common.errors import UserError
from verify.by_type import BY_TYPE
from verify.extract import extract_boxed
from verify.papo import grade_papo
from verify.robust import grade_robust
from verify.verdict import Verdict, format_ok

GRADERS = {"robust": grade_robust, "papo": grade_papo}

__all__ = ["GRADERS", "Verdict", "extract_boxed", "format_ok", "grade"]


def grade(
    response: str,
    gold: str,
    *,
    choices: Sequence[str] | None = None,
    task_type: str | None = None,
    grader: str = "robust",
) -> Verdict:
    """Grade one response against its gold answer; never raises on odd text and never hangs."""
    if grader not in GRADERS:
        raise UserError(f"Unknown grader {grader!r}: choose one of {', '.join(GRADERS)}.")
    if task_type in BY_TYPE:
        return BY_TYPE[task_type](response, gold)
    return GRADERS[grader](response, gold, choices=choices, task_type=task_type)
