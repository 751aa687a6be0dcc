"""`python -m analysis.score_bench runs=<run>,<run>`: how well scores of tokens find those that state a hidden fact.

Methods weight tokens by how much they depend on the picture, by a score. Where every fact is known, the score can be
judged: a token is *seeing* if it is the value of a stated fact that the question does not give. For each score and
column the AUC is the chance that a seeing token of a response has a higher score than another token of the same
response, ties half; a mean over responses, with an interval over items. 0.5 is a score that tells nothing.

No training: passes over the responses of an evaluation, under the weights that gave them.
"""

import sys

from analysis.score_bench.settings import ScoreBenchSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.score_bench"
    return command(ScoreBenchSettings, "analysis.score_bench.run:run", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
