"""What the tasks of an analysis can be told, each by a class of its own."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class RowsSettings:
    """The rows of a table, with the runs that they are made of."""

    table: str = setting("1", "a table of the paper by its number, or a figure or study by its name", group=False)
    scale: str = setting("mini", "whose runs, a scale of the table", group=False)
    methods: list[str] = setting(factory=list, help="rows of the table; empty = all of `table`, else its short list")
    plan: bool = setting(False, "print what fill=true would run, and stop")
    seeds: int = setting(1, "seeds per trained row, counted from 0", bounds="[1, inf)")
    fill: bool = setting(False, "train and evaluate what is missing")
    parallel: int = setting(1, "fill: rows at a time, which share this machine's cores or GPUs", bounds="[1, inf)")
    train: list[str] = setting(factory=list, help="further settings for missing training runs, as in [steps=40]")
    eval: list[str] = setting(factory=list, help="further settings for missing evaluations")
    folder: str = setting("runs", "where the table's run folders lie")


@dataclass(frozen=True)
class TableSettings(RowsSettings):
    """A table of the paper, a figure or a study at our scale."""

    slurm: bool = setting(False, "write job scripts for what fill=true would run into slurm/<table>_<scale>")
    jobs: list[str] = setting(factory=list, help="slurm: more settings of train.slurm, as in [nodes=2,time=8:00:00]")
    out: str = setting("", "folder of the results; empty = results/table<n>_<scale>")


@dataclass(frozen=True)
class ErrorsSettings(RowsSettings):
    """The classes of error of a table's runs."""


@dataclass(frozen=True)
class PageSettings(RowsSettings):
    """One HTML file about some runs."""

    out: str = setting("", "folder of the page; empty = <folder>/<scale>/report or, with runs=, the last run's folder")
    samples: int = setting(200, "samples in the browser, as many from every column; 0 = all", bounds="[0, inf)")
    patches: int = setting(
        48, "how many of them get a map of which patch each token hangs on; 0 = none", bounds="[0, inf)"
    )
    patch_grid: int = setting(4, "rows and columns of that map; the mini world has its own cells", bounds="[1, inf)")


@dataclass(frozen=True)
class ReportSettings(PageSettings):
    """The page about named runs, or about those of a table."""

    runs: str = setting("", "folders of runs or evaluations, a,b,c; the first is the baseline; empty = the table's")


@dataclass(frozen=True)
class DemoSettings(PageSettings):
    """The page about a table's runs, after training and evaluating what is missing."""

    fill: bool = setting(True, "train and evaluate what is missing")


TASKS: dict[str, type[RowsSettings]] = {
    "table": TableSettings,
    "errors": ErrorsSettings,
    "report": ReportSettings,
    "demo": DemoSettings,
}
