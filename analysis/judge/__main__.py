"""`python -m analysis.judge eval=<folder>`: a judge classifies wrong responses in two blinded passes."""

import sys

from analysis.judge.classes import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
