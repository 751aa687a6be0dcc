"""What the execution of notebooks can be told."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class NotebookSettings:
    """One execution; what is empty keeps the defaults of the notebooks' own parameter cells."""

    names: str = setting("", "which notebooks, by number or name, with commas; empty = all")
    runs: str = setting("", "evaluated runs with commas, the baseline first; empty = those of make demo")
    out: str = setting("build/notebooks", "folder of the figures, and of the HTML pages")
    labels: str = setting("", "notebook 04: folder of python -m analysis.judge beside the simulated judge")
    real: str = setting("", "notebook 06: folder of real benchmark pictures to look at")
    in_place: bool = setting(False, "write outputs into notebooks/, to commit them; false: executed copies into out")
    html: bool = setting(False, "write HTML pages to out as well")
    timeout_s: int = setting(900, "seconds that one cell may take")
