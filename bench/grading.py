"""Speed, memory and robustness of grading: `python -m bench.grading [--rows 100000] [--fuzz 20000]`.

Speed: rows of mixed answers through the row function of `python -m verify`, letters and numbers apart from LaTeX; made
from the golden files, with new numbers in them, and from templates, behind a think block of ordinary length.
Fuzzing: texts made to crash, hang or fool a grader, against golds that none of them says; what is accepted is garbage.
Writes bench/grading.json.
"""

import argparse
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from common import atomic_write_text, read_jsonl
from configs import Run
from verify import grade, limits
from verify.__main__ import grade_line
from verify.official.maths import math_verify_accepts

OUT = Path(__file__).with_suffix(".json")
GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "verify"
GOLDEN_FILES = ("golden_robust.jsonl", "golden_papo.jsonl", "official_free_form.jsonl", "official_letters.jsonl")
NUMBER = re.compile(r"(?<![0-9.])[1-9][0-9]?(?![0-9.])")
SYMBOLIC = re.compile(r"\\(?!boxed|text)[a-zA-Z]|\^|\*\*|[a-z][+-]|√")
WORDS = ("the", "angle", "of", "this", "side", "is", "half", "so", "we", "add", "both", "and", "see", "that", "holds")
PLAIN_GOLD = re.compile(r"[A-J]|-?[0-9]+(?:[.,/][0-9]+)?%?(?: ?[a-z]+)?")
HANG_S = 60.0
LETTERS_AND_NUMBERS, LATEX = "letters and numbers", "latex"
KINDS = ("bytes", "braces", "powers", "right to left", "sympy traps", "pieces")
# None of the texts says any of these: each needs a number or a word that no piece below contains.
FUZZ_GOLDS = ("8675309.25", r"\sqrt{7654321}+q", r"\frac{31337}{44449}", "xylophone", r"(5551212,\ 6667778)")
PIECES = re.findall(
    r"\S+",
    r"""\frac \sqrt \sum \int \lim \infty \text{ \boxed{ \begin{matrix} \left( \right) \log_ \ln \sin { } ( ) [ ] 1 2
    9 x y = < > , . ! | ^ _ & \\ % $ ° ½ √ π × ∞ e i nan inf None True <think> </think> answer is B. and or ; : \pm""",
)
TRAPS = (
    "9**9**9**9",
    "99999999!",
    "1e999999999",
    r"\int_0^{9^9} e^{x^2} dx",
    r"\sum_{n=1}^{999999} \frac{1}{n^n}",
    r"\lim_{x \to 0} \frac{\sin^{99} x}{x^{99}}",
    r"(x+y+z+w)^{9999}",
    r"\binom{999999}{499999}",
    r"x^{x^{x^{x^x}}}=2",
    r"\sqrt[9999]{9^{9999}+1}",
    r"\log_{1}{5}",
    r"\frac{1}{0}",
    r"0^{-1}",
    r"\tan \frac{\pi}{2}",
    r"\infty-\infty",
    "__import__('os').abort()",
    "(lambda: 0)()",
    "x.func",
    "exec('x')",
    r"\begin{pmatrix}9^{9^9}&1\end{pmatrix}^{999}",
    r"|x-1|<9^{9^{9}}",
    r"\gcd(9^{999},6^{999})",
    r"\prod_{k=1}^{9999} k^k",
    "oo",
    "zoo",
    "S(1)/0",
    "Integer(10)**10**8",
)


@dataclass(frozen=True)
class Sizes:
    """What a run was asked for."""

    rows: int
    fuzz: int
    fuzz_limit_s: float
    seed: int


class Hang(Exception):
    """A grader did not come back."""


def thought(draw: random.Random) -> str:
    return f"<think>{' '.join(draw.choices(WORDS, k=draw.randint(40, 200)))}</think> "


def golden_rows() -> list[dict[str, Any]]:
    rows = [row for name in GOLDEN_FILES for row in read_jsonl(GOLDEN / name)]
    return [row for row in rows if "known_gap" not in row]


def with_new_numbers(row: dict[str, Any], draw: random.Random) -> tuple[str, str]:
    """Return the row with each small number replaced, the same one by the same."""
    new: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        return new.setdefault(match[0], str(draw.randint(10 ** (len(match[0]) - 1), 10 ** len(match[0]) - 1)))

    return NUMBER.sub(replace, row["response"]), NUMBER.sub(replace, str(row["gold"]))


