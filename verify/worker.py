"""The process in which every symbolic comparison runs; started by `verify.limits`, never imported by the parent.

It imports sympy and math-verify once, warms them up, and forks a child that does the comparing. One JSON request a
line on standard input, one word a line on standard output. The child arms the kernel's timers before each
comparison (CPU time, then wall time) and leaves their signals at the default action, which ends the process even
inside a C loop; the next child is there within milliseconds, already warm. The parent's own wall remains behind that.
"""

import contextlib
import json
import logging
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache

Comparison = Callable[[str, str], bool]

_MEMORY_BYTES = 2 << 30
_PARENT_CHECK_S = 2.0
# The grammar tables of the LaTeX parser are filled at first use, which takes up to a second for each kind of answer:
# that must not count against the limit of somebody's comparison.
_WARM_UP = (
    (r"\frac{1+\sqrt{5}}{2}", r"-2x^{2}+y"),
    (r"\sin\frac{\pi}{6}", r"\cos(x)"),
    (r"\tan 3", r"\log_{2} 8"),
    (r"\ln x", r"\sqrt[3]{8}"),
    (r"x \le 3", r"(-\infty,3)\cup[4,5]"),
    (r"x=1", r"y=2x+1"),
    (r"\{1,2\}", r"|x-1|"),
    (r"5!", r"e^{x}"),
)


def main() -> None:
    """Answer requests until the parent goes away."""
    parent = os.getppid()
    with contextlib.suppress(ValueError, OSError):  # some systems refuse this limit; the time limit still holds
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    reply_to = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not spoil the protocol
    try:
        comparisons = _load_comparisons()
    except ImportError as error:
        os.write(reply_to, f"missing {error.name}\n".encode())
        return
    for gold, prediction in _WARM_UP:
        _outcome(comparisons["latex"], gold, prediction)
    os.write(reply_to, b"ready\n")
    child: Child | None = None
    for line in _requests(0, parent):
        child = child or Child(comparisons, (0, reply_to))
        outcome = child.ask(line)
        if child.ended:
            child = None
        os.write(reply_to, outcome + b"\n")


class Child:
    """A forked copy of the warm process; one that a limit has ended is replaced by the next."""

    def __init__(self, comparisons: dict[str, Comparison], inherited: tuple[int, ...]) -> None:
        request_end, self.requests = os.pipe()
        self.replies, reply_end = os.pipe()
        self.ended = False
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            for descriptor in (*inherited, self.requests, self.replies):
                os.close(descriptor)
            _serve(comparisons, request_end, reply_end, supervisor)
            os._exit(0)
        os.close(request_end)
        os.close(reply_end)

    def ask(self, line: bytes) -> bytes:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.requests, line + b"\n")
        reply = os.read(self.replies, 64)
        if reply:
            return reply.strip()
        self.ended = True
        _, status = os.waitpid(self.pid, 0)
        os.close(self.requests)
        os.close(self.replies)
        timed_out = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
        return b"time_limit" if timed_out else b"worker_died"


def _serve(comparisons: dict[str, Comparison], request_end: int, reply_end: int, supervisor: int) -> None:
    for line in _requests(request_end, supervisor):
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, request["limit_s"])
        signal.setitimer(signal.ITIMER_REAL, request["wall_s"])
        outcome = _outcome(comparisons[request["kind"]], request["gold"], request["prediction"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(reply_end, outcome.encode() + b"\n")


def _requests(source: int, parent: int) -> Iterator[bytes]:
    """Yield lines from a pipe; ends with the pipe, or when the process has been inherited by another parent."""
    buffer = b""
    while True:
        readable, _, _ = select.select([source], [], [], _PARENT_CHECK_S)
        if os.getppid() != parent:
            return
        if not readable:
            continue
        chunk = os.read(source, 1 << 16)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from lines


def _outcome(comparison: Comparison, gold: str, prediction: str) -> str:
    try:
        return "equal" if comparison(gold, prediction) else "different"
    except MemoryError:
        return "memory_limit"
    except Exception:
        # sympy and math-verify raise nearly every built-in type on odd input; none of them makes an answer right.
        return "different"


def _load_comparisons() -> dict[str, Comparison]:
    """Import the heavy libraries once and return the comparison for each kind of request."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    from verify.latex_parser import use_two_stages
    from verify.official.symbolic import COMPARISONS
    from verify.plain_expression import NotPlain, is_zero, read_plain_expression

    use_two_stages()

    # Units are removed before (math-verify would also drop bare letters such as t, h and c).
    # Only LaTeX is extracted: math-verify's other reader passes the text to `eval`.
    normalisation = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
    )
    targets = [math_verify.LatexExtractionConfig(normalization_config=normalisation, boxed_match_priority=-1)]

    @lru_cache(maxsize=4096)
    def parse(latex: str) -> list:
        return math_verify.parse(f"${latex}$", targets, fallback_mode="no_fallback", parsing_timeout=None)

    def compare_latex(gold: str, prediction: str) -> bool:
        parsed_gold, parsed_prediction = parse(gold), parse(prediction)
        return math_verify.verify(parsed_gold, parsed_prediction, timeout_seconds=None)

    def compare_plain(gold: str, prediction: str) -> bool:
        try:
            difference = read_plain_expression(gold) - read_plain_expression(prediction)
        except NotPlain:
            return False
        return is_zero(difference)

    return {"latex": compare_latex, "plain": compare_plain, **COMPARISONS}


if __name__ == "__main__":
    sys.setrecursionlimit(2000)
    main()
