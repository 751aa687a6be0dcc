"""`python -m analysis.probes run=<run folder>`: what each probe does to accuracy."""

import sys

from analysis.probes.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
