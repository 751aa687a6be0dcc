"""Why responses are wrong, by a language model that sees picture, question, gold and response: two blinded passes.

    python -m analysis.judge eval=runs/mini/base/eval/mini items=300 balanced=true out=build/judge/mini
    python -m analysis.judge eval=runs/a/eval/mmk12 calibration=build/judge/mini out=runs/a/judge

Both passes ask about the same responses, each in an order of its own and with the classes listed in another order, so
that what a judge says twice was not said because of a place in a list. The first command
measures the judge where the truth is known, the second corrects its class rates elsewhere by that.
"""

import sys

from analysis.judge.settings import JudgeClassesSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.judge"
    return command(JudgeClassesSettings, "analysis.judge.classes:judge_classes", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