def plain_template(draw: random.Random) -> tuple[str, str]:
    """Return a letter or a number, in one of the ways that models write them."""
    letter, gold_letter = draw.choice("ABCDE"), draw.choice("ABCDE")
    number, other = draw.randint(0, 9999), draw.randint(0, 9999)
    return draw.choice(
        [
            (f"\\boxed{{{letter}}}", gold_letter),
            (f"The answer is ({letter}).", gold_letter),
            (f"Answer: {letter}. text", gold_letter),
            (f"\\boxed{{{number}}}", str(number)),
            (f"\\boxed{{{number}}}", str(other)),
            (f"so it is {number}.", str(number)),
            (f"\\boxed{{{number}.50 cm}}", f"{number}.5"),
            (f"\\boxed{{{number}/{other + 1}}}", str(number)),
            (f"\\boxed{{{number}^\\circ}}", str(number)),
            (f"\\boxed{{{number},{other}}}", f"{other},{number}"),
        ]
    )


def latex_template(draw: random.Random) -> tuple[str, str]:
    """Return a formula and the same or nearly the same one in other words; most need the worker."""
    a, b, c = (draw.randint(2, 99) for _ in range(3))
    return draw.choice(
        [
            (rf"\frac{{{a}}}{{{b}}}\sqrt{{{c}}}", rf"{a}\sqrt{{{c}}}/{b}"),
            (rf"\log_{{2}} {2 ** (a % 20)}", str(a % 20)),
            (rf"x^2+{a}x-{b}", rf"-{b}+{a}x+x^2"),
            (rf"\sin({a}x)+{b}", rf"{b}+\sin {a}x"),
            (rf"y={a}x+{b}", rf"y-{a}x={b}"),
            (rf"{a}\pi-{b}", rf"{a}\pi-{c}"),
            (rf"({a},{b})", rf"({a},{b})"),
            (rf"e^{{{a}x}}\ln {b}", rf"\ln({b})e^{{{a}x}}"),
            (rf"\sqrt[3]{{{a}}}+{b}", rf"{b}+{a}^{{1/3}}"),
            (rf"x<{a}", rf"(-\infty,{a})"),
            (rf"\frac{{x+{a}}}{{x-{b}}}", rf"\frac{{-{a}-x}}{{{b}-x}}"),
            (rf"\cos^2 x+{a}\tan x", rf"{a}\tan x+\cos^2(x)"),
        ]
    )


def kind_of(row: dict[str, Any]) -> str | None:
    """Return part of the speed measurement that a golden row belongs to; None for words and odd mixtures."""
    if SYMBOLIC.search(f"{row['response']} {row['gold']}"):
        return LATEX
    return LETTERS_AND_NUMBERS if PLAIN_GOLD.fullmatch(str(row["gold"])) else None


def speed_rows(kind: str, count: int, draw: random.Random) -> list[bytes]:
    """Return lines as they stand in a file of cases: half from the golden files, half from templates."""
    is_latex = kind == LATEX
    pool = [row for row in golden_rows() if kind_of(row) == kind]
    lines = []
    for number in range(count):
        if number % 2:
            row = draw.choice(pool)
            response, gold = with_new_numbers(row, draw)
            more = {key: row[key] for key in ("choices", "task_type") if key in row}
        else:
            response, gold = latex_template(draw) if is_latex else plain_template(draw)
            response, more = f"\\boxed{{{response}}}" if is_latex else response, {}
        line = {"response": thought(draw) + response, "gold": gold, **more}
        lines.append(json.dumps(line).encode())
    return lines


def memory_mib() -> dict[str, float]:
    """Resident memory of this process and of its workers (pages that a forked one shares are counted in each)."""
    own = psutil.Process()
    workers = [process.memory_info().rss for process in own.children(recursive=True)]
    return {"parent": round(own.memory_info().rss / 2**20, 1), "workers": round(sum(workers) / 2**20, 1)}


def measure_speed(lines: list[bytes]) -> dict[str, Any]:
    """Return rows per second, the slowest row, memory at a tenth, half and the end."""
    slowest, slowest_line = 0.0, b""
    reasons: Counter[str] = Counter()
    memory, asked_before = {}, limits._compare_cached.cache_info().misses
    started = time.perf_counter()
    for number, line in enumerate(lines, 1):
        row_started = time.perf_counter()
        _, verdict = grade_line(line, "robust")
        seconds = time.perf_counter() - row_started
        reasons[verdict.reason.partition(":")[0]] += 1
        if seconds > slowest:
            slowest, slowest_line = seconds, line
        for percent in (10, 50):
            if number == len(lines) * percent // 100:
                memory[f"at_{percent}_percent"] = memory_mib()
    seconds = time.perf_counter() - started
    row = json.loads(slowest_line)
    return {
        "rows": len(lines),
        "distinct": len(set(lines)),
        "rows_per_s": round(len(lines) / seconds, 1),
        "asked_of_worker": limits._compare_cached.cache_info().misses - asked_before,
        "slowest_s": round(slowest, 4),
        "slowest_row": {"response": row["response"][-80:], "gold": row["gold"]},
        "memory_mib": {**memory, "at_end": memory_mib()},
        "reasons": dict(reasons.most_common()),
    }


