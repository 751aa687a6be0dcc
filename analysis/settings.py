"""What an analysis can be told."""

from dataclasses import dataclass

from configs import setting


@dataclass
class AnalysisSettings:
    """One analysis over run folders."""

    task: str = setting("table", "table, errors, report or demo")
    table: int = setting(1, "the paper's table", group=False)
    scale: str = setting("mini", "whose runs, a file of configs/scales", group=False)
    methods: list[str] = setting(factory=lambda: ["base", "grpo", "papo_g"], help="rows; base is the untrained model")
    seeds: int = setting(1, "seeds per trained row, counted from 0")
    fill: bool = setting(False, "train and evaluate what is missing")
    train: list[str] = setting(factory=list, help="further settings for missing training runs, as in [steps=40]")
    eval: list[str] = setting(factory=list, help="further settings for missing evaluations")
    runs: str = setting("runs", "where run folders lie")
    out: str = setting(
        "", "folder of the results; empty = results/table<n>_<scale>, or runs/<scale> for report and demo"
    )
    samples: int = setting(12, "samples per column in the report's browser")
    dry_run: bool = setting(False, "print the resolved settings and stop")
