"""Tables, errors and the HTML report from run folders.

python -m analysis report runs=a,b     one HTML file that compares evaluated runs, the first being the baseline: what
                                       is wrong with wrong answers, what the others repair, which words hang on
                                       the picture, and sample by sample every run's answers
python -m analysis report              the same of the table's runs that are there, beside the paper's table
python -m analysis demo                the same, after training and evaluating what is missing
python -m analysis table=1             a table of the paper at our scale, as Markdown, CSV, LaTeX and PNG
python -m analysis errors              the classes of error of the table's runs
"""

import sys

from analysis.settings import AnalysisSettings
from configs import command

if __name__ == "__main__":
    sys.exit(
        command(
            AnalysisSettings,
            "analysis.outputs:run",
            sys.argv[1:],
            prog="python -m analysis",
            summary=str(__doc__),
            positional=("task",),
        )
    )
