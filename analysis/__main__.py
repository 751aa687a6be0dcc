"""Tables, errors and the HTML report from run folders.

python -m analysis report runs=a,b     one HTML file that compares evaluated runs, the first being the baseline: what
                                       is wrong with wrong answers, what the others repair, which words hang on
                                       the picture, and sample by sample every run's answers
python -m analysis report              the same of the table's runs that are there, beside the paper's table
python -m analysis demo                the same, after training and evaluating what is missing
python -m analysis table=1             a table of the paper at our scale, as Markdown, CSV, LaTeX and PNG
python -m analysis errors              the classes of error of the table's runs

`python -m analysis <task> --help` lists the settings of a task: table (where none is named), errors, report or demo.
Other parts have folders of their own, and answer to either name: `python -m analysis claims` or `analysis.claims`.
"""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.settings import TASKS, ReportSettings, RowsSettings
from common import UserError, did_you_mean
from configs import command
from configs.command import USAGE_ERROR

PARTS = [path.parent.name for path in sorted(Path(__file__).parent.glob("*/__main__.py"))]


def start(settings: RowsSettings) -> None:
    """Do a task; what is not there is refused before what draws and scores is loaded."""
    from analysis.experiments import read_table_file, remaining
    from analysis.planned import check_commands, experiments_of

    table = read_table_file(settings.table)
    runs = settings.runs if isinstance(settings, ReportSettings) else ""
    experiments = experiments_of(settings, table) if table["scales"] else []
    if not runs:  # else the table's own are not looked at
        check_commands(remaining(experiments))
    for one in runs.split(",") if runs else ():
        if not Path(one.strip()).exists():
            raise UserError(f"there is no folder {one}; runs= takes runs, evaluations or a training step")
    from analysis.outputs import run

    run(settings)


def main(argv: Sequence[str]) -> int:
    """Run the task that the first bare word, or task=, names."""
    named = [one for one in argv if one.startswith("task=") or ("=" not in one and not one.startswith("-"))][:1]
    task = named[0].removeprefix("task=") if named else "table"
    left = [one for one in argv if one not in named]
    if (part := task.replace("-", "_")) in PARTS:
        sys.argv = [f"analysis {task}", *left]
        runpy.run_module(f"analysis.{part}", run_name="__main__", alter_sys=True)  # it ends this process itself
    if task not in TASKS:
        print(f"error: no analysis task '{task}'; {did_you_mean(task, [*TASKS, *PARTS])}", file=sys.stderr)
        return USAGE_ERROR
    prog = f"python -m analysis {task}"
    return command(TASKS[task], start, left, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
