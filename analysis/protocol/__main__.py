"""`python -m analysis.protocol first=<folder> second=<folder>`: both protocols on one page."""

import sys

from analysis.protocol.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
