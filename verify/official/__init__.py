"""The scoring rules of the benchmarks' own scripts and of lmms-eval, for numbers that compare with published ones.

Each rule is a pure function on text; what needs sympy runs in the comparison worker. Where a script rolls dice,
`guess` does it with a seed of its own for each response, so that no verdict depends on the order of the questions.
"""

import hashlib
from collections.abc import Sequence

from verify.verdict import Verdict, format_ok

__all__ = ["guess", "verdict"]


def guess(sample_id: str, k: int, letters: Sequence[str]) -> str:
    """Return a letter drawn from (item, number of the response) alone; the verdict on it carries the reason
    "guessed".
    """
    digest = hashlib.blake2b(f"{sample_id}\n{k}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return letters[int.from_bytes(digest, "big") % len(letters)]


def verdict(name: str, extracted: str | None, correct: bool, text: str, reason: str) -> Verdict:
    """Verdict of the official rule `name` on a response; whether its format is PAPO's is reported as everywhere."""
    return Verdict(extracted, correct, format_ok(text), f"official-{name}/1", reason)
