"""A page on which a person sorts wrong responses into the error classes, and the agreement of what comes back.

    python -m analysis.judge.labelling eval=runs/a/eval/mmk12 items=200 out=labels.html
    python -m analysis.judge.labelling eval=runs/a/eval/mmk12 labels=[labels-ab.json] judge=runs/a/judge out=people.md

The page works from disk, shows nothing that names a model, and draws the same responses as analysis.judge.classes
with the same seed and number of items. All text reaches it as JSON and is shown as text.
"""

import sys

from analysis.judge.settings import LabellingSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.judge.labelling"
    return command(LabellingSettings, "analysis.judge.labels:labelling", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
