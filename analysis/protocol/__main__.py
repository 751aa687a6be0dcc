"""Which errors does a second model repair: the usual protocol, the fair one, and a McNemar test on 50 items.

`first` is the baseline. The usual protocol (PAPO, arXiv 2507.06448, Figures 1 and 15) labels the errors of one
response per item, here k=0, and follows those items under the second model. Items are selected because one sample
failed, so some are correct when resampled (regression to the mean), and new errors are never counted. The fair
protocol takes all k responses of all items, looks in both directions, and subtracts what the baseline repairs when
resampled: a second evaluation with another seed (`resampled=`), or each response against its others (flow.py).

Classes of error: a column `error_class` that both predictions have; else, on the mini world, by construction; else
only right and wrong.
"""

import sys

from analysis.protocol.settings import ProtocolSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.protocol"
    return command(ProtocolSettings, "analysis.protocol.run:protocol", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
