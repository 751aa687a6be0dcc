"""What an analysis can be told."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class AnalysisSettings:
    """One analysis over run folders."""

    task: str = setting("table", "table, errors, report or demo")
    runs: str = setting("", "report: folders of runs or evaluations, a,b,c; the first is the baseline; empty = table")
    table: str = setting("1", "a table of the paper by its number, or a figure or study by its name", group=False)
    scale: str = setting("mini", "whose runs, a scale of the table", group=False)
    methods: list[str] = setting(factory=list, help="rows of the table; empty = all, demo and report: its short list")
    slurm: bool = setting(False, "table: write job scripts for what fill=true would run into slurm/<table>_<scale>")
    jobs: list[str] = setting(factory=list, help="slurm: more settings of train.slurm, as in [nodes=2,time=8:00:00]")
    plan: bool = setting(False, "table: print what fill=true would run, and stop")
    seeds: int = setting(1, "seeds per trained row, counted from 0")
    fill: bool = setting(False, "train and evaluate what is missing")
    train: list[str] = setting(factory=list, help="further settings for missing training runs, as in [steps=40]")
    eval: list[str] = setting(factory=list, help="further settings for missing evaluations")
    folder: str = setting("runs", "where the table's run folders lie")
    out: str = setting(
        "",
        "folder of the results; empty = results/table<n>_<scale>; report, demo: <folder>/<scale>/report or, with "
        "runs=, the last run's folder",
    )
    samples: int = setting(200, "samples in the report's browser, as many from every column; 0 = all")
    patches: int = setting(48, "how many of them get a map of which patch each token hangs on; 0 = none")
    patch_grid: int = setting(4, "rows and columns of that map; the mini world has its own cells")
