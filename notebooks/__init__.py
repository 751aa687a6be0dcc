"""Four documents that call the analysis on evaluated runs: `python -m notebooks` executes them."""