def fuzzed_text(kind: str, draw: random.Random) -> str:
    """Return one hostile text; half of them stand in a box."""
    if kind == "bytes":
        text = draw.randbytes(draw.randint(1, 400)).decode(draw.choice(("utf-8", "latin-1", "utf-16")), "replace")
    elif kind == "braces":
        depth = draw.choice((3, 30, 300, 3000))
        opening, closing = draw.choice(
            (("{", "}"), ("(", ")"), ("\\frac{1}{", "}"), ("\\sqrt{", "}"), ("\\boxed{", "}"))
        )
        text = opening * depth + str(draw.randint(1, 99)) + closing * draw.choice((depth, depth - 1, depth + 1, 0))
    elif kind == "powers":
        height, digit = draw.randint(2, 5), draw.randint(2, 9)
        text = draw.choice(("^{", "**(", "^(")).join(str(digit + draw.randint(0, 90)) for _ in range(height))
        text += draw.choice(("}", ")")) * (height - 1)
    elif kind == "right to left":
        marks = "\u202e\u202b\u200f\u2067\u2069\u202c"
        text = "".join(draw.choice(marks) + draw.choice(("12", "٣٢", "שלום", "B", "(", "\\frac")) for _ in range(9))
    elif kind == "sympy traps":
        text = draw.choice(("{}", "{}+1", "-({})", "{}={}", "x={}")).replace("{}", draw.choice(TRAPS))
        text = NUMBER.sub(lambda match: str(draw.randint(2, 99)), text)
    else:
        text = draw.choice(("", " ")).join(draw.choices(PIECES, k=draw.randint(2, 30)))
    return f"\\boxed{{{text}}}" if draw.random() < 0.5 else text


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    def bark(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


GRADERS: dict[str, Callable[[str, str], tuple[bool, str]]] = {
    "robust": lambda text, gold: (lambda made: (made.correct, made.reason))(grade(text, gold)),
    "papo": lambda text, gold: (lambda made: (made.correct, made.reason))(grade(text, gold, grader="papo")),
    "math_verify": lambda text, gold: (lambda right: (right, "accepted" if right else "rejected"))(
        math_verify_accepts(text, gold)
    ),
}


def fuzz(sizes: Sizes) -> dict[str, Any]:
    """Crashes, hangs and accepted garbage of each grader, with an example of each accepted kind."""
    draw = random.Random(sizes.seed)
    limits.LIMIT_S = sizes.fuzz_limit_s
    counts = {name: Counter({"crashes": 0, "hangs": 0, "accepted_garbage": 0}) for name in GRADERS}
    examples: dict[str, list[dict[str, str]]] = {name: [] for name in GRADERS}
    for number in range(sizes.fuzz):
        kind = KINDS[number % len(KINDS)]
        text, gold = fuzzed_text(kind, draw), draw.choice(FUZZ_GOLDS)
        for name, grader in GRADERS.items():
            outcome, reason = run_one(grader, text, gold)
            if outcome:
                counts[name][outcome] += 1
                if len(examples[name]) < 10:
                    examples[name].append({"what": outcome, "kind": kind, "text": text[:200], "gold": gold})
            counts[name][f"reason: {reason}"] += 1
    return {"inputs": sizes.fuzz, "counts": {name: dict(c) for name, c in counts.items()}, "examples": examples}


def run_one(grader: Callable[[str, str], tuple[bool, str]], text: str, gold: str) -> tuple[str | None, str]:
    """Return what went wrong, if anything, and the grader's reason."""
    try:
        with watchdog(HANG_S):
            accepted, reason = grader(text, gold)
    except Hang:
        return "hangs", "hang"
    except Exception as error:  # what a crash may be is not known in advance: counting them is the purpose
        return "crashes", type(error).__name__
    return ("accepted_garbage" if accepted else None), reason


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the speed part, half of each kind")
    parser.add_argument("--fuzz", type=int, default=20_000, help="fuzzed inputs")
    parser.add_argument("--fuzz-limit-s", type=float, default=0.1, help="CPU seconds of a comparison while fuzzing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    sizes = Sizes(options.rows, options.fuzz, options.fuzz_limit_s, options.seed)
    run = Run.collect(sizes, into=options.out)
    limits.compare("latex", "x", "y")  # the worker is there before the clock starts
    speed = {}
    for kind in (LETTERS_AND_NUMBERS, LATEX):
        lines = speed_rows(kind, sizes.rows // 2, random.Random(f"{sizes.seed} {kind}"))
        speed[kind] = measure_speed(lines)
        print(kind, json.dumps(speed[kind], indent=2), flush=True)
    fuzzed = fuzz(sizes)
    print(json.dumps(fuzzed, indent=2))
    results = {
        "grading_processes": 1,
        "worker_processes": len(psutil.Process().children()),
        "load_average_1_min": os.getloadavg()[0],
        "speed": speed,
    }
    atomic_write_text(options.out, json.dumps({**results, "fuzz": fuzzed, "provenance": asdict(run)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
